package match

import (
	"fmt"
	"strings"
)

// level is what may be asked of a field; see "Fields" in the description of the column match of Logical_Flow, ovn-sb(5).
type level uint8

const (
	nominal level = iota // equal or not, and only positively: what is no TCP may be without a port at all
	boolean              // one bit that is a whole expression
	ordinal              // single bits, ranges of bits, less and greater
)

// symbol describes a field or a predicate. A field that holds a name (inport, outport) has width 0.
type symbol struct {
	width     int // in bits
	level     level
	predicate bool // stands for an expression, as "tcp" for "ip.proto == 6"
}

// symbols are what OVN 23.03 and 25.03 both have (ovn/lib/logical-fields.c; TestSymbolsAreOVNs asks OVN itself). Left out are
// icmp4.frag_mtu and icmp6.frag_mtu, which are for actions only.
var symbols = func() map[string]symbol {
	all := map[string]symbol{"inport": {}, "outport": {}}
	add := func(s symbol, names string) {
		for _, name := range strings.Fields(names) {
			all[name] = s
		}
	}
	add(symbol{1, nominal, true}, `ip ip4 ip6 icmp icmp4 icmp6 igmp arp rarp nd nd_ns nd_na nd_rs nd_ra mldv1 mldv2 tcp udp sctp`)
	add(symbol{1, boolean, true}, `eth.bcast eth.mcastv6 vlan.present ip4.src_mcast ip4.mcast ip6.mcast ip6.mcast_rsvd ip6.mcast_all_nodes
		ip6.mcast_all_rtrs ip6.mcast_sol_node ip6.mcast_flood ip.is_frag ip.later_frag ip.first_frag`)
	add(symbol{2, nominal, false}, `ip.ecn`)
	add(symbol{6, nominal, false}, `ip.dscp`)
	add(symbol{8, nominal, false}, `ip.proto ip.ttl icmp4.type icmp4.code icmp6.type icmp6.code`)
	add(symbol{16, nominal, false}, `eth.type arp.op rarp.op`)
	add(symbol{1, ordinal, false}, `eth.mcast flags.loopback flags.force_snat_for_dnat flags.force_snat_for_lb flags.skip_snat_for_lb
		flags.use_snat_zone ct_mark.blocked ct_mark.natted ct_mark.skip_snat ct_mark.force_snat
		ct.trk ct.new ct.est ct.rel ct.rpl ct.inv ct.dnat ct.snat`)
	add(symbol{2, ordinal, false}, `ip.frag`)
	add(symbol{3, ordinal, false}, `vlan.pcp`)
	add(symbol{12, ordinal, false}, `vlan.vid tcp.flags`)
	add(symbol{16, ordinal, false}, `vlan.tci tcp.src tcp.dst udp.src udp.dst sctp.src sctp.dst ct_mark.ecmp_reply_port`)
	add(symbol{20, ordinal, false}, `ip6.label`)
	add(symbol{32, ordinal, false}, `ip4.src ip4.dst arp.spa arp.tpa rarp.spa rarp.tpa flags ct_mark ct_label.label ct_state pkt.mark`)
	add(symbol{48, ordinal, false}, `eth.src eth.dst arp.sha arp.tha rarp.sha rarp.tha nd.sll nd.tll ct_label.ecmp_reply_eth`)
	add(symbol{128, ordinal, false}, `ip6.src ip6.dst nd.target ct_label`)
	for width, registers := range map[int]int{32: 10, 64: 5, 128: 2} {
		for i := range registers {
			add(symbol{width, ordinal, false}, fmt.Sprintf("%sreg%d", strings.Repeat("x", width/64), i))
		}
	}
	return all
}()
