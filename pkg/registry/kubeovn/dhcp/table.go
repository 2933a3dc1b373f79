package dhcp

import "math"

// option describes what an option's value may be.
type option struct {
	typ      string // of OVN's tables
	min, max uint64 // of a number
	many     bool   // more than one value may be given, in braces
	domains  bool   // a text that holds names of domains
}

func number(typ string, low, high uint64) option { return option{typ: typ, min: low, max: high} }

// Types of the tables DHCP_Options and DHCPv6_Options of OVN's Southbound database, see ovn-sb(5).
const (
	typeBool   = "bool" // 0 or 1
	typeUint8  = "uint8"
	typeUint16 = "uint16"
	typeUint32 = "uint32"
	typeIPv4   = "ipv4"
	typeIPv6   = "ipv6"
	typeMAC    = "mac"
	typeText   = "str"
	typeDomain = "domains"
	typeHost   = "host_id" // an IPv4 address or a name
	typeRoutes = "static_routes"
)

var (
	flag    = number(typeBool, 0, 1)
	seconds = number(typeUint32, 1, math.MaxUint32)
	text    = option{typ: typeText}
	address = option{typ: typeIPv4}
	list    = option{typ: typeIPv4, many: true}
)

// v4 are the options of DHCPv4 that OVN 23.03 and 25.03 have (supported_dhcp_opts in ovn/northd/ovn-northd.c; RFC 2132). offerip is the
// address of the interface, which ovn-northd adds.
var v4 = map[string]option{
	"T1": seconds, "T2": seconds, "lease_time": seconds, "arp_cache_timeout": seconds, "tcp_keepalive_interval": number(typeUint32, 0, math.MaxUint32),
	"mtu": number(typeUint16, 68, math.MaxUint16), "default_ttl": number(typeUint8, 1, math.MaxUint8), "tcp_ttl": number(typeUint8, 1, math.MaxUint8),
	"netbios_node_type": number(typeUint8, 1, 8),
	"ethernet_encap":    flag, "ip_forward_enable": flag, "router_discovery": flag,
	"bootfile_name": text, "bootfile_name_alt": text, "path_prefix": text, "wpad": text,
	"hostname": {typ: typeText, domains: true}, "domain_name": {typ: typeText, domains: true}, "domain_search_list": {typ: typeDomain, many: true, domains: true},
	"server_id": address, "netmask": address, "broadcast_address": address, "next_server": address, "router_solicitation": address, "swap_server": address,
	"router": list, "dns_server": list, "log_server": list, "lpr_server": list, "nis_server": list, "ntp_server": list, "netbios_name_server": list,
	"tftp_server_address": list, "policy_filter": list, "tftp_server": {typ: typeHost},
	"classless_static_route": {typ: typeRoutes, many: true}, "ms_classless_static_route": {typ: typeRoutes, many: true},
}

// serverMAC is an option of ovn-northd's own.
const serverMAC = "server_mac"

// v6 are the options of DHCPv6 that both have. ia_addr is the address of the interface, which ovn-northd adds. OVN sends domain_search as
// one name.
var v6 = map[string]option{
	"server_id": {typ: typeMAC}, "dns_server": {typ: typeIPv6, many: true}, "domain_search": {typ: typeText, domains: true},
}

// stateless is an option of ovn-northd's own: DHCPv6 gives no addresses.
const stateless = "dhcpv6_stateless"
