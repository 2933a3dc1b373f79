package switchlbrule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Conditions of a rule.
const (
	conditionReady   = "Ready"
	conditionChecked = v1.ConditionHealthChecked
)

// derive sets the status: the load balancers exist in the transaction that stores the rule, or that brings it into its Vpc.
func (k kind) derive(v storage.View, r *v1.SwitchLBRule) {
	ports := make([]string, len(r.Spec.Ports))
	for i, p := range r.Spec.Ports {
		ports[i] = portText(p)
	}
	s := &r.Status
	s.Ports = strings.Join(ports, ",")
	s.Service = r.Spec.Namespace + "/" + cmp.Or(r.Spec.Service, "slr-"+r.Name)
	s.Vpc = home(r).In(v, k.cfg)
	if problem := k.obstacle(v, r); problem != "" {
		kubeovn.SetFalse(&s.Conditions, r, conditionReady, "Conflict", problem)
	} else {
		kubeovn.SetTrue(&s.Conditions, r, conditionReady, "Balanced", "the load balancers exist in vpc "+s.Vpc)
	}
	deriveChecked(v, r)
}

// obstacle says why a rule that followed its namespace into another Vpc cannot balance there; "" when it can. A rule that names its Vpc
// was held to all of this when it was written, and wins.
func (k kind) obstacle(v storage.View, r *v1.SwitchLBRule) string {
	if home(r).Vpc != "" {
		return ""
	}
	for _, f := range fronts(r) {
		for o := range lbplace.AtFrontEnd(v, k.cfg, r.Status.Vpc, f.addr, portText(f.port)) {
			if other, ok := o.(*v1.SwitchLBRule); ok && precedes(other, r) {
				return f.inUse(o, r.Status.Vpc)
			}
		}
	}
	for _, a := range vipsOf(r).All() {
		if _, problem := vipAt(v, r.Status.Vpc, a); problem != "" {
			return problem
		}
	}
	return ""
}

// precedes reports whether a rule keeps an address and port that another one comes to: one that names the Vpc, else the older one.
func precedes(a, b *v1.SwitchLBRule) bool {
	named := func(r *v1.SwitchLBRule) int {
		if home(r).Vpc != "" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(named(a), named(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

// deriveChecked says whether the back ends that are interfaces of the Vpc are checked. A rule that has none, or whose user wants no
// checks, does not have the condition.
func deriveChecked(v storage.View, r *v1.SwitchLBRule) {
	subnets := checkedSubnets(v, r)
	var without []string
	for _, s := range subnets {
		if !sourceIn(r, s.Name).IsValid() {
			without = append(without, s.Name)
		}
	}
	switch conditions := &r.Status.Conditions; {
	case len(subnets) == 0:
		meta.RemoveStatusCondition(conditions, conditionChecked)
	case len(without) == 0:
		kubeovn.SetTrue(conditions, r, conditionChecked, "Checked", "back ends that do not answer get no connections")
	default:
		kubeovn.SetFalse(conditions, r, conditionChecked, v1.ReasonNoSource, fmt.Sprintf(
			"the rule has no address in subnet %s to check back ends from, so that all there count as alive: the next write of the rule takes one when one is free; "+
				"the annotation %s with the value false leaves the checks out", strings.Join(without, ", "), HealthCheckAnnotation))
	}
}

// balances reports whether a derived rule has load balancers.
func balances(r *v1.SwitchLBRule) bool {
	return !meta.IsStatusConditionPresentAndEqual(r.Status.Conditions, conditionReady, metav1.ConditionFalse)
}

// affected are the rules that may come to an address and port, or have to leave it, when old or r has it.
func affected(v storage.View, old, r *v1.SwitchLBRule) []storage.Ref {
	if old != nil && r != nil && old.Spec.Vip == r.Spec.Vip && sameHome(old, r) && old.Status.Vpc == r.Status.Vpc && slices.Equal(old.Spec.Ports, r.Spec.Ports) {
		return nil
	}
	var refs []storage.Ref
	for _, x := range [...]*v1.SwitchLBRule{old, r} {
		if x == nil {
			continue
		}
		for _, f := range fronts(x) {
			refs = append(refs, lbplace.AffectedByFrontEnd(v, f.addr, portText(f.port))...)
		}
	}
	return refs
}
