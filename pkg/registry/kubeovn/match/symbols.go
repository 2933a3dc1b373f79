package match

import (
	"regexp"
	"strings"
)

// fields are the symbols of ovn-sb(5), section "Symbols", and of ovn/lib/logical-fields.c.
var fields = func() map[string]bool {
	known := map[string]bool{}
	for _, name := range strings.Fields(`
		inport outport flags flags.loopback is_chassis_resident
		eth eth.src eth.dst eth.type eth.mcast eth.bcast eth.mcastv6 vlan.tci vlan.vid vlan.pcp vlan.present
		ip ip4 ip6 ip.proto ip.dscp ip.ecn ip.ttl ip.frag ip.is_frag ip.first_frag ip.later_frag
		ip4.src ip4.dst ip4.mcast ip6.src ip6.dst ip6.label ip6.mcast
		icmp icmp4 icmp4.type icmp4.code icmp4.frag_mtu icmp6 icmp6.type icmp6.code icmp6.frag_mtu igmp
		arp arp.op arp.spa arp.tpa arp.sha arp.tha rarp
		nd nd.target nd.sll nd.tll nd_ns nd_na nd_rs nd_ra nd_ns_mcast mldv1 mldv2
		tcp tcp.src tcp.dst tcp.flags udp udp.src udp.dst sctp sctp.src sctp.dst
		ct.trk ct.new ct.est ct.rel ct.rpl ct.inv ct.dnat ct.snat
		ct_mark ct_label ct_mark.blocked ct_label.blocked ct_mark.natted ct_label.natted
		ct_nw_src ct_nw_dst ct_ip6_src ct_ip6_dst ct_tp_src ct_tp_dst ct_proto ct_state
		pkt.mark tun_id`) {
		known[name] = true
	}
	return known
}()

var register = regexp.MustCompile(`^(reg[0-9]|xreg[0-4]|xxreg[01])$`)

func isKnown(name string) bool { return fields[name] || register.MatchString(name) }
