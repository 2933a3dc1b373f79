// Package reach says what a Vpc's router reaches directly: the addresses of the Vpc's Subnets.
package reach

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Within refuses an address or a prefix that does not lie in one Subnet of a Vpc. The empty text names nothing and is not refused.
func Within(v storage.View, path *field.Path, vpc, text string) field.ErrorList {
	if text == "" {
		return nil
	}
	a, err := ipam.ParseAddr(text)
	bits := a.BitLen()
	if err != nil {
		p, err := ipam.ParsePrefix(text)
		if err != nil {
			return field.ErrorList{field.Invalid(path, text, err.Error())}
		}
		a, bits = p.Addr(), p.Bits()
	}
	found, holder := prefix.Holding(v, prefix.InVpc(vpc), a)
	if _, ok := holder.(*v1.Subnet); !ok || bits < found.Bits() {
		return field.ErrorList{field.Invalid(path, text, fmt.Sprintf("%s does not lie in a subnet of vpc %s", text, vpc))}
	}
	return nil
}
