package ipam

import "net/netip"

// special are the prefixes whose addresses no host on a routed network has. Routers drop what comes from them or goes to them:
// OVN does in its table lr_in_ip_input (ovn-northd(8)), except for IPv4 link-local addresses, which RFC 3927 section 2.6.2
// forbids to forward. Kube-OVN refuses the same ones.
var special = []struct {
	prefix netip.Prefix
	name   string // of one address
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of \"this network\" (0.0.0.0/8)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address (127.0.0.0/8)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address (169.254.0.0/16)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address (224.0.0.0/4)"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address (255.255.255.255)"},
	{netip.MustParsePrefix("::/128"), "the unspecified address (::)"},
	{netip.MustParsePrefix("::1/128"), "the loopback address (::1)"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address (fe80::/10)"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address (ff00::/8)"},
}

// Special returns what an address is that no host on any network has as its own: unspecified, loopback, multicast or broadcast,
// with its article, for messages; "" for all others. Link-local addresses belong to hosts: they are not special here.
func Special(a netip.Addr) string {
	for _, s := range special {
		if s.prefix.Contains(a) && !a.IsLinkLocalUnicast() {
			return s.name
		}
	}
	return ""
}

// Unreachable returns what an address is that routers never forward to, as Special does and for link-local addresses also; "" when they
// may.
func Unreachable(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return Unroutable(netip.PrefixFrom(a, a.BitLen()))
}

// Unroutable returns what addresses of a prefix are that routers never forward, as Special does and for link-local addresses also;
// "" when the prefix has none.
func Unroutable(p netip.Prefix) string {
	for _, s := range special {
		if s.prefix.Overlaps(p) {
			return s.name
		}
	}
	return ""
}
