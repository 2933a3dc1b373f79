package vpc

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// checkExternals checks the external Subnets that the Vpc joins and leaves.
func (k kind) checkExternals(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	var before []external
	if old != nil {
		before = externals(k.cfg.ExternalGatewaySwitch, old)
	}
	now := externals(k.cfg.ExternalGatewaySwitch, vpc)
	has := func(list []external, subnet string) bool {
		return slices.ContainsFunc(list, func(x external) bool { return x.subnet == subnet })
	}
	var errs field.ErrorList
	for i, x := range now {
		if !has(before, x.subnet) {
			errs = append(errs, k.checkJoin(v, vpc, x, now[:i])...)
		}
	}
	for _, x := range before {
		if !has(now, x.subnet) {
			errs = append(errs, checkLeave(v, vpc, x)...)
		}
	}
	return append(errs, k.checkBfdIDs(v, old, vpc)...)
}

func (k kind) checkJoin(v storage.View, vpc *v1.Vpc, x external, others []external) field.ErrorList {
	refuse := func(format string, args ...any) field.ErrorList {
		return field.ErrorList{field.Invalid(x.path, x.subnet, fmt.Sprintf(format, args...))}
	}
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, x.subnet)
	switch {
	case !ok && x.isDefault:
		return refuse("the default external subnet %s (--external-gateway-switch) does not exist: create a ProviderNetwork, a Vlan of it and the Subnet %s with that vlan first", x.subnet, x.subnet)
	case !ok:
		return field.ErrorList{{Type: field.ErrorTypeNotFound, Field: x.path.String(), BadValue: x.subnet, Detail: "create a ProviderNetwork, a Vlan of it and the Subnet with that vlan first"}}
	case s.DeletionTimestamp != nil:
		return refuse("subnet %s is being deleted", s.Name)
	case s.Spec.Vlan == "" || !address.HasPorts(s):
		return refuse("subnet %s is no external one: it has no vlan", s.Name)
	case s.Spec.CIDRBlock == "":
		return refuse("subnet %s has no addresses (spec.protocol Mac)", s.Name)
	case s.Spec.Vpc == vpc.Name && (vpc.Name != k.cfg.DefaultVpc || s.Spec.LogicalGateway || s.Spec.U2OInterconnection):
		return refuse("subnet %s is one of vpc %s itself: an external subnet belongs to no vpc", s.Name, vpc.Name)
	}
	errs := checkOverlaps(v, vpc, x, s, others)
	port := nb.RouterPort(vpc.Name, x.subnet)
	for _, holder := range v.Scan(nb.RouterPortNameKey(port), nb.RouterPortNameKey(port)+"\x00") {
		if _, own := holder.(*v1.Vpc); !own || holder.GetName() != vpc.Name {
			errs = append(errs, refuse("the connection needs the router port %q, which %s has already", port, address.Describe(holder))...)
		}
	}
	if err := address.ClaimPort(v, nb.PatchPort(x.subnet, vpc.Name)); err != nil {
		errs = append(errs, refuse("%v", err)...)
	}
	if eip, ok := storage.Get[*v1.OvnEip](v, nb.OvnEips, port); ok && (eip.Spec.Type != v1.OvnEipLrp || eip.Spec.ExternalSubnet != x.subnet) {
		errs = append(errs, refuse("OvnEip %s is of type %q in subnet %s: the router port takes its address from an OvnEip of this name, of type lrp in subnet %s; delete it, or create it so",
			port, eip.Spec.Type, eip.Spec.ExternalSubnet, x.subnet)...)
	}
	return errs
}

// checkOverlaps refuses an external Subnet whose prefix the router has on another port.
func checkOverlaps(v storage.View, vpc *v1.Vpc, x external, s *v1.Subnet, others []external) field.ErrorList {
	var errs field.ErrorList
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	for _, p := range prefixes.All() {
		for theirs, holder := range prefix.Overlapping(v, prefix.InVpc(vpc.Name), p) {
			errs = append(errs, field.Invalid(x.path, x.subnet, fmt.Sprintf("cidr %s of subnet %s overlaps with %s of %s in vpc %s", p, s.Name, theirs, address.Describe(holder), vpc.Name)))
		}
	}
	for _, o := range others {
		other, ok := storage.Get[*v1.Subnet](v, nb.Subnets, o.subnet)
		if !ok {
			continue
		}
		theirs, _ := ipam.ParsePrefixes(other.Spec.CIDRBlock)
		if p, q, found := prefixes.Overlaps(theirs); found {
			errs = append(errs, field.Invalid(x.path, x.subnet, fmt.Sprintf("cidr %s of subnet %s overlaps with cidr %s of the external subnet %s", p, s.Name, q, other.Name)))
		}
	}
	return errs
}

// checkLeave refuses to leave an external Subnet with whose addresses NAT rules of the Vpc work.
func checkLeave(v storage.View, vpc *v1.Vpc, x external) field.ErrorList {
	for eip := range storage.ReferrersOf[*v1.OvnEip](v, nb.Subnets, x.subnet) {
		for rule := range v.Referrers(nb.OvnEips, eip.Name) {
			if natVpc(rule) == vpc.Name {
				return field.ErrorList{field.Invalid(x.path, x.subnet, fmt.Sprintf("%s uses address %s of subnet %s: delete the rule first", address.Describe(rule), eip.Name, x.subnet))}
			}
		}
	}
	return nil
}

// natVpc is the Vpc of a rule, "" of any other object.
func natVpc(o storage.Object) string {
	switch rule := o.(type) {
	case *v1.OvnFip:
		return rule.Status.Vpc
	case *v1.OvnSnatRule:
		return rule.Status.Vpc
	case *v1.OvnDnatRule:
		return rule.Status.Vpc
	}
	return ""
}

// checkBfdIDs holds the BFD rows that new routes name to those of the Vpc: any other would tie the route to somebody else's port.
func (k kind) checkBfdIDs(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	var errs field.ErrorList
	var known []string
	if old != nil {
		for _, r := range old.Status.Routes {
			known = append(known, r.BfdID)
		}
		for _, r := range old.Spec.StaticRoutes {
			known = append(known, r.BfdID)
		}
	}
	for i, r := range vpc.Spec.StaticRoutes {
		if r.BfdID != "" && !slices.Contains(known, r.BfdID) {
			errs = append(errs, field.Invalid(routesPath.Index(i).Child("bfdId"), r.BfdID, fmt.Sprintf("is no BFD session of vpc %s: those are in status.routes", vpc.Name)))
		}
	}
	return errs
}
