package subnet

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// checkFrontEnds refuses prefixes that come to hold the address of a SwitchLBRule of the Vpc without a Vip for it: interfaces would get
// the address, and the Subnet's neighbours would look for it in vain. A rule that follows a namespace which the Subnet binds counts
// as one of the Vpc. What was so before stands.
func (k kind) checkFrontEnds(v storage.View, old, s *v1.Subnet) field.ErrorList {
	if !hasRouterPort(s) {
		return nil
	}
	var before ipam.Prefixes
	if old != nil && hasRouterPort(old) && old.Spec.Vpc == s.Spec.Vpc {
		before, _ = ipam.ParsePrefixes(old.Spec.CIDRBlock)
	}
	inVpc := func(namespace string) bool { return lbplace.VpcOfNamespace(v, k.cfg, namespace) == s.Spec.Vpc }
	binds := func(namespace string) bool { return slices.Contains(s.Spec.Namespaces, namespace) }
	var errs field.ErrorList
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	for _, p := range prefixes.All() {
		for a, o := range lbplace.FrontEndsWithin(v, s.Spec.Vpc, p, func(ns string) bool { return inVpc(ns) || binds(ns) }) {
			rule, ok := o.(*v1.SwitchLBRule)
			if !ok || before.Contains(a) && (!binds(rule.Spec.Namespace) || inVpc(rule.Spec.Namespace)) {
				continue
			}
			if vip, ok := address.Holder(v, s.Name, a).(*v1.Vip); ok && vip.Spec.Type == v1.VipSwitchLB {
				continue
			}
			errs = append(errs, field.Invalid(cidrPath, s.Spec.CIDRBlock, fmt.Sprintf(
				"%s holds %s, the vip of SwitchLBRule %s in vpc %s: delete the rule first; once there is a Vip of type %s with the address, it can be created again",
				p, a, rule.Name, s.Spec.Vpc, v1.VipSwitchLB)))
			if len(errs) == maxNamed {
				return errs
			}
		}
	}
	return errs
}
