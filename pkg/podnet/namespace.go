package podnet

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Binds reports whether a Subnet is bound to a namespace: it names the namespace, or one of its selectors matches the labels.
// A selector that is empty or cannot be read matches nothing.
func Binds(s *v1.Subnet, namespace string, set map[string]string) bool {
	return slices.Contains(s.Spec.Namespaces, namespace) || slices.ContainsFunc(s.Spec.NamespaceSelectors, func(selector metav1.LabelSelector) bool {
		m, err := metav1.LabelSelectorAsSelector(&selector)
		return err == nil && !m.Empty() && m.Matches(labels.Set(set))
	})
}

// candidates are the Subnets from which an interface of a pod may be when neither the pod nor a Vip names one.
//
// A namespace that a Subnet, a Vpc or its own annotation names gets addresses from there or none: who put it into a network of
// its own must not find its pods in the cluster's. So the default Subnet of the cluster is a candidate only when nothing names the
// namespace, and what is named but cannot be used (it is being deleted, is gone, ...) is the reason for the refusal.
type candidates struct {
	objects  Objects
	pod      *Pod
	provider string

	usable   []*v1.Subnet
	unusable []string // why each of the others cannot be used
}

// ofNamespace finds the Subnets of the first interface.
func (c *candidates) ofNamespace() {
	var bound []*v1.Subnet
	var byDefault *v1.Subnet
	for s := range c.objects.Subnets() {
		if s.Spec.Provider == v1.DefaultProvider && c.binds(s) {
			bound = append(bound, s)
		}
		if s.Spec.Default || byDefault == nil && s.Name == v1.DefaultSubnet {
			byDefault = s
		}
	}
	var owners []*v1.Vpc
	for vpc := range c.objects.Vpcs() {
		if slices.Contains(vpc.Spec.Namespaces, c.pod.Namespace) {
			owners = append(owners, vpc)
		}
	}
	// The controller writes the default Subnet of the cluster to namespaces that nothing names, and may not have seen yet that
	// something does.
	ownDefault := byDefault != nil && (c.binds(byDefault) || len(bound) == 0 && len(owners) == 0 ||
		slices.ContainsFunc(owners, func(vpc *v1.Vpc) bool { return vpc.Name == byDefault.Spec.Vpc }))
	for _, name := range list(c.pod.NamespaceAnnotations[v1.AnnotationLogicalSwitch]) {
		if s, ok := c.objects.Subnet(name); !ok {
			c.unusable = append(c.unusable, fmt.Sprintf("subnet %s does not exist", name))
		} else if s != byDefault || ownDefault {
			c.add(s)
		}
	}
	for _, s := range bound {
		c.add(s)
	}
	if len(c.usable) > 0 {
		return
	}
	for _, vpc := range owners {
		c.ofVpc(vpc, byDefault)
	}
	if len(c.usable) == 0 && len(c.unusable) == 0 && byDefault != nil {
		c.add(byDefault)
	}
}

// ofVpc adds the default Subnet of a Vpc that names the namespace.
func (c *candidates) ofVpc(vpc *v1.Vpc, byDefault *v1.Subnet) {
	name := vpc.Spec.DefaultSubnet
	if name == "" && byDefault != nil && byDefault.Spec.Vpc == vpc.Name {
		name = byDefault.Name
	}
	if name == "" {
		c.unusable = append(c.unusable, fmt.Sprintf("vpc %s names the namespace, but has no defaultSubnet and none of its Subnets names the namespace", vpc.Name))
		return
	}
	switch s, ok := c.objects.Subnet(name); {
	case !ok:
		c.unusable = append(c.unusable, fmt.Sprintf("subnet %s, the defaultSubnet of vpc %s, does not exist", name, vpc.Name))
	case s.Spec.Vpc != vpc.Name:
		c.unusable = append(c.unusable, fmt.Sprintf("subnet %s, the defaultSubnet of vpc %s, is in vpc %s", name, vpc.Name, s.Spec.Vpc))
	default:
		c.add(s)
	}
}

// ofProvider finds the Subnets of a further interface: those of the provider that are bound to the namespace; when none is, all of the
// provider.
func (c *candidates) ofProvider() {
	var bound, others []*v1.Subnet
	for s := range c.objects.Subnets() {
		switch {
		case s.Spec.Provider != c.provider:
		case c.binds(s):
			bound = append(bound, s)
		default:
			others = append(others, s)
		}
	}
	if len(bound) == 0 {
		bound = others
	}
	for _, s := range bound {
		c.add(s)
	}
}

func (c *candidates) binds(s *v1.Subnet) bool {
	return Binds(s, c.pod.Namespace, c.pod.NamespaceLabels)
}

// add takes a Subnet, or notes why not.
func (c *candidates) add(s *v1.Subnet) {
	if slices.Contains(c.usable, s) {
		return
	}
	reason := ""
	if vpc, refused := refusing(c.objects, s, c.pod.Namespace); refused {
		reason = fmt.Sprintf("namespace '%s' is out of range to custom vpc '%s' of subnet %s", c.pod.Namespace, vpc, s.Name)
	}
	if c.provider == v1.DefaultProvider && !inOVN(s) {
		reason = fmt.Sprintf("subnet %s is of provider %s, which plugs no pod's first interface", s.Name, s.Spec.Provider)
	}
	if s.DeletionTimestamp != nil {
		reason = fmt.Sprintf("subnet %s is being deleted", s.Name)
	}
	switch {
	case reason == "":
		c.usable = append(c.usable, s)
	case !slices.Contains(c.unusable, reason):
		c.unusable = append(c.unusable, reason)
	}
}
