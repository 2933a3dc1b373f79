package ovnnat

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var (
	ipNamePath = specPath.Child("ipName")
	ipTypePath = specPath.Child("ipType")
	vpcPath    = specPath.Child("vpc")
)

// endpoint is how OvnFips and OvnDnatRules name one internal address: an IP or a Vip, or a Vpc and an address of each family.
type endpoint struct {
	ipType              v1.IPType
	ipName, vpc, v4, v6 string
}

func (e endpoint) validate() field.ErrorList {
	var errs field.ErrorList
	switch e.ipType {
	case "", v1.IPTypeIP, v1.IPTypeVip:
	default:
		errs = append(errs, field.NotSupported(ipTypePath, e.ipType, []v1.IPType{v1.IPTypeIP, v1.IPTypeVip}))
	}
	_, problems := shape.Address(specPath.Child("v4Ip"), e.v4, true)
	errs = append(errs, problems...)
	_, problems = shape.Address(specPath.Child("v6Ip"), e.v6, false)
	errs = append(errs, problems...)
	errs = append(errs, shape.OptionalName(vpcPath, e.vpc)...)
	switch addressed := e.v4 != "" || e.v6 != ""; {
	case e.ipName != "" && addressed:
		errs = append(errs, field.Forbidden(ipNamePath, "the internal address is given by v4Ip or v6Ip: write one or the other"))
	case e.ipName != "":
		errs = append(errs, shape.OptionalName(ipNamePath, e.ipName)...)
	case !addressed:
		errs = append(errs, field.Required(ipNamePath, "the name of the IP or Vip; or write vpc, and v4Ip or v6Ip"))
	case e.vpc == "":
		errs = append(errs, field.Required(vpcPath, "the Vpc of the internal address"))
	}
	return errs
}

// references hold what is translated: an IP or a Vip, which hold their Subnet and its Vpc, or the Vpc itself.
func (e endpoint) references() []storage.Ref {
	switch {
	case e.ipName == "":
		return []storage.Ref{{Resource: nb.Vpcs, Name: e.vpc, Field: vpcPath.String()}}
	case e.ipType == v1.IPTypeVip:
		return []storage.Ref{{Resource: "vips", Name: e.ipName, Field: ipNamePath.String()}}
	}
	return []storage.Ref{{Resource: "ips", Name: e.ipName, Field: ipNamePath.String()}}
}

func (e endpoint) resolve(v storage.View) (target, field.ErrorList) {
	switch {
	case e.ipName == "":
		return e.addresses(v)
	case e.ipType == v1.IPTypeVip:
		vip, ok := storage.Get[*v1.Vip](v, "vips", e.ipName)
		if !ok {
			return target{}, field.ErrorList{kubeovn.NotFound(ipNamePath, "Vip", e.ipName)}
		}
		return inSubnet(v, vip, vip.Spec.Subnet, e.vpc, vip.Status.V4ip, vip.Status.V6ip)
	}
	ip, err := findIP(v, e.ipName)
	if err != nil {
		return target{}, field.ErrorList{err}
	}
	return inSubnet(v, ip, ip.Spec.Subnet, e.vpc, ip.Spec.V4IPAddress, ip.Spec.V6IPAddress)
}

func findIP(v storage.View, name string) (*v1.IP, *field.Error) {
	ip, ok := storage.Get[*v1.IP](v, "ips", name)
	if ok {
		return ip, nil
	}
	err := kubeovn.NotFound(ipNamePath, "IP", name)
	if v.Get("vips", name) != nil {
		err.Detail += fmt.Sprintf("; there is a Vip %s, which spec.ipType vip would name", name)
	}
	return nil, err
}

// inSubnet is the target that an object with addresses in a Subnet is.
func inSubnet(v storage.View, obj storage.Object, subnet, vpc, v4, v6 string) (target, field.ErrorList) {
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, subnet)
	if !ok {
		return target{}, field.ErrorList{kubeovn.NotFound(ipNamePath, "Subnet", subnet)}
	}
	if s.Spec.Vpc == "" || !address.HasPorts(s) {
		return target{}, field.ErrorList{field.Invalid(ipNamePath, obj.GetName(),
			fmt.Sprintf("%s is in subnet %s, which no Vpc's router reaches", address.Describe(obj), s.Name))}
	}
	if vpc != "" && vpc != s.Spec.Vpc {
		return target{}, field.ErrorList{field.Invalid(vpcPath, vpc, fmt.Sprintf("%s is in vpc %s", address.Describe(obj), s.Spec.Vpc))}
	}
	return target{vpc: s.Spec.Vpc, v4: v4, v6: v6}, nil
}

// addresses is the target of addresses that are given themselves: they must be of Subnets of the Vpc.
func (e endpoint) addresses(v storage.View) (target, field.ErrorList) {
	if v.Get(nb.Vpcs, e.vpc) == nil {
		return target{}, field.ErrorList{kubeovn.NotFound(vpcPath, "Vpc", e.vpc)}
	}
	errs := e.lost(v)
	return target{vpc: e.vpc, v4: e.v4, v6: e.v6, exact: true}, errs
}

// named are the addresses that are given themselves.
func (e endpoint) named() []string {
	if e.ipName != "" {
		return nil
	}
	return []string{e.v4, e.v6}
}

// lost says which of the addresses that are given themselves no interface in a Subnet of the Vpc can have.
func (e endpoint) lost(v storage.View) field.ErrorList {
	if e.ipName != "" {
		return nil
	}
	errs := reach.Within(v, specPath.Child("v4Ip"), e.vpc, e.v4)
	return append(errs, reach.Within(v, specPath.Child("v6Ip"), e.vpc, e.v6)...)
}
