// Package reach says what a Vpc's router reaches directly: the addresses of the Vpc's Subnets. It also finds the objects that name
// such addresses themselves, without an IP or a Vip that would hold the Subnet:
//
//	reached/<vpc>/<16 bytes of the address, hexadecimal>/<resource>/<name>
package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Within refuses an address or a prefix that does not lie in one Subnet of a Vpc, and a single address that no interface there can
// have. The empty text names nothing and is not refused.
func Within(v storage.View, path *field.Path, vpc, text string) field.ErrorList {
	if text == "" {
		return nil
	}
	p, err := read(text)
	if err != nil {
		return field.ErrorList{field.Invalid(path, text, err.Error())}
	}
	found, holder := prefix.Holding(v, prefix.InVpc(vpc), p.Addr())
	s, ok := holder.(*v1.Subnet)
	if !ok || p.Bits() < found.Bits() {
		return field.ErrorList{field.Invalid(path, text, fmt.Sprintf("%s does not lie in a subnet of vpc %s", text, vpc))}
	}
	if role := NoInterface(s, p.Addr()); role != "" && p.IsSingleIP() {
		return field.ErrorList{field.Invalid(path, text, fmt.Sprintf("is %s of subnet %s, which no interface can have", role, s.Name))}
	}
	return nil
}

// read reads an address, which stands for its host prefix, or a prefix.
func read(text string) (netip.Prefix, error) {
	if a, err := ipam.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return ipam.ParsePrefix(text)
}

// Keys returns the index keys of an object that names addresses or prefixes of a Vpc. Texts that cannot be read have none.
func Keys(vpc, resource, name string, texts ...string) []string {
	var keys []string
	for _, text := range texts {
		if p, err := read(text); err == nil {
			keys = append(keys, key(vpc, p.Addr())+resource+"/"+name)
		}
	}
	return keys
}

func key(vpc string, a netip.Addr) string { return "reached/" + vpc + "/" + ipam.Key(a) + "/" }

// AffectedBySubnet names the objects for which Within may answer differently when s takes the place of old: for Affected of the kind
// Subnet. Either is nil when there is none.
func AffectedBySubnet(v storage.View, old, s *v1.Subnet) []storage.Ref {
	if slices.Equal(addressesOf(old), addressesOf(s)) {
		return nil
	}
	var refs []storage.Ref
	for _, x := range [...]*v1.Subnet{old, s} {
		if x == nil || x.Spec.Vpc == "" {
			continue
		}
		prefixes, _ := ipam.ParsePrefixes(x.Spec.CIDRBlock) // what is stored has been validated
		for _, p := range prefixes.All() {
			r := netipx.RangeOfPrefix(p)
			// '0' follows '/': the keys of the last address of the prefix are in the range.
			for k := range v.Scan(key(x.Spec.Vpc, r.From()), strings.TrimSuffix(key(x.Spec.Vpc, r.To()), "/")+"0") {
				if parts := strings.Split(k, "/"); len(parts) == 5 {
					refs = append(refs, storage.Ref{Resource: parts[3], Name: parts[4]})
				}
			}
		}
	}
	return refs
}

// addressesOf is what the answer of Within depends on.
func addressesOf(s *v1.Subnet) []string {
	if s == nil {
		return nil
	}
	return []string{s.Spec.Vpc, s.Spec.CIDRBlock, s.Spec.Gateway, s.Status.U2OInterconnectionIP, s.Spec.Provider, s.Spec.Vlan,
		fmt.Sprint(s.Spec.LogicalGateway, s.Spec.U2OInterconnection)}
}
