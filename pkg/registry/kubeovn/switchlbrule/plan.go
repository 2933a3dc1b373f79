package switchlbrule

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan decides the Vpc of a rule, and what the rule holds in it. What was decided for a rule that asks for the same as before stands.
func (k kind) plan(v storage.View, old, r *v1.SwitchLBRule) error {
	if r == nil {
		return nil
	}
	vpc, err := namedVpc(v, r)
	if err != nil {
		return kubeovn.Invalid("SwitchLBRule", r.Name, field.ErrorList{err})
	}
	r.Status.Vpc = vpc
	if vpc == "" {
		r.Status.Vpc = home(r).In(v, k.cfg)
	}
	held, errs := vipsInSubnets(v, old, r)
	if old != nil && kubeovn.SameSpec(old, r) && sameHome(old, r) {
		errs = nil
	} else {
		errs = append(k.checkFronts(v, r), errs...)
		errs = append(errs, k.checkEndpoints(v, r)...)
	}
	setAnnotation(r, VipsAnnotation, strings.Join(held, ","))
	if len(errs) == 0 {
		k.holdSources(v, old, r)
	}
	return kubeovn.Invalid("SwitchLBRule", r.Name, errs)
}

func setAnnotation(r *v1.SwitchLBRule, key, value string) {
	if value == "" {
		delete(r.Annotations, key)
		return
	}
	if r.Annotations == nil {
		r.Annotations = map[string]string{}
	}
	r.Annotations[key] = value
}

// checkFronts refuses an address and port that another rule of the Vpc has.
func (k kind) checkFronts(v storage.View, r *v1.SwitchLBRule) field.ErrorList {
	var errs field.ErrorList
	for _, f := range fronts(r) {
		for o := range lbplace.AtFrontEnd(v, k.cfg, r.Status.Vpc, f.addr, portText(f.port)) {
			if o.GetName() != r.Name {
				errs = append(errs, field.Invalid(vipPath, r.Spec.Vip, f.inUse(o, r.Status.Vpc)))
			}
		}
	}
	return errs
}

func (f front) inUse(by storage.Object, vpc string) string {
	return fmt.Sprintf("%s port %s is in use by SwitchLBRule %s in vpc %s", f.addr, portText(f.port), by.GetName(), vpc)
}

// vipsInSubnets returns the names of the Vips that hold those addresses of a rule that lie in Subnets of its Vpc. One that is being
// deleted is held on to, but not taken.
func vipsInSubnets(v storage.View, old, r *v1.SwitchLBRule) ([]string, field.ErrorList) {
	var names []string
	var errs field.ErrorList
	for _, a := range vipsOf(r).All() {
		vip, problem := vipAt(v, r.Status.Vpc, a)
		if problem != "" {
			errs = append(errs, field.Invalid(vipPath, r.Spec.Vip, problem))
		}
		if vip == nil || slices.Contains(names, vip.Name) {
			continue
		}
		if vip.DeletionTimestamp == nil || old != nil && slices.Contains(heldVips(old), vip.Name) {
			names = append(names, vip.Name)
		}
	}
	return names, errs
}

// vipAt returns the Vip that holds an address of a load balancer in a Subnet of a Vpc, nil when the address lies in none; or why the
// address cannot be that of a load balancer.
func vipAt(v storage.View, vpc string, a netip.Addr) (vip *v1.Vip, problem string) {
	p, holder := prefix.Holding(v, prefix.InVpc(vpc), a)
	subnet, ok := holder.(*v1.Subnet)
	if !ok {
		return nil, ""
	}
	if role := roleIn(subnet, p, a); role != "" {
		return nil, fmt.Sprintf("%s is the %s of subnet %s of vpc %s", a, role, subnet.Name, vpc)
	}
	switch owner := address.Holder(v, subnet.Name, a).(type) {
	case *v1.Vip:
		if owner.Spec.Type != v1.VipSwitchLB {
			return nil, fmt.Sprintf("%s is the address of Vip %s, which is not of type %s", a, owner.Name, v1.VipSwitchLB)
		}
		return owner, ""
	case nil:
		return nil, fmt.Sprintf("%s lies in subnet %s of vpc %s: create a Vip of type %s with this address first", a, subnet.Name, vpc, v1.VipSwitchLB)
	default:
		return nil, fmt.Sprintf("%s is in use by %s", a, address.Describe(owner))
	}
}

// roleIn names what an address of a Subnet is for when no host may have it, "" when one may. The gateway of a Subnet that its Vpc's
// router does not serve is a host of the physical network.
func roleIn(s *v1.Subnet, p netip.Prefix, a netip.Addr) string {
	if role := ipam.Unusable(p, a); role != "" {
		return role
	}
	if gateways, err := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway); err == nil && gateways.Has(a) && address.IsRouted(s) {
		return "gateway"
	}
	return ""
}

// checkEndpoints refuses back ends at addresses of Subnets that no host has, and at those from which other rules check.
func (k kind) checkEndpoints(v storage.View, r *v1.SwitchLBRule) field.ErrorList {
	var errs field.ErrorList
	for i, text := range r.Spec.Endpoints {
		a, err := ipam.ParseAddr(text)
		p, holder := prefix.Holding(v, prefix.InVpc(r.Status.Vpc), a)
		s, ok := holder.(*v1.Subnet)
		if err != nil || !ok {
			continue
		}
		if role := roleIn(s, p, a); role != "" {
			errs = append(errs, field.Invalid(endpointsPath.Index(i), text, fmt.Sprintf("%s is the %s of subnet %s: no back end can have it", a, role, s.Name)))
		}
		for source, by := range lbplace.Sources(v, s.Name) {
			if source == a && by.GetName() != r.Name {
				errs = append(errs, field.Invalid(endpointsPath.Index(i), text, fmt.Sprintf(
					"%s is the address from which back ends in subnet %s are checked (SwitchLBRule %s): no back end can have it", a, s.Name, by.GetName())))
				break
			}
		}
	}
	return errs
}
