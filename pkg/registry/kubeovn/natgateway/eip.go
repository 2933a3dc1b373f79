package natgateway

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var (
	gatewayPath  = specPath.Child("natGwDp")
	externalPath = specPath.Child("externalSubnet")
)

// EIP is what requests and tables do with IptablesEIPs. Addresses and MAC are written to spec when they are assigned, as status has
// no place for them and tables show them from there.
var EIP = &shape.Kind[*v1.IptablesEIP]{
	Name:           "IptablesEIP",
	Validate:       validateEIP,
	ValidateUpdate: validateEIPUpdate,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the IptablesEIP."),
		shape.Text("Namespace", "Namespace of the gateway's pods."),
		shape.Text("ExternalSubnet", "Subnet of the address."),
		shape.Text("IP", "IPv4 address."),
		shape.Text("Mac", "MAC that goes with the address."),
		shape.Text("Nat", "Kinds of NAT rules that use the address."),
		shape.Text("NatGwDp", "Gateway that has the address."),
		shape.Flag("Ready", "Whether the gateway has the address."),
	},
	Cells: func(e *v1.IptablesEIP, name, _ string) []any {
		s := &e.Spec
		return []any{name, s.Namespace, s.ExternalSubnet, e.Status.IP, s.MacAddress, e.Status.Nat, s.NatGwDp, e.Status.Ready}
	},
}

func validateEIP(e *v1.IptablesEIP) field.ErrorList {
	s := &e.Spec
	errs := shape.ObjectName(gatewayPath, s.NatGwDp, "the name of the VpcNatGateway")
	errs = append(errs, shape.OptionalName(externalPath, s.ExternalSubnet)...)
	_, problems := requested(s)
	errs = append(errs, problems...)
	return append(errs, shape.MAC(specPath.Child("macAddress"), s.MacAddress)...)
}

// requested are the addresses that a spec names: of a stored object, those that it has.
func requested(s *v1.IptablesEIPSpec) (ipam.Addrs, field.ErrorList) {
	return shape.Addresses(specPath.Child("v4ip"), s.V4ip, specPath.Child("v6ip"), s.V6ip)
}

// validateEIPUpdate refuses changes of what is assigned once; what a client leaves out stays.
func validateEIPUpdate(e, old *v1.IptablesEIP) field.ErrorList {
	now, was := &e.Spec, &old.Spec
	var errs field.ErrorList
	for _, f := range [...]struct{ name, now, was string }{
		{"natGwDp", now.NatGwDp, was.NatGwDp}, {"externalSubnet", now.ExternalSubnet, was.ExternalSubnet},
		{"v4ip", now.V4ip, was.V4ip}, {"v6ip", now.V6ip, was.V6ip}, {"namespace", now.Namespace, was.Namespace},
		{"macAddress", strings.ToUpper(now.MacAddress), strings.ToUpper(was.MacAddress)},
	} {
		if f.now != "" {
			errs = append(errs, shape.Fixed(specPath.Child(f.name), f.now, f.was)...)
		}
	}
	return errs
}

// EIPResource is the plural name of IptablesEIPs.
const EIPResource = "iptables-eips"

// NewEIPResource returns what the engine knows about IptablesEIPs.
func NewEIPResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource(EIPResource, "IptablesEIP", func() *v1.IptablesEIP { return &v1.IptablesEIP{} }, storage.Kind[*v1.IptablesEIP]{
		References: func(e *v1.IptablesEIP) []storage.Ref {
			refs := []storage.Ref{{Resource: GatewayResource, Name: e.Spec.NatGwDp, Field: gatewayPath.String()}}
			if e.Spec.ExternalSubnet != "" {
				refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: e.Spec.ExternalSubnet, Field: externalPath.String(), Effect: storage.Eventually})
			}
			return refs
		},
		Index: func(e *v1.IptablesEIP) []string {
			addrs, _ := requested(&e.Spec)
			return address.Keys(e.Spec.ExternalSubnet, addrs, e.Spec.MacAddress)
		},
		Plan:   planEIP,
		Derive: deriveEIP,
	})
}

func planEIP(v storage.View, old, e *v1.IptablesEIP) error {
	switch {
	case e == nil:
		return nil
	case old != nil:
		qos := e.Spec.QoSPolicy
		errs := validateEIPUpdate(e, old)
		e.Spec = old.Spec
		e.Spec.QoSPolicy = qos
		return kubeovn.Invalid("IptablesEIP", e.Name, errs)
	}
	if e.Spec.ExternalSubnet == "" {
		e.Spec.ExternalSubnet = v1.DefaultExternalSubnet
	}
	return kubeovn.Invalid("IptablesEIP", e.Name, assign(v, e))
}

// assign gives a new IptablesEIP its addresses and its MAC.
func assign(v storage.View, e *v1.IptablesEIP) field.ErrorList {
	s := &e.Spec
	gateway, ok := storage.Get[*v1.VpcNatGateway](v, GatewayResource, s.NatGwDp)
	if !ok {
		return field.ErrorList{kubeovn.NotFound(gatewayPath, "VpcNatGateway", s.NatGwDp)}
	}
	if externals := externalsOf(gateway); !slices.Contains(externals, s.ExternalSubnet) {
		return field.ErrorList{field.Invalid(externalPath, s.ExternalSubnet,
			fmt.Sprintf("VpcNatGateway %s is not in this external subnet: it is in %s", gateway.Name, strings.Join(externals, ", ")))}
	}
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, s.ExternalSubnet)
	if !ok {
		return field.ErrorList{kubeovn.NotFound(externalPath, "Subnet", s.ExternalSubnet)}
	}
	wanted, errs := requested(s)
	if len(errs) > 0 {
		return errs
	}
	grant, errs := address.Allocate(v, subnet, address.Request{
		Resource: EIPResource, Name: e.Name, Noun: "eip", Addrs: wanted, MAC: s.MacAddress,
		Paths: address.Paths{Subnet: externalPath, V4: specPath.Child("v4ip"), V6: specPath.Child("v6ip"), MAC: specPath.Child("macAddress")},
	})
	if len(errs) > 0 {
		return errs
	}
	s.V4ip, s.V6ip = "", ""
	if grant.Addrs.V4.IsValid() {
		s.V4ip = grant.Addrs.V4.String()
	}
	if grant.Addrs.V6.IsValid() {
		s.V6ip = grant.Addrs.V6.String()
	}
	s.MacAddress, s.Namespace = grant.MAC, gateway.Spec.Namespace
	return nil
}

func deriveEIP(v storage.View, e *v1.IptablesEIP) {
	s := &e.Status
	s.Ready, s.IP, s.QoSPolicy = false, e.Spec.V4ip, e.Spec.QoSPolicy
	s.Nat = eipsharing.Uses(v, EIPResource, e.Name)
	unserved(&s.Conditions, e)
	label(e, v1.LabelSubnet, e.Spec.ExternalSubnet)
	label(e, v1.LabelVpcNatGateway, e.Spec.NatGwDp)
	label(e, v1.LabelEipV4, e.Spec.V4ip)
	label(e, v1.LabelQoS, e.Spec.QoSPolicy)
}
