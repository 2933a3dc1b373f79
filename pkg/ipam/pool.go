package ipam

import (
	"encoding/hex"
	"iter"
	"math/big"
	"net/netip"

	"go4.org/netipx"
)

// Usable returns the addresses of a prefix that a host may have. IPv4: all but the network and the broadcast address, or both
// addresses of a /31 (RFC 3021) and the one of a /32. IPv6 has no broadcast; the first address is the subnet-router anycast
// address (RFC 4291 section 2.6.1), except in a /127 (RFC 6164) and a /128.
func Usable(p netip.Prefix) netipx.IPRange {
	whole := netipx.RangeOfPrefix(p)
	if p.Bits() >= p.Addr().BitLen()-1 {
		return whole
	}
	if p.Addr().Is4() {
		return netipx.IPRangeFrom(whole.From().Next(), whole.To().Prev())
	}
	return netipx.IPRangeFrom(whole.From().Next(), whole.To())
}

// FirstHost is the first usable address of a prefix: the default gateway.
func FirstHost(p netip.Prefix) netip.Addr { return Usable(p).From() }

// Unusable says why a host may not have an address of a prefix: "network address", "broadcast address" or
// "subnet-router anycast address"; "" when it may. The address must lie in the prefix.
func Unusable(p netip.Prefix, a netip.Addr) string {
	usable := Usable(p)
	switch {
	case a.Less(usable.From()) && a.Is4():
		return "network address"
	case a.Less(usable.From()):
		return "subnet-router anycast address"
	case usable.To().Less(a):
		return "broadcast address"
	}
	return ""
}

// Key is the fixed-width form of an address whose text order is the order of addresses within a family: 32 hexadecimal
// digits of its 16-byte form (IPv4 as mapped into IPv6).
func Key(a netip.Addr) string {
	const digits = "0123456789abcdef"
	bytes := a.As16()
	var text [32]byte
	for i, b := range bytes {
		text[2*i], text[2*i+1] = digits[b>>4], digits[b&15]
	}
	return string(text[:])
}

// ParseKey returns the address of a Key, and whether the text is one.
func ParseKey(text string) (netip.Addr, bool) {
	var bytes [16]byte
	if len(text) != 2*len(bytes) {
		return netip.Addr{}, false
	}
	if _, err := hex.Decode(bytes[:], []byte(text)); err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(bytes).Unmap(), true
}

// Pool is a prefix without what is excluded from automatic allocation.
type Pool struct {
	Prefix   netip.Prefix
	Excluded Set
}

// Used yields the addresses in use from an address on, ascending, of this family. It may stop after the pool's prefix.
type Used func(from netip.Addr) iter.Seq[netip.Addr]

// Next returns a free address: the first at or after the hint, and if there is none, the first before it. An invalid hint,
// or one outside the prefix, starts at the beginning. It returns false when the pool is exhausted.
// A caller that hints at the address after the last one that it got walks in a ring: an address that was released is
// not used again soon, and a search does not pass over all that is in use.
func (p Pool) Next(hint netip.Addr, used Used) (netip.Addr, bool) {
	usable := Usable(p.Prefix)
	if !usable.Contains(hint) {
		hint = usable.From()
	}
	if a, ok := p.firstFree(hint, usable.To(), used); ok {
		return a, true
	}
	if hint == usable.From() {
		return netip.Addr{}, false
	}
	return p.firstFree(usable.From(), hint.Prev(), used)
}

// firstFree returns the first address of from..to that is neither excluded nor in use. It reads used as far as needed, once
// for every excluded range that it has to jump over.
func (p Pool) firstFree(from, to netip.Addr, used Used) (netip.Addr, bool) {
	for {
		candidate, ok := p.Excluded.skip(from)
		if !ok || to.Less(candidate) {
			return netip.Addr{}, false
		}
		// No exclusion begins before limit, so up to there only addresses in use matter.
		limit := p.Excluded.limit(candidate, to)
		for taken := range used(candidate) {
			if taken.Less(candidate) { // a second holder of the address before
				continue
			}
			if taken != candidate {
				break
			}
			if candidate == limit {
				candidate = netip.Addr{}
				break
			}
			candidate = candidate.Next()
		}
		if candidate.IsValid() {
			return candidate, true
		}
		if limit == to {
			return netip.Addr{}, false
		}
		from = limit.Next()
	}
}

// Contains reports whether automatic allocation may choose the address.
func (p Pool) Contains(a netip.Addr) bool {
	return Usable(p.Prefix).Contains(a) && !p.Excluded.Contains(a)
}

// Size is the number of addresses that automatic allocation may choose from.
func (p Pool) Size() *big.Int {
	usable := Usable(p.Prefix)
	n := rangeSize(usable)
	for _, r := range p.Excluded.within(usable) {
		n.Sub(n, rangeSize(r))
	}
	return n
}

func rangeSize(r netipx.IPRange) *big.Int {
	from, to := r.From().As16(), r.To().As16()
	n := new(big.Int).SetBytes(to[:])
	n.Sub(n, new(big.Int).SetBytes(from[:]))
	return n.Add(n, big.NewInt(1))
}
