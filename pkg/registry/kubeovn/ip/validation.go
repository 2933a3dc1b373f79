package ip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

var specPath = field.NewPath("spec")

// maxContainerID is far above the 64 characters that container runtimes use.
const maxContainerID = 253

func validate(ip *v1.IP) field.ErrorList {
	errs := shape.OwnName(ip.Name)
	spec := &ip.Spec
	if spec.Subnet == "" {
		errs = append(errs, field.Required(specPath.Child("subnet"), "subnet parameter cannot be empty"))
	}
	errs = append(errs, shape.OptionalName(specPath.Child("podName"), spec.PodName)...)
	errs = append(errs, shape.OptionalName(specPath.Child("nodeName"), spec.NodeName)...)
	if spec.Namespace != "" {
		errs = append(errs, shape.Namespace(specPath.Child("namespace"), spec.Namespace)...)
	} else if spec.PodName != "" {
		errs = append(errs, field.Required(specPath.Child("namespace"), "the namespace of the pod"))
	}
	switch spec.PodType {
	case "", v1.PodTypeVirtualMachine, v1.PodTypeStatefulSet:
	default:
		errs = append(errs, field.NotSupported(specPath.Child("podType"), spec.PodType, []v1.PodType{"", v1.PodTypeVirtualMachine, v1.PodTypeStatefulSet}))
	}
	if len(spec.ContainerID) > maxContainerID {
		errs = append(errs, field.TooLong(specPath.Child("containerID"), "", maxContainerID))
	}
	_, addressErrs := requested(spec)
	errs = append(errs, addressErrs...)
	errs = append(errs, shape.MAC(specPath.Child("macAddress"), spec.MacAddress)...)
	errs = append(errs, validateVips(spec)...)
	if len(spec.SecurityGroups) > 0 {
		errs = append(errs, field.Forbidden(specPath.Child("securityGroups"), "this server has no security groups"))
	}
	return errs
}

func validateVips(spec *v1.IPSpec) field.ErrorList {
	var errs field.ErrorList
	path := specPath.Child("vips")
	for i, name := range spec.Vips {
		switch {
		case name == "":
			errs = append(errs, field.Required(path.Index(i), "the name of a Vip"))
		case name == spec.Vip:
			errs = append(errs, field.Invalid(path.Index(i), name, "the interface uses this Vip as its own address (spec.vip)"))
		case slices.Index(spec.Vips, name) < i:
			errs = append(errs, field.Duplicate(path.Index(i), name))
		}
	}
	return errs
}

// requested returns the addresses that a spec names: in ipAddress, in the field of the family, or alike in both.
func requested(spec *v1.IPSpec) (ipam.Addrs, field.ErrorList) {
	var errs field.ErrorList
	addrs, err := ipam.ParseAddrs(spec.IPAddress)
	if err != nil {
		errs = append(errs, field.Invalid(specPath.Child("ipAddress"), spec.IPAddress, err.Error()))
	}
	for _, f := range [...]struct {
		field, text string
		v4          bool
		addr        *netip.Addr
	}{
		{"v4IpAddress", spec.V4IPAddress, true, &addrs.V4},
		{"v6IpAddress", spec.V6IPAddress, false, &addrs.V6},
	} {
		if f.text == "" {
			continue
		}
		path := specPath.Child(f.field)
		a, err := ipam.ParseAddr(f.text)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path, f.text, err.Error()))
		case a.Is4() != f.v4:
			errs = append(errs, field.Invalid(path, f.text, "is of the other address family"))
		case f.addr.IsValid() && *f.addr != a:
			errs = append(errs, field.Invalid(path, f.text, fmt.Sprintf("differs from spec.ipAddress %s", spec.IPAddress)))
		default:
			*f.addr = a
		}
	}
	return addrs, errs
}

// validateUpdate refuses changes of what is granted once, besides what validate says. A pod, its namespace and its type may be set on an IP that was
// reserved without them.
func validateUpdate(ip, old *v1.IP) field.ErrorList {
	var errs field.ErrorList
	refuse := func(name, text string, same bool) {
		if !same {
			errs = append(errs, field.Forbidden(specPath.Child(name), fmt.Sprintf("ip %s %s can not change", ip.Name, text)))
		}
	}
	now, was := &ip.Spec, &old.Spec
	refuse("subnet", "subnet", now.Subnet == was.Subnet)
	refuse("podName", "podName", was.PodName == "" || now.PodName == was.PodName)
	refuse("namespace", "namespace", was.Namespace == "" || now.Namespace == was.Namespace)
	refuse("podType", "podType", was.PodType == "" || now.PodType == was.PodType)
	refuse("ipAddress", "ipAddress", now.IPAddress == was.IPAddress)
	refuse("v4IpAddress", "v4IPAddress", now.V4IPAddress == was.V4IPAddress)
	refuse("v6IpAddress", "v6IPAddress", now.V6IPAddress == was.V6IPAddress)
	refuse("macAddress", "macAddress", strings.EqualFold(now.MacAddress, was.MacAddress))
	refuse("vip", "vip", now.Vip == was.Vip)
	refuse("attachSubnets", "attachSubnets", slices.Equal(now.AttachSubnets, was.AttachSubnets))
	refuse("attachIps", "attachIps", slices.Equal(now.AttachIPs, was.AttachIPs))
	refuse("attachMacs", "attachMacs", slices.Equal(now.AttachMacs, was.AttachMacs))
	return errs
}
