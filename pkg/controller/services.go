package controller

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// Labels of the SwitchLBRules of Services.
const (
	LabelServiceNamespace = v1.GroupName + "/service-namespace"
	LabelServiceName      = v1.GroupName + "/service-name"
)

// healthCheckAnnotation "false" leaves it to kubelets to know which back ends of a Service serve.
const healthCheckAnnotation = "ovn.kubernetes.io/service_health_check"

// services makes SwitchLBRules of the default Vpc for each Service with an address of the cluster: one for its cluster IPs, and one
// for each address at which it is known outside, so that trouble with one of these is no trouble of the cluster's. Their back ends
// are the business of the loop endpoints: a Service whose endpoints change costs a write of each rule's status.
type services struct {
	northbound versioned.Interface
	vpc        string
	recorder   events.EventRecorder

	services corelisters.ServiceLister
	rulesBy  cache.Indexer
	// refused are the Services with a rule that was refused, as for an address that another one has: they are tried again at once
	// when a rule goes or changes.
	refused sync.Map
}

func servicesLoop(c *Controller) (*loop, error) {
	informer, rules := c.core.Core().V1().Services(), c.northbound.Kubeovn().V1().SwitchLBRules()
	s := &services{
		northbound: c.clients.Northbound, vpc: c.settings.DefaultVpc, recorder: c.recorder,
		services: informer.Lister(), rulesBy: rules.Informer().GetIndexer(),
	}
	l := newLoop("services", s.sync)
	return l, firstError(
		rules.Informer().AddIndexers(cache.Indexers{byServed: index(func(r *v1.SwitchLBRule) []string {
			if service := servedBy(r); service != "" {
				return []string{service}
			}
			return nil
		})}),
		watch(informer.Informer(), func(old, service *corev1.Service) {
			if service == nil {
				service = old
			}
			l.add(service.Namespace + "/" + service.Name)
		}),
		watch(rules.Informer(), func(old, rule *v1.SwitchLBRule) {
			if old != nil && (rule == nil || !apiequality.Semantic.DeepEqual(old.Spec, rule.Spec)) {
				s.refused.Range(func(key, _ any) bool {
					l.add(key.(string))
					return true
				})
			}
			if rule == nil {
				rule = old
			}
			if service := servedBy(rule); service != "" {
				l.add(service)
			}
		}))
}

// byServed is the index of the rules that this loop has made, by "namespace/service".
const byServed = "served"

// servedBy is the Service for which the controller has made a rule, "" for anybody else's.
func servedBy(rule *v1.SwitchLBRule) string {
	if rule.Labels[LabelManagedBy] != Manager || rule.Labels[LabelServiceName] == "" {
		return ""
	}
	return rule.Labels[LabelServiceNamespace] + "/" + rule.Labels[LabelServiceName]
}

// RuleName is the name of the SwitchLBRule of a Service. Neither part can have a dot.
func RuleName(namespace, service string) string { return "svc." + namespace + "." + service }

// ExternalRuleName is the name of the SwitchLBRule of a Service at an address outside, as "svc.default.web.192.0.2.7"; those of
// IPv6 are written out, with dashes.
func ExternalRuleName(namespace, service string, a netip.Addr) string {
	return RuleName(namespace, service) + "." + strings.ReplaceAll(a.StringExpanded(), ":", "-")
}

func (s *services) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	service, err := s.services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	have := map[string]*v1.SwitchLBRule{}
	for _, rule := range byIndex[*v1.SwitchLBRule](s.rulesBy, byServed, key) {
		have[rule.Name] = rule
	}
	var errs []error
	refused := false
	for _, wanted := range rulesOf(service, s.vpc) { // of nil, too
		rule := have[wanted.Name]
		if rule != nil && rule.Annotations[v1.AnnotationVpc] != s.vpc {
			continue // It is to go first, and comes back here.
		}
		delete(have, wanted.Name)
		err := s.write(ctx, rule, wanted)
		if apierrors.IsInvalid(err) {
			refused = true
			s.recorder.Eventf(service, nil, corev1.EventTypeWarning, "NoLoadBalancer", "Balance", "%v", err)
		}
		errs = append(errs, err)
	}
	for _, rule := range have {
		errs = append(errs, s.remove(ctx, rule))
	}
	if refused {
		s.refused.Store(key, nil)
	} else {
		s.refused.Delete(key)
	}
	return errors.Join(errs...)
}

// write makes a rule as wanted; rule is what there is, nil when there is none. Somebody else's of the same name is left alone.
func (s *services) write(ctx context.Context, rule, wanted *v1.SwitchLBRule) error {
	rules := s.northbound.KubeovnV1().SwitchLBRules()
	if rule == nil {
		_, err := rules.Create(ctx, wanted, metav1.CreateOptions{FieldManager: Manager})
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache was behind: what it misses comes back here
		}
		return err
	}
	if rule.DeletionTimestamp != nil {
		return nil // it will be gone, and come back here
	}
	next := rule.DeepCopy()
	next.Spec = wanted.Spec
	for key, value := range wanted.Labels {
		metav1.SetMetaDataLabel(&next.ObjectMeta, key, value)
	}
	for key, value := range wanted.Annotations {
		metav1.SetMetaDataAnnotation(&next.ObjectMeta, key, value)
	}
	if apiequality.Semantic.DeepEqual(next.Spec, rule.Spec) && maps.Equal(next.Labels, rule.Labels) && maps.Equal(next.Annotations, rule.Annotations) {
		return nil
	}
	_, err := rules.Update(ctx, next, metav1.UpdateOptions{FieldManager: Manager})
	return err
}

func (s *services) remove(ctx context.Context, rule *v1.SwitchLBRule) error {
	if rule.DeletionTimestamp != nil {
		return nil
	}
	err := s.northbound.KubeovnV1().SwitchLBRules().Delete(ctx, rule.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(rule.UID))})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// rulesOf are the rules of a Service in a Vpc. Whatever reaches the address of one without back ends is rejected, as kube-proxy does.
func rulesOf(service *corev1.Service, vpc string) []*v1.SwitchLBRule {
	vips := kubeservice.ClusterIPs(service)
	if vips == (ipam.Addrs{}) {
		return nil
	}
	rules := []*v1.SwitchLBRule{ruleOf(service, vpc, RuleName(service.Namespace, service.Name), vips.String())}
	for _, a := range externalAddresses(service) {
		rules = append(rules, ruleOf(service, vpc, ExternalRuleName(service.Namespace, service.Name, a), a.String()))
	}
	return rules
}

func ruleOf(service *corev1.Service, vpc, name, vip string) *v1.SwitchLBRule {
	rule := &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Labels:      map[string]string{LabelManagedBy: Manager, LabelServiceNamespace: service.Namespace, LabelServiceName: service.Name},
			Annotations: map[string]string{v1.AnnotationVpc: vpc, healthCheckAnnotation: "false"},
		},
		Spec: v1.SwitchLBRuleSpec{
			Vip: vip, Namespace: service.Namespace, Service: service.Name,
			SessionAffinity: string(service.Spec.SessionAffinity),
		},
	}
	for _, p := range service.Spec.Ports {
		port := v1.SwitchLBRulePort{Name: p.Name, Port: p.Port, TargetPort: p.Port, Protocol: string(p.Protocol)}
		if p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal != 0 {
			port.TargetPort = p.TargetPort.IntVal
		}
		rule.Spec.Ports = append(rule.Spec.Ports, port)
	}
	return rule
}

// externalAddresses are the addresses of a Service outside. Those of a load balancer that admits only some sources are none: pods take
// the way over their nodes then, which know the sources.
func externalAddresses(service *corev1.Service) []netip.Addr {
	out := kubeservice.ExternalIPs(service)
	if len(service.Spec.LoadBalancerSourceRanges) > 0 {
		return out
	}
	for _, a := range kubeservice.LoadBalancerIPs(service) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
