package podinterfaces

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

var specPath = field.NewPath("spec")

// maxInterfaces bounds a request as the type says.
const maxInterfaces = 32

// validate returns what is wrong with a request as such. What is wrong with one of its IPs is found when that is prepared.
func validate(spec *v1.PodInterfacesSpec) field.ErrorList {
	var errs field.ErrorList
	for _, f := range [...]struct {
		name, value string
		valid       func(string) []string
	}{
		{"podName", spec.PodName, validation.IsDNS1123Subdomain},
		{"podNamespace", spec.PodNamespace, validation.IsDNS1123Label},
		{"nodeName", spec.NodeName, validation.IsDNS1123Subdomain},
		{"podUID", spec.PodUID, func(string) []string { return nil }},
	} {
		path := specPath.Child(f.name)
		if f.value == "" {
			errs = append(errs, field.Required(path, ""))
			continue
		}
		for _, m := range f.valid(f.value) {
			errs = append(errs, field.Invalid(path, f.value, m))
		}
	}
	path := specPath.Child("interfaces")
	switch n := len(spec.Interfaces); {
	case n == 0:
		errs = append(errs, field.Required(path, "at least one interface"))
	case n > maxInterfaces:
		errs = append(errs, field.TooMany(path, n, maxInterfaces))
	}
	for i := range spec.Interfaces {
		nic := &spec.Interfaces[i]
		if nic.Subnet == "" && nic.Vip == "" {
			errs = append(errs, field.Required(path.Index(i).Child("subnet"), "the name of a Subnet, unless vip is given"))
		}
	}
	return errs
}

// checkNames refuses two interfaces of one name, which may follow from two Subnets of one provider.
func checkNames(ips []*v1.IP) field.ErrorList {
	var errs field.ErrorList
	for i, ip := range ips {
		if slices.IndexFunc(ips, func(other *v1.IP) bool { return other.Name == ip.Name }) < i {
			errs = append(errs, field.Duplicate(specPath.Child("interfaces").Index(i).Child("name"), ip.Name))
		}
	}
	return errs
}
