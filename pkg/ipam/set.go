package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"go4.org/netipx"
)

// ParseRange reads a member of a list of excluded addresses: one address, or "first..last" of one family in order.
func ParseRange(s string) (netipx.IPRange, error) {
	first, last, isRange := strings.Cut(s, "..")
	from, err := ParseAddr(first)
	if err != nil {
		return netipx.IPRange{}, err
	}
	if !isRange {
		return netipx.IPRangeFrom(from, from), nil
	}
	to, err := ParseAddr(last)
	if err != nil {
		return netipx.IPRange{}, err
	}
	switch {
	case from.Is4() != to.Is4():
		return netipx.IPRange{}, fmt.Errorf("%q joins an IPv4 and an IPv6 address", s)
	case to.Less(from):
		return netipx.IPRange{}, fmt.Errorf("%q ends before it begins: write %s..%s", s, to, from)
	}
	return netipx.IPRangeFrom(from, to), nil
}

// Set is an immutable set of addresses of both families. The zero Set is empty.
type Set struct {
	ranges []netipx.IPRange // ascending and disjoint; no two of them touch; IPv4 before IPv6, as netip.Addr orders them
}

// NewSet returns the union of ranges.
func NewSet(ranges ...netipx.IPRange) Set {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b netipx.IPRange) int { return a.From().Compare(b.From()) })
	var merged []netipx.IPRange
	for _, r := range sorted {
		if n := len(merged); n > 0 {
			last := merged[n-1]
			// Next of the last address of a family is invalid, hence equal to no range's beginning.
			if !last.To().Less(r.From()) || last.To().Next() == r.From() {
				if last.To().Less(r.To()) {
					merged[n-1] = netipx.IPRangeFrom(last.From(), r.To())
				}
				continue
			}
		}
		merged = append(merged, r)
	}
	return Set{merged}
}

// ParseSet reads a list whose members ParseRange reads.
func ParseSet(members []string) (Set, error) {
	ranges := make([]netipx.IPRange, 0, len(members))
	for _, m := range members {
		r, err := ParseRange(m)
		if err != nil {
			return Set{}, err
		}
		ranges = append(ranges, r)
	}
	return NewSet(ranges...), nil
}

// Contains reports whether the address is a member.
func (s Set) Contains(a netip.Addr) bool {
	i := s.search(a)
	return i < len(s.ranges) && s.ranges[i].Contains(a)
}

// Ranges returns the disjoint ranges of the set, ascending.
func (s Set) Ranges() []netipx.IPRange { return slices.Clone(s.ranges) }

// search returns the index of the first range that does not end before a.
func (s Set) search(a netip.Addr) int {
	return sort.Search(len(s.ranges), func(i int) bool { return !s.ranges[i].To().Less(a) })
}

// skip returns the first address at or after a that is not a member; false when the family ends first.
func (s Set) skip(a netip.Addr) (netip.Addr, bool) {
	if i := s.search(a); i < len(s.ranges) && s.ranges[i].Contains(a) {
		a = s.ranges[i].To().Next()
	}
	return a, a.IsValid()
}

// limit returns the last address of a..to before the next member; a is not a member.
func (s Set) limit(a, to netip.Addr) netip.Addr {
	if i := s.search(a); i < len(s.ranges) && !to.Less(s.ranges[i].From()) {
		return s.ranges[i].From().Prev()
	}
	return to
}

// within returns the parts of the set's ranges that lie in a range.
func (s Set) within(r netipx.IPRange) []netipx.IPRange {
	var parts []netipx.IPRange
	for i := s.search(r.From()); i < len(s.ranges) && !r.To().Less(s.ranges[i].From()); i++ {
		from, to := s.ranges[i].From(), s.ranges[i].To()
		if from.Less(r.From()) {
			from = r.From()
		}
		if r.To().Less(to) {
			to = r.To()
		}
		parts = append(parts, netipx.IPRangeFrom(from, to))
	}
	return parts
}

// FormatRange is the form that ParseRange reads.
func FormatRange(r netipx.IPRange) string {
	if r.From() == r.To() {
		return r.From().String()
	}
	return r.From().String() + ".." + r.To().String()
}
