package ip

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan grants a new IP its addresses and its MAC. Later writes may bind a reserved IP to a pod and change the Vips that it
// carries; strategy.go refuses every other change.
func plan(v storage.View, old, ip *v1.IP) error {
	if ip == nil {
		return nil
	}
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", ip.Spec.Subnet)
	if !ok {
		return kubeovn.Invalid("IP", ip.Name, field.ErrorList{kubeovn.NotFound(specPath.Child("subnet"), "Subnet", ip.Spec.Subnet)})
	}
	errs := checkNamespace(v, subnet, old, ip)
	errs = append(errs, checkVips(v, old, ip)...)
	if old == nil {
		if err := address.ClaimPort(v, ip.Name); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), ip.Name, err.Error()))
		}
		if len(errs) == 0 && ip.Spec.Vip != "" {
			errs = useVip(v, ip)
		} else if len(errs) == 0 {
			errs = allocate(v, subnet, ip)
		}
	}
	return kubeovn.Invalid("IP", ip.Name, errs)
}

func checkNamespace(v storage.View, subnet *v1.Subnet, old, ip *v1.IP) field.ErrorList {
	namespace := ip.Spec.Namespace
	if old != nil && old.Spec.Namespace == namespace {
		return nil
	}
	if err := address.CheckNamespace(v, subnet, namespace); err != nil {
		return field.ErrorList{field.Invalid(specPath.Child("namespace"), namespace, err.Error())}
	}
	return nil
}

// checkVips refuses to carry a Vip that is not for this interface. Vips that the IP carried before are not looked at
// again: a change of the Vip must not make its bearers immutable.
func checkVips(v storage.View, old, ip *v1.IP) field.ErrorList {
	var errs field.ErrorList
	for i, name := range ip.Spec.Vips {
		if old != nil && slices.Contains(old.Spec.Vips, name) {
			continue
		}
		path := specPath.Child("vips").Index(i)
		vip, ok := storage.Get[*v1.Vip](v, "vips", name)
		switch {
		case !ok:
			errs = append(errs, kubeovn.NotFound(path, "Vip", name))
		case vip.Spec.Subnet != ip.Spec.Subnet:
			errs = append(errs, field.Invalid(path, name, wrongSubnet(vip, ip)))
		case vip.Spec.Type != v1.VipReserved || vip.Spec.Namespace == "":
			errs = append(errs, field.Invalid(path, name,
				"the Vip is not one that pods carry besides their own address: it needs an empty spec.type, and in spec.namespace the namespace of the pods"))
		case vip.Spec.Namespace != ip.Spec.Namespace:
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("the Vip is for pods of namespace %q, not of %q", vip.Spec.Namespace, ip.Spec.Namespace)))
		case name == ip.Spec.Vip:
			errs = append(errs, field.Invalid(path, name, "the Vip is the interface's own address (spec.vip)"))
		default:
			if user := address.VipUser(v, name); user != nil {
				errs = append(errs, field.Invalid(path, name, fmt.Sprintf("vip '%s' is in use by %s", name, address.Describe(user))))
			}
		}
	}
	return errs
}

func wrongSubnet(vip *v1.Vip, ip *v1.IP) string {
	return fmt.Sprintf("the Vip is in subnet %s, not in %s", vip.Spec.Subnet, ip.Spec.Subnet)
}

// useVip gives the IP the addresses and the MAC of a Vip.
func useVip(v storage.View, ip *v1.IP) field.ErrorList {
	path := specPath.Child("vip")
	vip, ok := storage.Get[*v1.Vip](v, "vips", ip.Spec.Vip)
	switch {
	case !ok:
		return field.ErrorList{kubeovn.NotFound(path, "Vip", ip.Spec.Vip)}
	case vip.Spec.Subnet != ip.Spec.Subnet:
		return field.ErrorList{field.Invalid(path, vip.Name, wrongSubnet(vip, ip))}
	case vip.Spec.Type != v1.VipReserved || len(vip.Spec.Selector) > 0:
		return field.ErrorList{field.Invalid(path, vip.Name, "the Vip is not a reserved address: a pod may use only one with an empty spec.type and no spec.selector")}
	}
	for user := range storage.ReferrersOf[*v1.IP](v, "vips", vip.Name) {
		return field.ErrorList{field.Invalid(path, vip.Name, fmt.Sprintf("vip '%s' is in use by %s", vip.Name, address.Describe(user)))}
	}
	wanted, _ := requested(&ip.Spec)
	given, err := ipam.ParseAddrs(strings.Trim(vip.Status.V4ip+","+vip.Status.V6ip, ","))
	if err != nil {
		return field.ErrorList{field.Invalid(path, vip.Name, err.Error())}
	}
	var errs field.ErrorList
	if wanted.V4.IsValid() && wanted.V4 != given.V4 {
		errs = append(errs, field.Invalid(specPath.Child("v4IpAddress"), wanted.V4.String(), fmt.Sprintf("the address of Vip %s is %s", vip.Name, given)))
	}
	if wanted.V6.IsValid() && wanted.V6 != given.V6 {
		errs = append(errs, field.Invalid(specPath.Child("v6IpAddress"), wanted.V6.String(), fmt.Sprintf("the address of Vip %s is %s", vip.Name, given)))
	}
	if mac := ip.Spec.MacAddress; mac != "" && !strings.EqualFold(mac, vip.Status.Mac) {
		errs = append(errs, field.Invalid(specPath.Child("macAddress"), mac, fmt.Sprintf("the MAC of Vip %s is %s", vip.Name, vip.Status.Mac)))
	}
	complete(ip, address.Grant{Addrs: given, MAC: vip.Status.Mac})
	return errs
}

func allocate(v storage.View, subnet *v1.Subnet, ip *v1.IP) field.ErrorList {
	wanted, errs := requested(&ip.Spec)
	if len(errs) > 0 {
		return errs
	}
	grant, errs := address.Allocate(v, subnet, address.Request{
		Resource: "ips", Name: ip.Name, Noun: "ip", Addrs: wanted, MAC: ip.Spec.MacAddress,
		Paths: address.Paths{
			Subnet: specPath.Child("subnet"), V4: specPath.Child("v4IpAddress"), V6: specPath.Child("v6IpAddress"), MAC: specPath.Child("macAddress"),
		},
	})
	if len(errs) > 0 {
		return errs
	}
	complete(ip, grant)
	return nil
}

// complete writes out what was granted. What the user wrote of it stays as it is.
func complete(ip *v1.IP, grant address.Grant) {
	if ip.Spec.IPAddress == "" {
		ip.Spec.IPAddress = grant.Addrs.String()
	}
	ip.Spec.V4IPAddress, ip.Spec.V6IPAddress = "", ""
	if grant.Addrs.V4.IsValid() {
		ip.Spec.V4IPAddress = grant.Addrs.V4.String()
	}
	if grant.Addrs.V6.IsValid() {
		ip.Spec.V6IPAddress = grant.Addrs.V6.String()
	}
	if !strings.EqualFold(ip.Spec.MacAddress, grant.MAC) {
		ip.Spec.MacAddress = grant.MAC
	}
}
