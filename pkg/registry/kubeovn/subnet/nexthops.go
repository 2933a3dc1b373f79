package subnet

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	vpcs "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// checkNextHops refuses addresses of the Subnet that would make a next hop of its Vpc one that the router cannot forward to. The Vpc
// refuses such a next hop of a Subnet that exists; the order in which manifests are applied makes no difference.
func (k kind) checkNextHops(v storage.View, old, s *v1.Subnet) field.ErrorList {
	if !hasRouterPort(s) || s.Name == k.cfg.NodeSwitch {
		return nil
	}
	if old != nil && old.Spec.CIDRBlock == s.Spec.CIDRBlock && old.Spec.Gateway == s.Spec.Gateway && slices.Equal(scopes(s), scopes(old)) {
		return nil
	}
	vpc, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, s.Spec.Vpc)
	if !ok {
		return nil
	}
	var errs field.ErrorList
	for path, hop := range vpcs.NextHops(vpc) {
		if role := reach.NoNextHop(s, hop); role != "" {
			errs = append(errs, field.Invalid(gatewayPath, s.Spec.Gateway,
				fmt.Sprintf("%s would be %s, but vpc %s sends to it (%s): change one of them", hop, role, vpc.Name, path)))
		}
	}
	return errs
}
