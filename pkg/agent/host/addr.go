package host

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// IPNet is a prefix, its address with all bits, as netlink wants it.
func IPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// PrefixOf is the reverse of IPNet; the zero Prefix for nil. The mask tells the family: ::ffff:192.0.2.0/120 is one of IPv6.
func PrefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	if len(n.Mask) == net.IPv4len {
		addr = addr.Unmap()
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, ones)
}

// AddrOf is an address as netlink has it; the zero Addr for none.
func AddrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// FamilyOf is netlink's number of an address's family.
func FamilyOf(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// Everything is the prefix of a family's default routes.
func Everything(family int) netip.Prefix {
	if family == netlink.FAMILY_V4 {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
