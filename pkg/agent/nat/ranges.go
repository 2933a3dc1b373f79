package nat

import (
	"net/netip"

	"github.com/google/nftables"
	"go4.org/netipx"
)

// rangesOf are the addresses of one family, as ranges that neither overlap nor touch, ascending.
func rangesOf(f family, ps []netip.Prefix) []netipx.IPRange {
	var set netipx.IPSetBuilder
	for _, p := range ps {
		if f.has(p.Addr()) {
			set.AddPrefix(p)
		}
	}
	all, err := set.IPSet()
	if err != nil {
		return nil // Only for prefixes that are not valid, which f.has excludes.
	}
	return all.Ranges()
}

// interval is how the kernel is told ranges: where one begins, and where the first address after it is.
func interval(ranges []netipx.IPRange) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, r := range ranges {
		elements = append(elements, nftables.SetElement{Key: r.From().AsSlice()})
		if after := r.To().Next(); after.IsValid() {
			elements = append(elements, nftables.SetElement{Key: after.AsSlice(), IntervalEnd: true})
		}
	}
	return elements
}

func prefixes(addrs []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out
}
