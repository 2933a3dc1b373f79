package vip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

var specPath = field.NewPath("spec")

func validate(vip *v1.Vip) field.ErrorList {
	errs := shape.OwnName(vip.Name)
	spec := &vip.Spec
	if spec.Subnet == "" {
		errs = append(errs, field.Required(specPath.Child("subnet"), "subnet parameter cannot be empty"))
	}
	switch spec.Type {
	case v1.VipReserved, v1.VipSwitchLB, v1.VipKubeHostVM:
	default:
		errs = append(errs, field.NotSupported(specPath.Child("type"), spec.Type, []v1.VipType{v1.VipReserved, v1.VipSwitchLB, v1.VipKubeHostVM}))
	}
	if spec.Namespace != "" {
		errs = append(errs, shape.Namespace(specPath.Child("namespace"), spec.Namespace)...)
	}
	_, addressErrs := requested(spec)
	errs = append(errs, addressErrs...)
	errs = append(errs, shape.MAC(specPath.Child("macAddress"), spec.MacAddress)...)
	return append(errs, validateSelector(spec)...)
}

func validateSelector(spec *v1.VipSpec) field.ErrorList {
	if len(spec.Selector) == 0 {
		return nil
	}
	var errs field.ErrorList
	path := specPath.Child("selector")
	if spec.Namespace == "" {
		errs = append(errs, field.Required(specPath.Child("namespace"), "the namespace of the pods that spec.selector selects"))
	}
	if spec.Type != v1.VipReserved {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("pods cannot carry a Vip of type %s", spec.Type)))
	}
	for i, entry := range spec.Selector {
		key, value, found := strings.Cut(entry, ":")
		if !found {
			errs = append(errs, field.Invalid(path.Index(i), entry, `must be "key: value"`))
			continue
		}
		for _, m := range validation.IsQualifiedName(strings.TrimSpace(key)) {
			errs = append(errs, field.Invalid(path.Index(i), entry, m))
		}
		for _, m := range validation.IsValidLabelValue(strings.TrimSpace(value)) {
			errs = append(errs, field.Invalid(path.Index(i), entry, m))
		}
	}
	return errs
}

// requested returns the addresses that a spec names.
func requested(spec *v1.VipSpec) (ipam.Addrs, field.ErrorList) {
	return shape.Addresses(specPath.Child("v4ip"), spec.V4ip, specPath.Child("v6ip"), spec.V6ip)
}

// validateUpdate refuses changes of what is assigned once. A field of spec that was empty may be given the value that was
// assigned, as clients of Kube-OVN do that write back what they read, and may be left out again.
func validateUpdate(vip, old *v1.Vip) field.ErrorList {
	var errs field.ErrorList
	refuse := func(name, text string, same bool) {
		if !same {
			errs = append(errs, field.Forbidden(specPath.Child(name), fmt.Sprintf("not support change %s of vip", text)))
		}
	}
	now, was, has := &vip.Spec, &old.Spec, &old.Status
	refuse("subnet", "subnet", now.Subnet == was.Subnet)
	refuse("type", "type", now.Type == was.Type)
	refuse("v4ip", "v4 ip", now.V4ip == "" || now.V4ip == has.V4ip)
	refuse("v6ip", "v6 ip", now.V6ip == "" || now.V6ip == has.V6ip)
	refuse("macAddress", "mac", now.MacAddress == "" || strings.EqualFold(now.MacAddress, has.Mac))
	refuse("attachSubnets", "attachSubnets", slices.Equal(now.AttachSubnets, was.AttachSubnets))
	if now.Type == v1.VipKubeHostVM { // the name of its port
		refuse("namespace", "namespace", now.Namespace == was.Namespace)
	}
	return errs
}

// text is the form of an address in status: empty when there is none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
