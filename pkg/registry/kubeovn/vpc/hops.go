package vpc

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// NextHops yields the next hops of a Vpc's static routes and rerouting policies, each with the path of the field that names it.
func NextHops(vpc *v1.Vpc) iter.Seq2[*field.Path, netip.Addr] { return changedHops(vpc, v1.VpcSpec{}) }

// changedHops yields the next hops of the routes and policies that a former spec has not.
func changedHops(vpc *v1.Vpc, before v1.VpcSpec) iter.Seq2[*field.Path, netip.Addr] {
	return func(yield func(*field.Path, netip.Addr) bool) {
		for i, r := range vpc.Spec.StaticRoutes {
			hop, err := ipam.ParseAddr(r.NextHopIP)
			if err == nil && !slices.Contains(before.StaticRoutes, r) && !yield(routesPath.Index(i).Child("nextHopIP"), hop) {
				return
			}
		}
		for i, p := range vpc.Spec.PolicyRoutes {
			if p.Action != v1.PolicyRouteReroute || slices.Contains(before.PolicyRoutes, p) {
				continue
			}
			hops, _ := nextHops(p)
			for _, hop := range hops {
				if !yield(policiesPath.Index(i).Child("nextHopIP"), hop) {
					return
				}
			}
		}
	}
}

// checkHops refuses next hops, of routes and policies that are new or changed, that no other router can have. One that nothing holds
// yet is a warning only: manifests may bring routes before Subnets, see unreachableHops.
func (k kind) checkHops(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	var before v1.VpcSpec
	if old != nil {
		before = old.Spec
	}
	var errs field.ErrorList
	for path, hop := range changedHops(vpc, before) {
		if role := k.noNextHop(v, vpc, hop); role != "" {
			errs = append(errs, field.Invalid(path, hop.String(), fmt.Sprintf("is %s: write the address of another router", role)))
		}
	}
	return errs
}

// noNextHop says what an address is that the Vpc's router cannot forward to; "" when it can, and when nothing holds it.
func (k kind) noNextHop(v storage.View, vpc *v1.Vpc, hop netip.Addr) string {
	if role := ipam.Special(hop); role != "" {
		return role
	}
	for i, p := range vpc.Spec.VpcPeerings {
		link, err := ipam.ParseInterfaces(p.LocalConnectIP)
		if err != nil || !link.Contains(hop) {
			continue
		}
		of := peeringsPath.Index(i).Child("localConnectIP")
		mine := link.Of(hop)
		if mine.Addr() == hop {
			return fmt.Sprintf("the address of the router itself (%s)", of)
		}
		if role := ipam.Unusable(mine.Masked(), hop); role != "" {
			return fmt.Sprintf("the %s of %s (%s)", role, mine.Masked(), of)
		}
	}
	for _, x := range externals(k.cfg.ExternalGatewaySwitch, vpc) {
		if role := noNextHopOutside(v, vpc, x, hop); role != "" {
			return role + " in the external subnet " + x.subnet
		}
	}
	_, holder := prefix.Holding(v, prefix.InVpc(vpc.Name), hop)
	s, ok := holder.(*v1.Subnet)
	if !ok || vpc.Name == k.cfg.DefaultVpc && s.Name == k.cfg.NodeSwitch {
		return "" // the default Vpc's routes to the nodes name the gateway of their Subnet: policies choose the node
	}
	if role := reach.NoNextHop(s, hop); role != "" {
		return role + " in subnet " + s.Name
	}
	return ""
}

func noNextHopOutside(v storage.View, vpc *v1.Vpc, x external, hop netip.Addr) string {
	if s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, x.subnet); ok {
		if role := reach.NoNextHop(s, hop); role != "" {
			return role
		}
	}
	eip, ok := storage.Get[*v1.OvnEip](v, nb.OvnEips, nb.RouterPort(vpc.Name, x.subnet))
	if ok && (eip.Status.V4IP == hop.String() || eip.Status.V6IP == hop.String()) {
		return "the address of the router itself"
	}
	return ""
}
