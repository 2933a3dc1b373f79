// Package prefix finds overlapping prefixes through the index of a snapshot. The prefixes of one scope are disjoint, because
// every write that would break this is refused; therefore one look at each side of a prefix finds all that overlaps, in
// time logarithmic in the number of prefixes.
//
//	prefix/<scope>/<4 or 6>/<first address>/<last address>    addresses as in ipam.Key
package prefix

import (
	"iter"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// InVpc is the scope of what one router reaches: its Subnets and the links to its peers.
func InVpc(vpc string) string { return "vpc/" + vpc }

// OnVlan is the scope of what shares one physical layer-2 network.
func OnVlan(vlan string) string { return "vlan/" + vlan }

// OfProvider is the scope of addresses that are managed for another network plugin.
func OfProvider(provider string) string { return "provider/" + provider }

// Key is the index key of a prefix in a scope.
func Key(scope string, p netip.Prefix) string {
	r := netipx.RangeOfPrefix(p)
	return family(scope, p.Addr().Is4()) + ipam.Key(r.From()) + "/" + ipam.Key(r.To())
}

func family(scope string, is4 bool) string {
	if is4 {
		return "prefix/" + scope + "/4/"
	}
	return "prefix/" + scope + "/6/"
}

// Overlapping yields the prefixes of a scope that overlap with p, and their holders.
func Overlapping(v storage.View, scope string, p netip.Prefix) iter.Seq2[netip.Prefix, storage.Object] {
	return func(yield func(netip.Prefix, storage.Object) bool) {
		base, r := family(scope, p.Addr().Is4()), netipx.RangeOfPrefix(p)
		// Of those that begin before p, only the nearest can reach it: they are disjoint.
		for key, holder := range v.ScanDown(base+ipam.Key(r.From()), base) {
			if found, ok := parse(key); ok && found.Overlaps(p) && !yield(found, holder) {
				return
			}
			break
		}
		// '0' follows '/', so that the range ends behind all prefixes that begin at the last address.
		for key, holder := range v.Scan(base+ipam.Key(r.From()), base+ipam.Key(r.To())+"0") {
			if found, ok := parse(key); ok && !yield(found, holder) {
				return
			}
		}
	}
}

// Holding returns the prefix of a scope that holds an address, and its holder; nil when there is none.
func Holding(v storage.View, scope string, a netip.Addr) (netip.Prefix, storage.Object) {
	for found, holder := range Overlapping(v, scope, netip.PrefixFrom(a, a.BitLen())) {
		return found, holder
	}
	return netip.Prefix{}, nil
}

// All yields the prefixes of a scope in ascending order, IPv4 first, and their holders.
func All(v storage.View, scope string) iter.Seq2[netip.Prefix, storage.Object] {
	return func(yield func(netip.Prefix, storage.Object) bool) {
		for key, holder := range v.Scan("prefix/"+scope+"/4/", "prefix/"+scope+"/7") {
			if found, ok := parse(key); ok && !yield(found, holder) {
				return
			}
		}
	}
}

func parse(key string) (netip.Prefix, bool) {
	// Two addresses of 32 digits, a slash between them.
	tail := key[max(0, len(key)-65):]
	first, last, found := strings.Cut(tail, "/")
	if !found {
		return netip.Prefix{}, false
	}
	from, _ := ipam.ParseKey(first)
	to, _ := ipam.ParseKey(last)
	r := netipx.IPRangeFrom(from, to)
	p, ok := r.Prefix()
	return p, ok
}
