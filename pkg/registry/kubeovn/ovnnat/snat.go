package ovnnat

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var vpcSubnetPath = specPath.Child("vpcSubnet")

// Snat is what requests and tables do with OvnSnatRules.
var Snat = &shape.Kind[*v1.OvnSnatRule]{
	Name:     "OvnSnatRule",
	Validate: validateSnat,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the OvnSnatRule."),
		shape.Text("Vpc", "Vpc whose router translates."),
		shape.Text("V4Eip", "External IPv4 address."),
		shape.Text("V4IpCidr", "IPv4 prefix or address that is translated."),
		shape.Flag("Ready", "Whether the translation exists."),
		shape.Wide(shape.Text("V6Eip", "External IPv6 address.")),
		shape.Wide(shape.Text("V6IpCidr", "IPv6 prefix or address that is translated.")),
	},
	Cells: func(r *v1.OvnSnatRule, name, _ string) []any {
		s := &r.Status
		return []any{name, s.Vpc, s.V4Eip, s.V4IPCidr, s.Ready, s.V6Eip, s.V6IPCidr}
	},
}

func validateSnat(r *v1.OvnSnatRule) field.ErrorList {
	s := &r.Spec
	errs := shape.ObjectName(eipPath, s.OvnEip, "the name of the OvnEip")
	errs = append(errs, shape.OptionalName(vpcSubnetPath, s.VpcSubnet)...)
	errs = append(errs, shape.OptionalName(ipNamePath, s.IPName)...)
	errs = append(errs, shape.OptionalName(vpcPath, s.Vpc)...)
	_, problems := shape.Prefix(specPath.Child("v4IpCidr"), s.V4IPCidr, true)
	errs = append(errs, problems...)
	_, problems = shape.Prefix(specPath.Child("v6IpCidr"), s.V6IPCidr, false)
	errs = append(errs, problems...)
	prefixes := s.V4IPCidr != "" || s.V6IPCidr != ""
	switch {
	case s.VpcSubnet != "" && s.IPName != "":
		errs = append(errs, field.Forbidden(ipNamePath, "what is translated is given by vpcSubnet: write one or the other"))
	case s.VpcSubnet != "" || s.IPName != "":
	case !prefixes:
		errs = append(errs, field.Required(vpcSubnetPath, "what is translated: write vpcSubnet, or ipName, or vpc with v4IpCidr or v6IpCidr"))
	case s.Vpc == "":
		errs = append(errs, field.Required(vpcPath, "the Vpc of v4IpCidr and v6IpCidr"))
	}
	return errs
}

// SnatResource is the plural name of OvnSnatRules.
const SnatResource = "ovn-snat-rules"

// NewSnatResource returns what the engine knows about OvnSnatRules.
func NewSnatResource(cfg kubeovn.Config) *storage.Resource {
	r := &rules[*v1.OvnSnatRule]{
		resource: SnatResource, kind: "OvnSnatRule", cfg: cfg,
		new: func() *v1.OvnSnatRule { return &v1.OvnSnatRule{} },
		eip: func(r *v1.OvnSnatRule) string { return r.Spec.OvnEip },
		outcome: func(r *v1.OvnSnatRule) outcome {
			s := &r.Status
			return outcome{&s.Conditions, &s.Ready, &s.Vpc, &s.V4Eip, &s.V6Eip}
		},
		sameSpec:   func(a, b *v1.OvnSnatRule) bool { return a.Spec == b.Spec },
		adopt:      func(r, old *v1.OvnSnatRule) { r.Status = *old.Status.DeepCopy() },
		references: referencesOfSnat,
		use: func(r *v1.OvnSnatRule) eipsharing.Use {
			return eipsharing.Use{Resource: ovneip.Resource, EIP: r.Spec.OvnEip, Router: r.Status.Vpc, Sort: eipsharing.SNAT}
		},
		resolve: resolveSnat,
		settle: func(_ storage.View, r *v1.OvnSnatRule, _ *v1.OvnEip, t target) field.ErrorList {
			r.Status.V4IPCidr, r.Status.V6IPCidr = t.v4, t.v6
			return nil
		},
		named:    namedBySnat,
		lost:     lostBySnat,
		refresh:  followSubnet,
		rows:     rowsOfSnat,
		internal: func(r *v1.OvnSnatRule) []string { return []string{r.Status.V4IPCidr, r.Status.V6IPCidr} },
	}
	return r.newResource()
}

func referencesOfSnat(r *v1.OvnSnatRule) []storage.Ref {
	switch s := &r.Spec; {
	case s.VpcSubnet != "":
		return []storage.Ref{{Resource: nb.Subnets, Name: s.VpcSubnet, Field: vpcSubnetPath.String()}}
	case s.IPName != "":
		return []storage.Ref{{Resource: "ips", Name: s.IPName, Field: ipNamePath.String()}}
	default:
		return []storage.Ref{{Resource: nb.Vpcs, Name: s.Vpc, Field: vpcPath.String()}}
	}
}

func resolveSnat(v storage.View, r *v1.OvnSnatRule) (target, field.ErrorList) {
	s := &r.Spec
	switch {
	case s.VpcSubnet != "":
		t, errs := wholeSubnet(v, s)
		return t, append(errs, agree(s, t, "subnet "+s.VpcSubnet)...)
	case s.IPName != "":
		ip, ok := storage.Get[*v1.IP](v, "ips", s.IPName)
		if !ok {
			return target{}, field.ErrorList{kubeovn.NotFound(ipNamePath, "IP", s.IPName)}
		}
		t, errs := inSubnet(v, ip, ip.Spec.Subnet, s.Vpc, ip.Spec.V4IPAddress, ip.Spec.V6IPAddress)
		return t, append(errs, agree(s, t, address.Describe(ip))...)
	}
	if v.Get(nb.Vpcs, s.Vpc) == nil {
		return target{}, field.ErrorList{kubeovn.NotFound(vpcPath, "Vpc", s.Vpc)}
	}
	return target{vpc: s.Vpc, v4: s.V4IPCidr, v6: s.V6IPCidr, exact: true}, lostBySnat(v, r)
}

func wholeSubnet(v storage.View, s *v1.OvnSnatRuleSpec) (target, field.ErrorList) {
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, s.VpcSubnet)
	switch {
	case !ok:
		return target{}, field.ErrorList{kubeovn.NotFound(vpcSubnetPath, "Subnet", s.VpcSubnet)}
	case subnet.Spec.Vpc == "" || !address.HasPorts(subnet):
		return target{}, field.ErrorList{field.Invalid(vpcSubnetPath, s.VpcSubnet, "no Vpc's router reaches the subnet")}
	case s.Vpc != "" && s.Vpc != subnet.Spec.Vpc:
		return target{}, field.ErrorList{field.Invalid(vpcPath, s.Vpc, fmt.Sprintf("subnet %s is in vpc %s", subnet.Name, subnet.Spec.Vpc))}
	}
	v4, v6 := prefixesOf(subnet)
	return target{vpc: subnet.Spec.Vpc, v4: v4, v6: v6}, nil
}

// agree refuses prefixes that are written besides the name of their holder and differ from what that has: the target, which is zero
// when it was refused already. An address may be written as its host prefix.
func agree(s *v1.OvnSnatRuleSpec, t target, holder string) field.ErrorList {
	var errs field.ErrorList
	for _, f := range [...]struct{ name, text, has string }{{"v4IpCidr", s.V4IPCidr, t.v4}, {"v6IpCidr", s.V6IPCidr, t.v6}} {
		if f.text == "" || t.vpc == "" {
			continue
		}
		written, ok := prefixOf(f.text)
		if has, found := prefixOf(f.has); !ok || !found || written != has {
			errs = append(errs, field.Invalid(specPath.Child(f.name), f.text, fmt.Sprintf("%s has %q: write that, or leave it out", holder, f.has)))
		}
	}
	return errs
}

func prefixesOf(s *v1.Subnet) (v4, v6 string) {
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock) // what is stored has been validated
	for _, p := range prefixes.All() {
		if p.Addr().Is4() {
			v4 = p.String()
		} else {
			v6 = p.String()
		}
	}
	return v4, v6
}

// namedBySnat are the prefixes that are given themselves.
func namedBySnat(r *v1.OvnSnatRule) []string {
	if r.Spec.VpcSubnet != "" || r.Spec.IPName != "" {
		return nil
	}
	return []string{r.Spec.V4IPCidr, r.Spec.V6IPCidr}
}

// lostBySnat says which of the prefixes that are given themselves do not lie in a Subnet of the Vpc, and which family the Subnet of
// vpcSubnet does not have any more.
func lostBySnat(v storage.View, r *v1.OvnSnatRule) field.ErrorList {
	s := &r.Spec
	switch {
	case s.IPName != "":
		return nil
	case s.VpcSubnet == "":
		errs := reach.Within(v, specPath.Child("v4IpCidr"), s.Vpc, s.V4IPCidr)
		return append(errs, reach.Within(v, specPath.Child("v6IpCidr"), s.Vpc, s.V6IPCidr)...)
	}
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, s.VpcSubnet)
	if !ok {
		return nil // the reference holds it
	}
	var errs field.ErrorList
	v4, v6 := prefixesOf(subnet)
	for _, f := range [...]struct{ eip, prefix, was string }{{r.Status.V4Eip, v4, r.Status.V4IPCidr}, {r.Status.V6Eip, v6, r.Status.V6IPCidr}} {
		if f.eip != "" && f.prefix == "" {
			errs = append(errs, field.Invalid(vpcSubnetPath, s.VpcSubnet, fmt.Sprintf("subnet %s has no longer a prefix of the family of %s", subnet.Name, f.was)))
		}
	}
	return errs
}

// followSubnet keeps the prefixes those of the Subnet when they change.
func followSubnet(v storage.View, r *v1.OvnSnatRule) {
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, r.Spec.VpcSubnet)
	if !ok {
		return
	}
	v4, v6 := prefixesOf(subnet)
	if r.Status.V4Eip != "" && v4 != "" {
		r.Status.V4IPCidr = v4
	}
	if r.Status.V6Eip != "" && v6 != "" {
		r.Status.V6IPCidr = v6
	}
}

func rowsOfSnat(v storage.View, r *v1.OvnSnatRule) []storage.Row {
	s := &r.Status
	var out []storage.Row
	if s.V4Eip != "" {
		out = append(out, nat(v, s.Vpc, natKey4, "snat", s.V4Eip, s.V4IPCidr))
	}
	if s.V6Eip != "" {
		out = append(out, nat(v, s.Vpc, natKey6, "snat", s.V6Eip, s.V6IPCidr))
	}
	return out
}
