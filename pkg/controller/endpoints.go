package controller

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// Indexes of SwitchLBRules and of EndpointSlices.
const (
	bySelecting = "selecting" // rules with a selector, by the namespace of their back ends
	byNamespace = "finding"   // rules with a selector or a service, by the namespace of their back ends
	byService   = "service"   // rules and slices, by "namespace/service"
)

// endpoints finds the back ends of SwitchLBRules that have a selector or a service.
//
// Who serves is decided as kube-proxy does, for each port and family: see kubeservice.Chosen.
type endpoints struct {
	northbound versioned.Interface

	rules    listers.SwitchLBRuleLister
	subnets  listers.SubnetLister
	slicesBy cache.Indexer
	podsBy   cache.Indexer
	ipsBy    cache.Indexer

	// unchecked are the rules that were written because they have no address to check from, with what the server said.
	unchecked sync.Map
}

func endpointsLoop(c *Controller) (*loop, error) {
	kinds := c.northbound.Kubeovn().V1()
	rules, ips := kinds.SwitchLBRules(), kinds.IPs()
	pods, slicesInformer := c.core.Core().V1().Pods(), c.core.Discovery().V1().EndpointSlices()
	e := &endpoints{
		northbound: c.clients.Northbound, rules: rules.Lister(), subnets: kinds.Subnets().Lister(),
		slicesBy: slicesInformer.Informer().GetIndexer(), podsBy: pods.Informer().GetIndexer(), ipsBy: ips.Informer().GetIndexer(),
	}
	rulesBy := rules.Informer().GetIndexer()
	l := newLoop("endpoints", e.sync)
	if err := rules.Informer().AddIndexers(cache.Indexers{
		bySelecting: index(func(r *v1.SwitchLBRule) []string {
			if selects(r) {
				return []string{r.Spec.Namespace}
			}
			return nil
		}),
		byNamespace: index(func(r *v1.SwitchLBRule) []string {
			if len(r.Spec.Endpoints) > 0 {
				return nil
			}
			return []string{r.Spec.Namespace}
		}),
		byService: index(func(r *v1.SwitchLBRule) []string {
			if r.Spec.Service == "" {
				return nil
			}
			return []string{r.Spec.Namespace + "/" + r.Spec.Service}
		}),
	}); err != nil {
		return nil, err
	}
	if err := slicesInformer.Informer().AddIndexers(cache.Indexers{byService: index(func(s *discoveryv1.EndpointSlice) []string { return []string{kubeservice.ServiceOf(s)} })}); err != nil {
		return nil, err
	}
	add := func(index, key string, which func(*v1.SwitchLBRule) bool) {
		for _, r := range byIndex[*v1.SwitchLBRule](rulesBy, index, key) {
			if which == nil || which(r) {
				l.add(r.Name)
			}
		}
	}
	return l, firstError(
		watch(rules.Informer(), func(_, r *v1.SwitchLBRule) {
			if r != nil {
				l.add(r.Name)
			}
		}),
		watch(slicesInformer.Informer(), func(old, s *discoveryv1.EndpointSlice) {
			if old != nil && (s == nil || kubeservice.ServiceOf(old) != kubeservice.ServiceOf(s)) {
				add(byService, kubeservice.ServiceOf(old), nil)
			}
			if s != nil {
				add(byService, kubeservice.ServiceOf(s), nil)
			}
		}),
		watch(pods.Informer(), func(old, pod *corev1.Pod) {
			if old != nil && pod != nil && servesAlike(old, pod) {
				return
			}
			one := cmp.Or(pod, old)
			add(bySelecting, one.Namespace, func(r *v1.SwitchLBRule) bool {
				return pod != nil && matches(r.Spec.Selector, pod.Labels) || old != nil && matches(r.Spec.Selector, old.Labels)
			})
		}),
		watch(ips.Informer(), func(old, ip *v1.IP) {
			// Whether an address is one of the rule's Vpc.
			if old == nil && ip.Spec.PodUID != "" && e.vpcOf(ip) != c.settings.DefaultVpc {
				add(byNamespace, ip.Spec.Namespace, nil)
			}
		}))
}

// selects reports whether the back ends of a rule are found by its selector.
func selects(r *v1.SwitchLBRule) bool { return len(r.Spec.Endpoints) == 0 && len(r.Spec.Selector) > 0 }

// servesAlike reports whether a pod's change is none for any rule.
func servesAlike(old, pod *corev1.Pod) bool {
	return old.UID == pod.UID && ready(old) == ready(pod) && finished(old) == finished(pod) &&
		(old.DeletionTimestamp == nil) == (pod.DeletionTimestamp == nil) &&
		apiequality.Semantic.DeepEqual(old.Labels, pod.Labels) && slices.Equal(old.Status.PodIPs, pod.Status.PodIPs)
}

func (e *endpoints) sync(ctx context.Context, name string) error {
	rule, err := e.rules.Get(name)
	if apierrors.IsNotFound(err) || err == nil && rule.DeletionTimestamp != nil {
		e.unchecked.Delete(name)
		return nil
	}
	if err != nil {
		return err
	}
	var found []v1.SwitchLBRuleEndpoints
	switch {
	case len(rule.Spec.Endpoints) > 0:
		found = rule.Status.Endpoints
	case selects(rule):
		found = e.bySelector(rule)
	default:
		found = e.ofService(rule)
	}
	unchecked := e.isNewlyUnchecked(rule)
	if apiequality.Semantic.DeepEqual(found, rule.Status.Endpoints) && !unchecked {
		return nil
	}
	rule = rule.DeepCopy()
	rule.Status.Endpoints = found
	if unchecked {
		meta.RemoveStatusCondition(&rule.Status.Conditions, v1.ConditionHealthChecked) // the server plans the rule again, and says anew how it is
	}
	_, err = e.northbound.KubeovnV1().SwitchLBRules().UpdateStatus(ctx, rule, metav1.UpdateOptions{FieldManager: Manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// isNewlyUnchecked reports whether a rule has no address to check back ends from, and was not written because of that: its Subnet came
// after it, or had no address left. It is true once for each time that the server says so.
func (e *endpoints) isNewlyUnchecked(rule *v1.SwitchLBRule) bool {
	c := meta.FindStatusCondition(rule.Status.Conditions, v1.ConditionHealthChecked)
	if c == nil || c.Reason != v1.ReasonNoSource {
		e.unchecked.Delete(rule.Name)
		return false
	}
	said := string(rule.UID) + c.Message
	before, _ := e.unchecked.Swap(rule.Name, said)
	return before != said
}

// bySelector finds the pods of a rule with a selector.
func (e *endpoints) bySelector(rule *v1.SwitchLBRule) []v1.SwitchLBRuleEndpoints {
	var pods []*corev1.Pod
	for _, pod := range byIndex[*corev1.Pod](e.podsBy, cache.NamespaceIndex, rule.Spec.Namespace) {
		if matches(rule.Spec.Selector, pod.Labels) && !finished(pod) {
			pods = append(pods, pod)
		}
	}
	return perPort(rule, func(port v1.SwitchLBRulePort) []kubeservice.BackEnd {
		var out []kubeservice.BackEnd
		for _, pod := range pods {
			for _, ip := range pod.Status.PodIPs {
				a, err := netip.ParseAddr(ip.IP)
				if err == nil && e.reachable(rule, pod.UID, a) {
					out = append(out, kubeservice.BackEnd{
						AddrPort: netip.AddrPortFrom(a, uint16(cmp.Or(port.TargetPort, port.Port))),
						Ready:    ready(pod) && pod.DeletionTimestamp == nil, Serving: ready(pod), Pod: pod.UID,
					})
				}
			}
		}
		return out
	})
}

// ofService reads the EndpointSlices of the Service of a rule.
func (e *endpoints) ofService(rule *v1.SwitchLBRule) []v1.SwitchLBRuleEndpoints {
	all := byIndex[*discoveryv1.EndpointSlice](e.slicesBy, byService, rule.Spec.Namespace+"/"+rule.Spec.Service)
	return perPort(rule, func(port v1.SwitchLBRulePort) []kubeservice.BackEnd {
		var out []kubeservice.BackEnd
		for _, s := range all {
			for _, b := range kubeservice.BackEnds(s, port.Name, corev1.Protocol(cmp.Or(port.Protocol, "TCP"))) {
				if e.reachable(rule, b.Pod, b.Addr()) {
					out = append(out, b)
				}
			}
		}
		return out
	})
}

// reachable is false for the address of a pod in another Vpc: in the rule's, it may be somebody else's.
func (e *endpoints) reachable(rule *v1.SwitchLBRule, pod types.UID, a netip.Addr) bool {
	if pod == "" {
		return true
	}
	for _, ip := range byIndex[*v1.IP](e.ipsBy, byUID, string(pod)) {
		if addrs, err := ipam.ParseAddrs(ip.Spec.Addresses()); err == nil && addrs.Has(a) {
			return e.vpcOf(ip) == rule.Status.Vpc
		}
	}
	return true // of the node, or of another network
}

func (e *endpoints) vpcOf(ip *v1.IP) string {
	subnet, err := e.subnets.Get(ip.Spec.Subnet)
	if err != nil {
		return ""
	}
	return subnet.Spec.Vpc
}

// perPort collects the back ends of a rule's ports that serve. A port without any is left out.
func perPort(rule *v1.SwitchLBRule, find func(v1.SwitchLBRulePort) []kubeservice.BackEnd) []v1.SwitchLBRuleEndpoints {
	vips, err := ipam.ParseAddrs(rule.Spec.Vip)
	if err != nil {
		return nil
	}
	var out []v1.SwitchLBRuleEndpoints
	for _, port := range rule.Spec.Ports {
		all := find(port)
		var chosen []netip.AddrPort
		all = slices.DeleteFunc(all, func(b kubeservice.BackEnd) bool { return ipam.Unreachable(b.Addr()) != "" || vips.Has(b.Addr()) }) // the server refuses them
		for _, vip := range vips.All() {
			chosen = append(chosen, kubeservice.Chosen(all, vip.Is4())...)
		}
		if len(chosen) == 0 {
			continue
		}
		texts := make([]string, len(chosen))
		for i, b := range chosen {
			texts[i] = b.String()
		}
		out = append(out, v1.SwitchLBRuleEndpoints{Name: port.Name, Backends: texts})
	}
	return out
}
