package shape

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
)

// ObjectName holds a required name of another object to the form of such names; what says what is named.
func ObjectName(path *field.Path, name, what string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, what)}
	}
	return OptionalName(path, name)
}

// OptionalName is ObjectName for a field that may be empty.
func OptionalName(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return nil
	}
	return dnsSubdomain(path, name)
}

// OwnName holds the name of an object to the form of such names.
func OwnName(name string) field.ErrorList {
	return dnsSubdomain(field.NewPath("metadata", "name"), name)
}

func dnsSubdomain(path *field.Path, name string) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	return errs
}

// Namespace holds the name of a namespace to the form of such names.
func Namespace(path *field.Path, name string) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range validation.IsDNS1123Label(name) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	return errs
}

// Port holds a required port, written as a decimal string, to 1..65535.
func Port(path *field.Path, text string) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(path, `a port, as "8080"`)}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return field.ErrorList{field.Invalid(path, text, `must be a port, "1" to "65535"`)}
	}
	return nil
}

// Address reads an address of a family, IPv4 or not; the empty string is the invalid address.
func Address(path *field.Path, text string, v4 bool) (netip.Addr, field.ErrorList) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := ipam.ParseAddr(text)
	if err != nil {
		return a, field.ErrorList{field.Invalid(path, text, fmt.Sprintf("%s is not a valid ip: %v", text, err))}
	}
	if a.Is4() != v4 {
		return netip.Addr{}, field.ErrorList{otherFamily(path, text)}
	}
	return a, nil
}

// Addresses reads an address of each family; empty strings are invalid addresses.
func Addresses(v4Path *field.Path, v4 string, v6Path *field.Path, v6 string) (ipam.Addrs, field.ErrorList) {
	a4, errs := Address(v4Path, v4, true)
	a6, more := Address(v6Path, v6, false)
	return ipam.Addrs{V4: a4, V6: a6}, append(errs, more...)
}

// MAC holds a MAC, which may be empty, to the form of one of a network interface.
func MAC(path *field.Path, text string) field.ErrorList {
	if text == "" {
		return nil
	}
	if err := address.CheckMAC(text); err != nil {
		return field.ErrorList{field.Invalid(path, text, err.Error())}
	}
	return nil
}

// Prefix reads a prefix of a family, IPv4 or not; an address stands for its host prefix, the empty string for the invalid one.
func Prefix(path *field.Path, text string, v4 bool) (netip.Prefix, field.ErrorList) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	a, err := ipam.ParseAddr(text)
	p := netip.PrefixFrom(a, a.BitLen())
	if err != nil {
		if p, err = ipam.ParsePrefix(text); err != nil {
			return p, field.ErrorList{field.Invalid(path, text, err.Error())}
		}
	}
	if p.Addr().Is4() != v4 {
		return netip.Prefix{}, field.ErrorList{otherFamily(path, text)}
	}
	return p, nil
}

func otherFamily(path *field.Path, text string) *field.Error {
	return field.Invalid(path, text, "is of the other address family")
}

// Fixed refuses the change of a field that is decided once.
func Fixed(path *field.Path, now, was string) field.ErrorList {
	if now == was {
		return nil
	}
	return field.ErrorList{field.Forbidden(path, fmt.Sprintf("is %q and cannot be changed: delete the object and create another", was))}
}

// OneOf holds a required value to a list.
func OneOf(path *field.Path, value string, allowed []string) field.ErrorList {
	if slices.Contains(allowed, value) {
		return nil
	}
	if value == "" {
		return field.ErrorList{field.Required(path, "one of "+strings.Join(allowed, ", "))}
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}
