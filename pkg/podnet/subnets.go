package podnet

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// subnets are the Subnets from which the interface may be, the first to be tried first; at least one when there is no error.
// In this order: the one that the pod names, that of the Vip whose address it uses, those of its namespace, the default of the
// namespace's Vpc, the default of the cluster. The last is only for namespaces that nothing names: see candidates.
func (w *wishes) subnets(o Objects, pod *Pod) ([]*v1.Subnet, field.ErrorList) {
	switch {
	case w.vip != "":
		return w.subnetOfVip(o, pod)
	case w.subnet != "":
		s, err := w.named(o, pod, w.key(v1.AnnotationLogicalSwitch), w.subnet)
		if err != nil {
			return nil, field.ErrorList{err}
		}
		return []*v1.Subnet{s}, nil
	}
	c := &candidates{objects: o, pod: pod, provider: w.provider}
	if w.provider == v1.DefaultProvider {
		c.ofNamespace()
	} else {
		c.ofProvider()
	}
	path := w.key(v1.AnnotationLogicalSwitch)
	switch {
	case len(c.usable) > 0:
		return c.usable, nil
	case len(c.unusable) > 0:
		return nil, field.ErrorList{field.Forbidden(path, fmt.Sprintf(
			"namespace %s has Subnets of its own, and no other takes their place: %s", pod.Namespace, strings.Join(c.unusable, "; ")))}
	}
	return nil, field.ErrorList{field.Required(path,
		fmt.Sprintf("no Subnet with provider %s is there for namespace %s: name one here, or bind one to the namespace (spec.namespaces of the Subnet)", w.provider, pod.Namespace))}
}

// named returns a Subnet that somebody names for the interface, or says why it cannot be.
func (w *wishes) named(o Objects, pod *Pod, path *field.Path, name string) (*v1.Subnet, *field.Error) {
	s, ok := o.Subnet(name)
	switch {
	case !ok:
		return nil, field.NotFound(path, name)
	case s.DeletionTimestamp != nil:
		return nil, field.Invalid(path, name, fmt.Sprintf("subnet %s is being deleted", name))
	case w.provider == v1.DefaultProvider && !inOVN(s):
		return nil, field.Invalid(path, name, fmt.Sprintf("subnet %s is of provider %s, which plugs no pod's first interface", name, s.Spec.Provider))
	case w.provider != v1.DefaultProvider && s.Spec.Provider != w.provider:
		return nil, field.Invalid(path, name, fmt.Sprintf("subnet %s is of provider %s, not %s", name, s.Spec.Provider, w.provider))
	}
	if vpc, ok := refusing(o, s, pod.Namespace); ok {
		return nil, field.Invalid(path, name, fmt.Sprintf("namespace '%s' is out of range to custom vpc '%s'", pod.Namespace, vpc))
	}
	return s, nil
}

// subnetOfVip is the Subnet of the Vip whose address the pod uses. The address of the Vip is the one that it gets: any other wish must agree.
func (w *wishes) subnetOfVip(o Objects, pod *Pod) ([]*v1.Subnet, field.ErrorList) {
	path := w.key(v1.AnnotationVip)
	vip, ok := o.Vip(w.vip)
	switch {
	case !ok:
		return nil, field.ErrorList{field.NotFound(path, w.vip)}
	case vip.DeletionTimestamp != nil:
		return nil, field.ErrorList{field.Invalid(path, w.vip, fmt.Sprintf("vip %s is being deleted", w.vip))}
	case vip.Spec.Type != v1.VipReserved || len(vip.Spec.Selector) > 0:
		return nil, field.ErrorList{field.Invalid(path, w.vip, "the Vip is not a reserved address: a pod may use only one with an empty spec.type and no spec.selector")}
	case w.subnet != "" && w.subnet != vip.Spec.Subnet:
		return nil, field.ErrorList{field.Invalid(path, w.vip, fmt.Sprintf("the Vip is in subnet %s, not in %s", vip.Spec.Subnet, w.subnet))}
	}
	s, err := w.named(o, pod, path, vip.Spec.Subnet)
	if err != nil {
		return nil, field.ErrorList{err}
	}
	return []*v1.Subnet{s}, nil
}

// checkCarried refuses Vips that the pod may not carry besides its own address. Those of other Subnets are left to the pod's other interfaces.
func (w *wishes) checkCarried(o Objects, pod *Pod, subnets []*v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	path := w.key(v1.AnnotationAAPs)
	for _, name := range w.carried {
		vip, ok := o.Vip(name)
		switch {
		case !ok:
			errs = append(errs, field.NotFound(path, name))
		case !slices.ContainsFunc(subnets, func(s *v1.Subnet) bool { return s.Name == vip.Spec.Subnet }):
		case vip.Spec.Type != v1.VipReserved || vip.Spec.Namespace == "":
			errs = append(errs, field.Invalid(path, name,
				"the Vip is not one that pods carry besides their own address: it needs an empty spec.type, and in spec.namespace the namespace of the pods"))
		case vip.Spec.Namespace != pod.Namespace:
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("the Vip is for pods of namespace %q, not of %q", vip.Spec.Namespace, pod.Namespace)))
		case !selects(vip.Spec.Selector, pod.Labels):
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("the Vip is for pods with the labels %s", strings.Join(vip.Spec.Selector, ", "))))
		}
	}
	return errs
}

// selects reports whether labels satisfy all entries "key: value" of a Vip's selector. Without entries it selects every pod.
func selects(selector []string, set labels.Set) bool {
	for _, entry := range selector {
		key, value, _ := strings.Cut(entry, ":")
		if got, ok := set[strings.TrimSpace(key)]; !ok || got != strings.TrimSpace(value) {
			return false
		}
	}
	return true
}

// refusing is the Vpc of a Subnet when it does not admit a namespace.
func refusing(o Objects, s *v1.Subnet, namespace string) (string, bool) {
	vpc, ok := o.Vpc(s.Spec.Vpc)
	if !ok || len(vpc.Spec.Namespaces) == 0 || slices.Contains(vpc.Spec.Namespaces, namespace) {
		return "", false
	}
	return vpc.Name, true
}

// inOVN reports whether interfaces in a Subnet are plugged into OVN.
func inOVN(s *v1.Subnet) bool {
	p := s.Spec.Provider
	return p == "" || p == v1.DefaultProvider || strings.HasSuffix(p, "."+v1.DefaultProvider)
}

// problem says why no interface in a Subnet can have addresses, whoever has them now; "" when one can.
func problem(s *v1.Subnet, addrs ipam.Addrs) string {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil {
		return fmt.Sprintf("subnet %s: %v", s.Name, err)
	}
	gateways, _ := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway)
	for _, a := range addrs.All() {
		switch {
		case !prefixes.Contains(a):
			return fmt.Sprintf("%s is not in the range of subnet %s, cidr %s", a, s.Name, s.Spec.CIDRBlock)
		case a == gateways.V4 || a == gateways.V6:
			return fmt.Sprintf("%s is the gateway of subnet %s", a, s.Name)
		}
		if role := ipam.Unusable(prefixes.Of(a), a); role != "" {
			return fmt.Sprintf("%s is the %s of subnet %s", a, role, s.Name)
		}
	}
	return ""
}
