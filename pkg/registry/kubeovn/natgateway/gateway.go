package natgateway

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var (
	specPath  = field.NewPath("spec")
	lanIPPath = specPath.Child("lanIp")
)

// Gateway is what requests and tables do with VpcNatGateways.
var Gateway = &shape.Kind[*v1.VpcNatGateway]{
	Name:     "VpcNatGateway",
	Validate: validateGateway,
	ValidateUpdate: func(g, old *v1.VpcNatGateway) field.ErrorList {
		errs := shape.Fixed(specPath.Child("namespace"), g.Spec.Namespace, old.Spec.Namespace)
		errs = append(errs, shape.Fixed(specPath.Child("vpc"), g.Spec.Vpc, old.Spec.Vpc)...)
		errs = append(errs, shape.Fixed(specPath.Child("subnet"), g.Spec.Subnet, old.Spec.Subnet)...)
		if replicas(g) > 1 != (replicas(old) > 1) {
			errs = append(errs, field.Forbidden(specPath.Child("replicas"), "cannot change between one and several: delete the gateway and create another"))
		}
		return errs
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the VpcNatGateway."),
		shape.Text("Namespace", "Namespace of the gateway's pods."),
		shape.Text("Vpc", "Vpc that it is the gateway of."),
		shape.Text("Subnet", "Subnet in which it has its inner address."),
		shape.Text("IPs", "Its inner addresses."),
		shape.Number("Replicas", "Number of pods."),
		shape.Flag("Ready", "Whether all pods are programmed."),
		shape.Flag("BFD", "Whether the pods are watched."),
		shape.AgeColumn(),
	},
	Cells: func(g *v1.VpcNatGateway, name, age string) []any {
		s := &g.Spec
		return []any{name, s.Namespace, s.Vpc, s.Subnet, g.Status.LanIP, int64(replicas(g)), g.Status.Ready, s.BFD != nil && s.BFD.Enabled, age}
	},
}

func replicas(g *v1.VpcNatGateway) int32 { return max(g.Spec.Replicas, 1) }

func validateGateway(g *v1.VpcNatGateway) field.ErrorList {
	s := &g.Spec
	errs := shape.ObjectName(specPath.Child("vpc"), s.Vpc, "the name of the Vpc")
	errs = append(errs, shape.ObjectName(specPath.Child("subnet"), s.Subnet, "the name of a Subnet of the Vpc")...)
	if s.Namespace != "" {
		errs = append(errs, shape.Namespace(specPath.Child("namespace"), s.Namespace)...)
	}
	if s.Replicas < 0 {
		errs = append(errs, field.Invalid(specPath.Child("replicas"), s.Replicas, "must be at least 1"))
	}
	if s.LanIP == "" && replicas(g) == 1 {
		errs = append(errs, field.Required(lanIPPath, "lanIp must be specified"))
	}
	if _, err := ipam.ParseAddr(s.LanIP); s.LanIP != "" && err != nil {
		errs = append(errs, field.Invalid(lanIPPath, s.LanIP, fmt.Sprintf("lanIP %s is not a valid IP: %v", s.LanIP, err)))
	}
	errs = append(errs, names(specPath.Child("externalSubnets"), s.ExternalSubnets)...)
	errs = append(errs, names(specPath.Child("internalSubnets"), s.InternalSubnets)...)
	for i, text := range s.InternalCIDRs {
		if _, err := ipam.ParsePrefix(text); err != nil {
			errs = append(errs, field.Invalid(specPath.Child("internalCIDRs").Index(i), text, err.Error()))
		}
	}
	for i, r := range s.Routes {
		path := specPath.Child("routes").Index(i)
		if _, err := ipam.ParsePrefix(r.CIDR); err != nil {
			errs = append(errs, field.Invalid(path.Child("cidr"), r.CIDR, err.Error()))
		}
		if _, err := ipam.ParseAddr(r.NextHopIP); err != nil && r.NextHopIP != "gateway" {
			errs = append(errs, field.Invalid(path.Child("nextHopIP"), r.NextHopIP, `must be an address, or the word "gateway"`))
		}
	}
	return append(errs, validateNodes(s.Selector)...)
}

func names(path *field.Path, list []string) field.ErrorList {
	var errs field.ErrorList
	for i, name := range list {
		errs = append(errs, shape.ObjectName(path.Index(i), name, "the name of a Subnet")...)
		if slices.Contains(list[:i], name) {
			errs = append(errs, field.Duplicate(path.Index(i), name))
		}
	}
	return errs
}

func validateNodes(selector []string) field.ErrorList {
	var errs field.ErrorList
	for i, entry := range selector {
		path := specPath.Child("selector").Index(i)
		key, value, found := strings.Cut(entry, ":")
		if !found {
			errs = append(errs, field.Invalid(path, entry, `must be "key: value"`))
			continue
		}
		for _, m := range validation.IsQualifiedName(strings.TrimSpace(key)) {
			errs = append(errs, field.Invalid(path, entry, m))
		}
		for _, m := range validation.IsValidLabelValue(strings.TrimSpace(value)) {
			errs = append(errs, field.Invalid(path, entry, m))
		}
	}
	return errs
}

// GatewayResource is the plural name of VpcNatGateways.
const GatewayResource = "vpc-nat-gateways"

// NewGatewayResource returns what the engine knows about VpcNatGateways.
func NewGatewayResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource(GatewayResource, "VpcNatGateway", func() *v1.VpcNatGateway { return &v1.VpcNatGateway{} }, storage.Kind[*v1.VpcNatGateway]{
		References: referencesOfGateway,
		Index:      indexOfGateway,
		Plan:       planGateway,
		Derive:     deriveGateway,
	})
}

// externalsOf are the external Subnets of a gateway.
func externalsOf(g *v1.VpcNatGateway) []string {
	if len(g.Spec.ExternalSubnets) == 0 {
		return []string{v1.DefaultExternalSubnet}
	}
	return g.Spec.ExternalSubnets
}

func referencesOfGateway(g *v1.VpcNatGateway) []storage.Ref {
	refs := []storage.Ref{
		{Resource: nb.Vpcs, Name: g.Spec.Vpc, Field: "spec.vpc"},
		{Resource: nb.Subnets, Name: g.Spec.Subnet, Field: "spec.subnet", Effect: storage.Eventually},
	}
	for i, name := range externalsOf(g) {
		refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: name, Field: specPath.Child("externalSubnets").Index(i).String()})
	}
	for i, name := range g.Spec.InternalSubnets {
		refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: name, Field: specPath.Child("internalSubnets").Index(i).String()})
	}
	return refs
}

// indexOfGateway holds lanIp for the gateway's pod.
func indexOfGateway(g *v1.VpcNatGateway) []string {
	if a, err := ipam.ParseAddr(g.Spec.LanIP); err == nil {
		return []string{address.Key(g.Spec.Subnet, a)}
	}
	return nil
}

func planGateway(v storage.View, old, g *v1.VpcNatGateway) error {
	if g == nil || old != nil && kubeovn.SameSpec(old, g) {
		return nil
	}
	var errs field.ErrorList
	if v.Get(nb.Vpcs, g.Spec.Vpc) == nil {
		errs = append(errs, kubeovn.NotFound(specPath.Child("vpc"), "Vpc", g.Spec.Vpc))
	}
	errs = append(errs, inVpc(v, specPath.Child("subnet"), g.Spec.Vpc, g.Spec.Subnet)...)
	for i, name := range g.Spec.InternalSubnets {
		errs = append(errs, inVpc(v, specPath.Child("internalSubnets").Index(i), g.Spec.Vpc, name)...)
	}
	for i, text := range g.Spec.InternalCIDRs {
		errs = append(errs, reach.Within(v, specPath.Child("internalCIDRs").Index(i), g.Spec.Vpc, text)...)
	}
	for i, name := range externalsOf(g) {
		if v.Get(nb.Subnets, name) == nil {
			errs = append(errs, kubeovn.NotFound(specPath.Child("externalSubnets").Index(i), "Subnet", name))
		}
	}
	if old != nil {
		errs = append(errs, checkLeft(v, old, g)...)
	}
	if len(errs) == 0 && (old == nil || old.Spec.LanIP != g.Spec.LanIP) && g.Spec.LanIP != "" {
		errs = claimLanIP(v, g)
	}
	return kubeovn.Invalid("VpcNatGateway", g.Name, errs)
}

// inVpc refuses a Subnet that does not exist or is not of the Vpc.
func inVpc(v storage.View, path *field.Path, vpc, name string) field.ErrorList {
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, name)
	switch {
	case !ok:
		return field.ErrorList{kubeovn.NotFound(path, "Subnet", name)}
	case s.Spec.Vpc != vpc:
		return field.ErrorList{field.Invalid(path, name, fmt.Sprintf("subnet %s is not in vpc %s", name, vpc))}
	}
	return nil
}

// checkLeft refuses to leave an external Subnet in which the gateway has addresses.
func checkLeft(v storage.View, old, g *v1.VpcNatGateway) field.ErrorList {
	var errs field.ErrorList
	for eip := range storage.ReferrersOf[*v1.IptablesEIP](v, GatewayResource, g.Name) {
		if x := eip.Spec.ExternalSubnet; slices.Contains(externalsOf(old), x) && !slices.Contains(externalsOf(g), x) {
			errs = append(errs, field.Invalid(specPath.Child("externalSubnets"), g.Spec.ExternalSubnets,
				fmt.Sprintf("IptablesEIP %s of this gateway is in subnet %s: delete it first", eip.Name, x)))
		}
	}
	return errs
}

func claimLanIP(v storage.View, g *v1.VpcNatGateway) field.ErrorList {
	subnet, _ := storage.Get[*v1.Subnet](v, nb.Subnets, g.Spec.Subnet)
	a, err := ipam.ParseAddr(g.Spec.LanIP)
	if err == nil {
		err = address.Claim(v, subnet, "lanIp", a)
	}
	if err != nil {
		return field.ErrorList{field.Invalid(lanIPPath, g.Spec.LanIP, err.Error())}
	}
	return nil
}

func deriveGateway(_ storage.View, g *v1.VpcNatGateway) {
	s, spec := &g.Status, &g.Spec
	s.Ready, s.Replicas, s.LanIP, s.QoSPolicy = false, 0, spec.LanIP, spec.QoSPolicy
	s.ExternalSubnets, s.InternalSubnets = slices.Clone(externalsOf(g)), slices.Clone(spec.InternalSubnets)
	s.InternalCIDRs, s.Selector = slices.Clone(spec.InternalCIDRs), slices.Clone(spec.Selector)
	unserved(&s.Conditions, g)
	label(g, v1.LabelQoS, spec.QoSPolicy)
}
