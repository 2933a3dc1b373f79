package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ParseAddr reads an IPv4 or IPv6 address in canonical form (RFC 5952 for IPv6). The error says what the canonical form
// would be. Zones and IPv4 addresses mapped into IPv6 are refused.
func ParseAddr(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, errors.New("must be an IP address")
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%q has a zone: write %s", s, a.WithZone(""))
	case a.Is4In6():
		return netip.Addr{}, fmt.Errorf("%q is an IPv4 address mapped into IPv6: write %s", s, a.Unmap())
	case a.String() != s:
		return netip.Addr{}, fmt.Errorf("%q is not in canonical form: write %s", s, a)
	}
	return a, nil
}

// ParseInterface reads an address with the length of its prefix, as the network of a router port: host bits are allowed,
// canonical form is required.
func ParseInterface(s string) (netip.Prefix, error) {
	address, length, found := strings.Cut(s, "/")
	if !found {
		return netip.Prefix{}, fmt.Errorf("%q is not an address with a prefix length, as 10.0.0.1/24 or fd00::1/64", s)
	}
	a, err := ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q has a wrong prefix length %q: must be 0 to %d", s, length, a.BitLen())
	}
	return p, nil
}

// ParsePrefix reads a prefix in canonical form, without host bits. The error says what would be right.
func ParsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		if a, err := netip.ParseAddr(s); err == nil {
			return netip.Prefix{}, fmt.Errorf("%q is an address, not a CIDR: write %s/%d for this address alone", s, a.Unmap(), a.Unmap().BitLen())
		}
		return netip.Prefix{}, fmt.Errorf("%q is not a CIDR, as 10.0.0.0/24 or fd00::/64", s)
	}
	p, err := ParseInterface(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if m := p.Masked(); m != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits set beyond its prefix length: write %s", s, m)
	}
	return p, nil
}

// Prefixes are at most one prefix a family. The zero Prefix stands for a family that is absent.
type Prefixes struct{ V4, V6 netip.Prefix }

// Addrs are at most one address a family. The zero Addr stands for a family that is absent.
type Addrs struct{ V4, V6 netip.Addr }

// ParsePrefixes reads "v4", "v6", "v4,v6" or "v6,v4"; the empty string has no prefix.
func ParsePrefixes(s string) (Prefixes, error) {
	var p Prefixes
	err := eachPart(s, func(part string) error {
		x, err := ParsePrefix(part)
		if err != nil {
			return err
		}
		return p.set(x)
	})
	return p, err
}

// ParseInterfaces reads "v4/len", "v6/len" or both, comma-separated; host bits are allowed.
func ParseInterfaces(s string) (Prefixes, error) {
	var p Prefixes
	err := eachPart(s, func(part string) error {
		x, err := ParseInterface(part)
		if err != nil {
			return err
		}
		return p.set(x)
	})
	return p, err
}

// ParseAddrs reads "v4", "v6", "v4,v6" or "v6,v4"; the empty string has no address.
func ParseAddrs(s string) (Addrs, error) {
	var a Addrs
	err := eachPart(s, func(part string) error {
		x, err := ParseAddr(part)
		if err != nil {
			return err
		}
		slot := &a.V6
		if x.Is4() {
			slot = &a.V4
		}
		if slot.IsValid() {
			return fmt.Errorf("%s and %s are of the same family: at most one IPv4 and one IPv6 address", *slot, x)
		}
		*slot = x
		return nil
	})
	return a, err
}

func eachPart(s string, read func(string) error) error {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	if len(parts) > 2 {
		return fmt.Errorf("%q has %d parts: at most one IPv4 and one IPv6, separated by a comma", s, len(parts))
	}
	for _, part := range parts {
		if err := read(part); err != nil {
			return err
		}
	}
	return nil
}

func (p *Prefixes) set(x netip.Prefix) error {
	slot := &p.V6
	if x.Addr().Is4() {
		slot = &p.V4
	}
	if slot.IsValid() {
		return fmt.Errorf("%s and %s are of the same family: at most one IPv4 and one IPv6 prefix", *slot, x)
	}
	*slot = x
	return nil
}

// All returns the prefixes that are present, IPv4 first.
func (p Prefixes) All() []netip.Prefix {
	all := make([]netip.Prefix, 0, 2)
	for _, x := range [...]netip.Prefix{p.V4, p.V6} {
		if x.IsValid() {
			all = append(all, x)
		}
	}
	return all
}

// Of returns the prefix of an address's family, zero when it is absent.
func (p Prefixes) Of(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return p.V4
	}
	return p.V6
}

// Contains reports whether the prefix of the address's family is present and holds it.
func (p Prefixes) Contains(a netip.Addr) bool {
	x := p.Of(a)
	return x.IsValid() && x.Contains(a)
}

// Overlaps returns the first pair of overlapping prefixes, and whether there is one.
func (p Prefixes) Overlaps(q Prefixes) (mine, theirs netip.Prefix, found bool) {
	if p.V4.IsValid() && q.V4.IsValid() && p.V4.Overlaps(q.V4) {
		return p.V4, q.V4, true
	}
	if p.V6.IsValid() && q.V6.IsValid() && p.V6.Overlaps(q.V6) {
		return p.V6, q.V6, true
	}
	return netip.Prefix{}, netip.Prefix{}, false
}

// String is the comma-separated form, IPv4 first; "" when both families are absent.
func (p Prefixes) String() string {
	switch {
	case p.V4.IsValid() && p.V6.IsValid():
		return p.V4.String() + "," + p.V6.String()
	case p.V4.IsValid():
		return p.V4.String()
	case p.V6.IsValid():
		return p.V6.String()
	}
	return ""
}

// All returns the addresses that are present, IPv4 first.
func (a Addrs) All() []netip.Addr {
	all := make([]netip.Addr, 0, 2)
	for _, x := range [...]netip.Addr{a.V4, a.V6} {
		if x.IsValid() {
			all = append(all, x)
		}
	}
	return all
}

// Has reports whether an address is one of them.
func (a Addrs) Has(b netip.Addr) bool { return b.IsValid() && (a.V4 == b || a.V6 == b) }

// String is the comma-separated form, IPv4 first; "" when both families are absent.
func (a Addrs) String() string {
	switch {
	case a.V4.IsValid() && a.V6.IsValid():
		return a.V4.String() + "," + a.V6.String()
	case a.V4.IsValid():
		return a.V4.String()
	case a.V6.IsValid():
		return a.V6.String()
	}
	return ""
}

// Gateways returns the gateway of each family that cidrBlock of a Subnet has: the one that gateway names, otherwise the first
// address of the prefix. Both are read as ParsePrefixes and ParseAddrs read them.
func Gateways(cidrBlock, gateway string) (Addrs, error) {
	prefixes, err := ParsePrefixes(cidrBlock)
	if err != nil {
		return Addrs{}, err
	}
	gateways, err := ParseAddrs(gateway)
	if err != nil {
		return Addrs{}, err
	}
	first := prefixes.FirstHosts()
	if !gateways.V4.IsValid() {
		gateways.V4 = first.V4
	}
	if !gateways.V6.IsValid() {
		gateways.V6 = first.V6
	}
	return gateways, nil
}

// FirstHosts returns the first address of each prefix that a host may have.
func (p Prefixes) FirstHosts() Addrs {
	var a Addrs
	if p.V4.IsValid() {
		a.V4 = FirstHost(p.V4)
	}
	if p.V6.IsValid() {
		a.V6 = FirstHost(p.V6)
	}
	return a
}

// Of returns the address of the family of another address, zero when it is absent.
func (a Addrs) Of(b netip.Addr) netip.Addr {
	if b.Is4() {
		return a.V4
	}
	return a.V6
}
