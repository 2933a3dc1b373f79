package subnet

import (
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// usage is what is known of the addresses of one family: those in use as disjoint ranges, and how many are left.
type usage struct {
	pool      ipam.Pool
	using     int
	used      []netipx.IPRange
	available *big.Int
}

// usageOf reads all addresses in use of a prefix; the zero prefix has none.
func usageOf(v storage.View, s *v1.Subnet, p netip.Prefix) usage {
	if !p.IsValid() {
		return usage{available: new(big.Int)}
	}
	gateways, _ := gatewaysOf(s)
	excluded, _ := ipam.ParseSet(slices.Concat(s.Spec.ExcludeIps, texts(gateways)))
	u := usage{pool: ipam.Pool{Prefix: p, Excluded: excluded}}
	fromPool := 0
	var last netip.Addr
	for a := range address.Used(v, s.Name, p) {
		if a == last {
			continue // held twice: one address
		}
		u.using++
		if u.pool.Contains(a) {
			fromPool++
		}
		if n := len(u.used); n > 0 && last.Next() == a {
			u.used[n-1] = netipx.IPRangeFrom(u.used[n-1].From(), a)
		} else {
			u.used = append(u.used, netipx.IPRangeFrom(a, a))
		}
		last = a
	}
	u.available = u.pool.Size()
	u.available.Sub(u.available, big.NewInt(int64(fromPool)))
	return u
}

// free returns the ranges that can still be allocated.
func (u usage) free() []netipx.IPRange {
	if !u.pool.Prefix.IsValid() {
		return nil
	}
	var b netipx.IPSetBuilder
	b.AddRange(ipam.Usable(u.pool.Prefix))
	for _, r := range u.pool.Excluded.Ranges() {
		b.RemoveRange(r)
	}
	for _, r := range u.used {
		b.RemoveRange(r)
	}
	set, err := b.IPSet()
	if err != nil {
		return nil
	}
	return set.Ranges()
}

// maxRanges bounds the text of a list of ranges: it is stored with the object, and a scattered /16 has ten thousands.
const maxRanges = 512

// formatRanges is "a-b,c" as Kube-OVN writes ranges; a list that is cut ends with "...".
func formatRanges(ranges []netipx.IPRange) string {
	var b strings.Builder
	for i, r := range ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		if i == maxRanges {
			b.WriteString("...")
			break
		}
		b.WriteString(r.From().String())
		if r.From() != r.To() {
			b.WriteByte('-')
			b.WriteString(r.To().String())
		}
	}
	return b.String()
}

// cell is a count as a table shows it: exact.
func cell(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n.String()
}
