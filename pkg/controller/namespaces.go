package controller

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// namespaces keeps the annotations of namespaces that say from which Subnets their pods get addresses: the Subnets that name
// the namespace; else the default Subnet of the Vpc that lists it; else, if nothing names the namespace, the default Subnet of the
// cluster. Where a user wrote the annotation of the Subnets, that stands, and the other two follow it.
type namespaces struct {
	kubernetes    kubernetes.Interface
	defaultSubnet string

	namespaces corelisters.NamespaceLister
	subnets    listers.SubnetLister
	vpcs       listers.VpcLister
}

func namespacesLoop(c *Controller) (*loop, error) {
	informer := c.core.Core().V1().Namespaces()
	subnets, vpcs := c.northbound.Kubeovn().V1().Subnets(), c.northbound.Kubeovn().V1().Vpcs()
	n := &namespaces{
		kubernetes: c.clients.Kubernetes, defaultSubnet: c.settings.DefaultSubnet,
		namespaces: informer.Lister(), subnets: subnets.Lister(), vpcs: vpcs.Lister(),
	}
	l := newLoop("namespaces", n.sync)
	all := func() {
		for _, ns := range informer.Informer().GetStore().ListKeys() {
			l.add(ns)
		}
	}
	return l, firstError(
		watch(informer.Informer(), func(_, ns *corev1.Namespace) {
			if ns != nil {
				l.add(ns.Name)
			}
		}),
		watch(subnets.Informer(), func(old, s *v1.Subnet) {
			if old == nil || s == nil || !apiequality.Semantic.DeepEqual(old.Spec, s.Spec) || (old.DeletionTimestamp == nil) != (s.DeletionTimestamp == nil) {
				all()
			}
		}),
		watch(vpcs.Informer(), func(old, vpc *v1.Vpc) {
			if old == nil || vpc == nil || old.Spec.DefaultSubnet != vpc.Spec.DefaultSubnet || !slices.Equal(old.Spec.Namespaces, vpc.Spec.Namespaces) {
				all()
			}
		}))
}

func (n *namespaces) sync(ctx context.Context, name string) error {
	ns, err := n.namespaces.Get(name)
	if apierrors.IsNotFound(err) || err == nil && ns.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return err
	}
	subnets, err := n.subnets.List(labels.Everything())
	if err != nil {
		return err
	}
	vpcs, err := n.vpcs.List(labels.Everything())
	if err != nil {
		return err
	}
	wanted := annotationsOf(ns, subnets, vpcs, n.defaultSubnet)
	same := true
	for _, key := range [...]string{v1.AnnotationLogicalSwitch, v1.AnnotationCIDR, v1.AnnotationExcludeIPs} {
		value, want := wanted[key]
		got, have := ns.Annotations[key]
		same = same && (want && have && got == value || !want && (!have || !owns(ns, "f:"+key)))
	}
	if same {
		return nil
	}
	patch := applycorev1.Namespace(ns.Name).WithUID(ns.UID).WithAnnotations(wanted)
	_, err = n.kubernetes.CoreV1().Namespaces().Apply(ctx, patch, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// annotationsOf are the annotations that the controller writes to a namespace, with Kube-OVN's separators: Subnets by commas;
// prefixes, and lists of excluded addresses, by semicolons.
func annotationsOf(ns *corev1.Namespace, subnets []*v1.Subnet, vpcs []*v1.Vpc, defaultSubnet string) map[string]string {
	out := map[string]string{}
	names := splitList(ns.Annotations[v1.AnnotationLogicalSwitch])
	if len(names) == 0 || !setByOthers(ns, "f:"+v1.AnnotationLogicalSwitch) {
		if names = subnetsOf(ns, subnets, vpcs, defaultSubnet); len(names) == 0 {
			return out
		}
		out[v1.AnnotationLogicalSwitch] = strings.Join(names, ",")
	}
	var prefixes, excluded []string
	for _, name := range names {
		if i := slices.IndexFunc(subnets, func(s *v1.Subnet) bool { return s.Name == name }); i >= 0 {
			prefixes = append(prefixes, subnets[i].Spec.CIDRBlock)
			excluded = append(excluded, strings.Join(excludedOf(subnets[i]), ","))
		}
	}
	out[v1.AnnotationCIDR], out[v1.AnnotationExcludeIPs] = strings.Join(prefixes, ";"), strings.Join(excluded, ";")
	return out
}

// subnetsOf are the Subnets, by name, from which a namespace's pods get their addresses. Subnets that are being deleted are named only
// when nothing else is there for a namespace: its pods are refused, and do not get addresses in the default Vpc instead. A namespace that a
// Vpc names without a Subnet for it has none.
func subnetsOf(ns *corev1.Namespace, subnets []*v1.Subnet, vpcs []*v1.Vpc, defaultSubnet string) []string {
	var names, ending []string
	for _, s := range subnets {
		switch {
		case !plugged(s) || !podnet.Binds(s, ns.Name, ns.Labels):
		case s.DeletionTimestamp != nil:
			ending = append(ending, s.Name)
		default:
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(ending)
	if len(names) > 0 {
		return names
	}
	var owner *v1.Vpc
	named := false
	for _, vpc := range vpcs {
		if !slices.Contains(vpc.Spec.Namespaces, ns.Name) {
			continue
		}
		named = named || !slices.ContainsFunc(subnets, func(s *v1.Subnet) bool { return s.Name == defaultSubnet && s.Spec.Vpc == vpc.Name })
		if vpc.Spec.DefaultSubnet != "" && (owner == nil || vpc.Name < owner.Name) {
			owner = vpc
		}
	}
	switch {
	case owner != nil:
		return []string{owner.Spec.DefaultSubnet}
	case named || len(ending) > 0:
		return ending
	}
	return []string{defaultSubnet}
}

// plugged reports whether pods may have their first interface in a Subnet: its addresses are not those of another plugin.
func plugged(s *v1.Subnet) bool {
	return s.Spec.Provider == "" || s.Spec.Provider == v1.DefaultProvider || strings.HasSuffix(s.Spec.Provider, "."+v1.DefaultProvider)
}

// excludedOf are the addresses of a Subnet that are never given out unasked: those of the user, and the gateways, which need not be among them.
func excludedOf(s *v1.Subnet) []string {
	out := slices.Clone(s.Spec.ExcludeIps)
	gateways, _ := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway) // what is stored has been validated
	for _, gateway := range gateways.All() {
		if !slices.Contains(out, gateway.String()) {
			out = append(out, gateway.String())
		}
	}
	return out
}
