package apiserver_test

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// existence is what exists after a write, and whether it is being deleted.
type existence map[key]bool

// apply returns what must exist when a write was accepted. The object is the one that was answered.
func (m *model) apply(op operation, answered storage.Object) existence {
	next := &model{external: m.external, objects: maps.Clone(m.objects)}
	gone := existence{} // that are being deleted, besides those that say so
	switch k := op.key(); {
	case op.verb == removes && next.held(k):
		gone[k] = true
	case op.verb == removes:
		next.vanish(k, gone)
	default:
		old := next.objects[k]
		next.objects[k] = answered
		next.accompany(old, answered, gone)
		if old != nil {
			next.release(old, gone)
		}
	}
	out := existence{}
	for k, o := range next.objects {
		out[k] = gone[k] || terminating(o)
	}
	return out
}

// vanish removes an object that nothing holds, and what waited only for that.
func (m *model) vanish(k key, gone existence) {
	old := m.objects[k]
	delete(m.objects, k)
	m.accompany(old, nil, gone)
	m.release(old, gone)
}

func (m *model) release(old storage.Object, gone existence) {
	for _, ref := range m.refs(old) {
		if target := m.objects[ref]; target != nil && (gone[ref] || terminating(target)) && !m.held(ref) {
			m.vanish(ref, gone)
		}
	}
}

// accompany creates the addresses of a Vpc's router ports, and removes those that were made for it.
func (m *model) accompany(old, now storage.Object, gone existence) {
	var wanted []string
	if vpc, ok := now.(*v1.Vpc); ok && vpc != nil {
		wanted = m.externals(vpc)
		for _, subnet := range wanted {
			k := key{"ovn-eips", vpc.Name + "-" + subnet}
			if m.objects[k] == nil {
				eip := &v1.OvnEip{Spec: v1.OvnEipSpec{ExternalSubnet: subnet, Type: v1.OvnEipLrp}}
				eip.Name, eip.Labels = k.name, map[string]string{storage.LabelCompanionOf: "vpcs." + vpc.Name}
				m.objects[k] = eip
			}
		}
	}
	vpc, ok := old.(*v1.Vpc)
	if !ok || vpc == nil {
		return
	}
	for _, subnet := range m.externals(vpc) {
		k := key{"ovn-eips", vpc.Name + "-" + subnet}
		eip := m.objects[k]
		if slices.Contains(wanted, subnet) || eip == nil || eip.GetLabels()[storage.LabelCompanionOf] != "vpcs."+vpc.Name {
			continue
		}
		if m.held(k) {
			gone[k] = true
		} else {
			m.vanish(k, gone)
		}
	}
}

// contradictions are pairs of objects that cannot both be, and references that lead nowhere.
func (m *model) contradictions() (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for a, keys := range m.holders() {
		shared := !slices.ContainsFunc(keys, func(k key) bool { return k.resource != "switch-lb-rules" }) // what they check from
		if len(keys) > 1 && !shared {
			report("%s in %s is that of %v", a.addr, a.subnet, keys)
		}
	}
	type claim struct{ what, scope string }
	claims := map[claim]key{}
	once := func(k key, what, scope string) {
		c := claim{what, scope}
		if other, taken := claims[c]; taken {
			report("%s and %s have both %s in %s", other, k, what, scope)
		}
		claims[c] = k
	}
	for k, o := range m.objects {
		for _, ref := range m.refs(o) {
			if m.objects[ref] == nil {
				report("%s refers to %s, which does not exist", k, ref)
			}
		}
		if terminating(o) && !m.held(k) {
			report("%s is being deleted, and nothing holds it", k)
		}
		switch o := o.(type) {
		case *v1.Vlan:
			once(k, fmt.Sprint("vlan ", o.Spec.ID), o.Spec.Provider)
		case *v1.Chassis:
			once(k, "chassis "+o.Spec.ChassisID, "OVN")
		case *v1.Subnet:
			for j, other := range m.objects {
				s, ok := other.(*v1.Subnet)
				if !ok || j.name <= k.name || !routed(o) || !routed(s) || s.Spec.Vpc != o.Spec.Vpc {
					continue
				}
				for _, p := range prefixes(o) {
					for _, q := range prefixes(s) {
						if p.Overlaps(q) {
							report("%s and %s overlap in vpc %s: %s and %s", k, j, s.Spec.Vpc, p, q)
						}
					}
				}
			}
		case *v1.SwitchLBRule:
			for j, other := range m.objects {
				r, ok := other.(*v1.SwitchLBRule)
				if ok && j.name > k.name && r.Status.Vpc == o.Status.Vpc && sharesFront(r, o) {
					report("%s and %s have the same address and port", k, j)
				}
			}
		default:
			if mine := useOf(o); mine.sort != "" {
				if why := m.conflict(o, mine); why != "" {
					report("%s uses %s, but %s", k, mine.eip, why)
				}
			}
		}
	}
	slices.Sort(problems)
	return problems
}
