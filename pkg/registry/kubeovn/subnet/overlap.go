package subnet

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// checkPrefixes refuses prefixes that overlap with others within the same scope, with those of the Vpc's peers, and in the
// default Vpc with the ranges of nodes and services. A prefix that is as it was is not checked again.
func (k kind) checkPrefixes(v storage.View, old, s *v1.Subnet) field.ErrorList {
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	here := scopes(s)
	if old != nil && old.Spec.CIDRBlock == s.Spec.CIDRBlock && slices.Equal(here, scopes(old)) {
		return nil
	}
	var errs field.ErrorList
	for _, p := range prefixes.All() {
		if role := ipam.Unroutable(p); role != "" {
			errs = append(errs, conflict(s, fmt.Sprintf("%s has addresses that no router forwards: %s", p, role)))
		}
		for _, scope := range here {
			errs = append(errs, conflicts(v, s, scope, p, "")...)
		}
		if slices.Contains(here, prefix.InVpc(s.Spec.Vpc)) {
			errs = append(errs, conflictsWithPeers(v, s, p)...)
			errs = append(errs, k.conflictsWithExternals(v, s, p)...)
			errs = append(errs, k.conflictsWithCluster(v, s, p)...)
		}
		errs = append(errs, conflictsWhereExternal(v, s, p)...)
		if len(errs) > maxNamed {
			errs = errs[:maxNamed]
		}
	}
	return errs
}

// conflicts returns an error for each holder of an overlapping prefix in a scope. Links between Vpcs count in the Vpc
// itself only: a peer's link is not reached through it.
func conflicts(v storage.View, s *v1.Subnet, scope string, p netip.Prefix, of string) field.ErrorList {
	var errs field.ErrorList
	for theirs, holder := range prefix.Overlapping(v, scope, p) {
		if _, isSubnet := holder.(*v1.Subnet); isSubnet {
			if holder.GetName() != s.Name {
				errs = append(errs, conflict(s, fmt.Sprintf("subnet %s cidr %s is conflict with subnet %s cidr %s%s", s.Name, p, holder.GetName(), theirs, of)))
			}
		} else if of == "" {
			errs = append(errs, conflict(s, fmt.Sprintf("subnet %s cidr %s is conflict with prefix %s of a peering of vpc %s", s.Name, p, theirs, holder.GetName())))
		}
		if len(errs) == maxNamed {
			break
		}
	}
	return errs
}

func conflict(s *v1.Subnet, message string) *field.Error {
	return field.Invalid(cidrPath, s.Spec.CIDRBlock, message)
}

func conflictsWithPeers(v storage.View, s *v1.Subnet, p netip.Prefix) field.ErrorList {
	own, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, s.Spec.Vpc)
	if !ok {
		return nil
	}
	var errs field.ErrorList
	for _, peer := range vpc.Peers(v, own) {
		errs = append(errs, conflicts(v, s, prefix.InVpc(peer), p, " of peer vpc "+peer)...)
	}
	return errs
}

// conflictsWithExternals holds a prefix against those of the external Subnets that the Vpc's router is connected with.
func (k kind) conflictsWithExternals(v storage.View, s *v1.Subnet, p netip.Prefix) field.ErrorList {
	own, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, s.Spec.Vpc)
	if !ok {
		return nil
	}
	var errs field.ErrorList
	for _, name := range vpc.ExternalSubnets(k.cfg, own) {
		external, ok := storage.Get[*v1.Subnet](v, nb.Subnets, name)
		if !ok || name == s.Name {
			continue
		}
		prefixes, _ := ipam.ParsePrefixes(external.Spec.CIDRBlock)
		if theirs := prefixes.Of(p.Addr()); theirs.IsValid() && theirs.Overlaps(p) {
			errs = append(errs, conflict(s, fmt.Sprintf("subnet %s cidr %s is conflict with external subnet %s cidr %s of vpc %s", s.Name, p, name, theirs, own.Name)))
		}
	}
	return errs
}

// conflictsWhereExternal holds a prefix of an external Subnet against those of the Vpcs that are connected with it.
func conflictsWhereExternal(v storage.View, s *v1.Subnet, p netip.Prefix) field.ErrorList {
	var errs field.ErrorList
	for connected := range storage.ReferrersOf[*v1.Vpc](v, nb.Subnets, s.Name) {
		if connected.Spec.DefaultSubnet != s.Name {
			errs = append(errs, conflicts(v, s, prefix.InVpc(connected.Name), p, " of vpc "+connected.Name)...)
		}
	}
	return errs
}

// conflictsWithCluster holds a prefix of the default Vpc against the ranges of services and nodes; the latter is found in
// the index once its Subnet exists.
func (k kind) conflictsWithCluster(v storage.View, s *v1.Subnet, p netip.Prefix) field.ErrorList {
	if s.Spec.Vpc != k.cfg.DefaultVpc {
		return nil
	}
	var errs field.ErrorList
	for _, services := range k.cfg.ServiceCIDR {
		if services.Overlaps(p) {
			errs = append(errs, conflict(s, fmt.Sprintf("subnet %s cidr %s is conflict with the service range %s", s.Name, p, services)))
		}
	}
	nodes := k.cfg.NodeSwitchCIDR.Of(p.Addr())
	if s.Name != k.cfg.NodeSwitch && v.Get(nb.Subnets, k.cfg.NodeSwitch) == nil && nodes.IsValid() && nodes.Overlaps(p) {
		errs = append(errs, conflict(s, fmt.Sprintf("subnet %s cidr %s is conflict with subnet %s cidr %s", s.Name, p, k.cfg.NodeSwitch, nodes)))
	}
	return errs
}
