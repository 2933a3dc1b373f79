package switchlbrule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan decides the Vpc of a new rule, and what any rule holds in it.
func (k kind) plan(v storage.View, old, r *v1.SwitchLBRule) error {
	if r == nil {
		return nil
	}
	vpc := ""
	if old != nil {
		vpc = vpcOf(old)
	} else {
		vpc = k.findVpc(v, r)
	}
	if v.Get(nb.Vpcs, vpc) == nil {
		return kubeovn.Invalid("SwitchLBRule", r.Name, field.ErrorList{kubeovn.NotFound(annotationsPath.Key(v1.AnnotationVpc), "Vpc", vpc)})
	}
	setAnnotation(r, v1.AnnotationVpc, vpc)
	var errs field.ErrorList
	var held []string
	if old != nil && kubeovn.SameSpec(old, r) {
		held = heldVips(old)
	} else {
		errs = checkFronts(v, r, vpc)
		names, more := vipsInSubnets(v, r, vpc)
		held, errs = names, append(errs, more...)
	}
	setAnnotation(r, VipsAnnotation, strings.Join(held, ","))
	if len(errs) == 0 {
		errs = holdSources(v, old, r, vpc)
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

// findVpc is the Vpc in which pods of the rule's namespace get their addresses.
func (k kind) findVpc(v storage.View, r *v1.SwitchLBRule) string {
	if vpc := vpcOf(r); vpc != "" {
		return vpc
	}
	bound := "namespace/" + r.Spec.Namespace + "/" + v1.DefaultProvider // the index key of Subnets, see there
	for _, o := range v.Scan(bound, bound+"\x00") {
		if s, ok := o.(*v1.Subnet); ok && s.Spec.Vpc != "" {
			return s.Spec.Vpc
		}
	}
	for o := range v.List(nb.Vpcs) {
		if vpc, ok := o.(*v1.Vpc); ok && vpc.Spec.DefaultSubnet != "" && slices.Contains(vpc.Spec.Namespaces, r.Spec.Namespace) {
			return vpc.Name
		}
	}
	return k.cfg.DefaultVpc
}

// checkFronts refuses an address and port that another rule of the Vpc has.
func checkFronts(v storage.View, r *v1.SwitchLBRule, vpc string) field.ErrorList {
	var errs field.ErrorList
	for _, f := range fronts(r) {
		for _, o := range v.Scan(f.key(vpc), f.key(vpc)+"\x00") {
			if o.GetName() != r.Name {
				errs = append(errs, field.Invalid(vipPath, r.Spec.Vip,
					fmt.Sprintf("%s port %s is in use by SwitchLBRule %s in vpc %s", f.addr, portText(f.port), o.GetName(), vpc)))
			}
		}
	}
	return errs
}

// vipsInSubnets returns the names of the Vips that hold those addresses of a rule that lie in Subnets of the Vpc.
func vipsInSubnets(v storage.View, r *v1.SwitchLBRule, vpc string) ([]string, field.ErrorList) {
	var names []string
	var errs field.ErrorList
	for _, a := range vipsOf(r).All() {
		_, holder := prefix.Holding(v, prefix.InVpc(vpc), a)
		subnet, ok := holder.(*v1.Subnet)
		if !ok {
			continue
		}
		switch owner := address.Holder(v, subnet.Name, a).(type) {
		case *v1.Vip:
			if owner.Spec.Type != v1.VipSwitchLB {
				errs = append(errs, field.Invalid(vipPath, r.Spec.Vip, fmt.Sprintf("%s is the address of Vip %s, which is not of type %s", a, owner.Name, v1.VipSwitchLB)))
			} else if !slices.Contains(names, owner.Name) {
				names = append(names, owner.Name)
			}
		case nil:
			errs = append(errs, field.Invalid(vipPath, r.Spec.Vip,
				fmt.Sprintf("%s lies in subnet %s of vpc %s: create a Vip of type %s with this address first", a, subnet.Name, vpc, v1.VipSwitchLB)))
		default:
			errs = append(errs, field.Invalid(vipPath, r.Spec.Vip, fmt.Sprintf("%s is in use by %s", a, address.Describe(owner))))
		}
	}
	return names, errs
}

// holdSources gives the rule an address in each Subnet in which it checks back ends. Addresses that it has already stay.
func holdSources(v storage.View, old, r *v1.SwitchLBRule, vpc string) field.ErrorList {
	had := map[string]source{}
	if old != nil {
		for _, s := range sourcesOf(old) {
			had[s.subnet] = s
		}
	}
	var entries []string
	for _, subnet := range checkedSubnets(v, r, vpc) {
		s, ok := had[subnet.Name]
		if !ok {
			grant, errs := address.Allocate(v, subnet, address.Request{
				Resource: Resource, Name: r.Name, Noun: "source of health checks", NoMAC: true,
				Paths: address.Paths{Subnet: endpointsPath, V4: endpointsPath, V6: endpointsPath},
			})
			if len(errs) > 0 {
				return errs
			}
			s = source{subnet.Name, grant.Addrs.V4}
		}
		entries = append(entries, s.subnet+"="+s.addr.String())
	}
	setAnnotation(r, SourcesAnnotation, strings.Join(entries, ","))
	return nil
}

// checkedSubnets are the Subnets, by name, in which a rule checks back ends.
func checkedSubnets(v storage.View, r *v1.SwitchLBRule, vpc string) []*v1.Subnet {
	if !checks(r) {
		return nil
	}
	found := map[string]*v1.Subnet{}
	for _, a := range endpointsOf(r) {
		if s := subnetOf(v, vpc, a); s != nil && a.Is4() {
			found[s.Name] = s
		}
	}
	var out []*v1.Subnet
	for _, s := range found {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *v1.Subnet) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// checks reports whether a rule has ports that OVN can check, and its user wants it.
func checks(r *v1.SwitchLBRule) bool {
	return r.Annotations[HealthCheckAnnotation] != "false" && vipsOf(r).V4.IsValid() &&
		slices.ContainsFunc(r.Spec.Ports, func(p v1.SwitchLBRulePort) bool { return protocolOf(p) != "SCTP" })
}

// derive sets the status: the load balancers exist in the transaction that stores the rule.
func derive(_ storage.View, r *v1.SwitchLBRule) {
	ports := make([]string, len(r.Spec.Ports))
	for i, p := range r.Spec.Ports {
		ports[i] = portText(p)
	}
	r.Status.Ports = strings.Join(ports, ",")
	r.Status.Service = r.Spec.Namespace + "/" + cmp.Or(r.Spec.Service, "slr-"+r.Name)
	kubeovn.SetTrue(&r.Status.Conditions, r, "Ready", "Balanced", "the load balancers exist")
}
