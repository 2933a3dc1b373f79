package controller

import (
	"context"
	"maps"

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
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// Labels of the SwitchLBRules of Services.
const (
	LabelServiceNamespace = v1.GroupName + "/service-namespace"
	LabelServiceName      = v1.GroupName + "/service-name"
)

// labelServiceProxyName is on Services that another proxy serves; kube-proxy leaves them alone, too.
const labelServiceProxyName = "service.kubernetes.io/service-proxy-name"

// healthCheckAnnotation "false" leaves it to kubelets to know which back ends of a Service serve.
const healthCheckAnnotation = "ovn.kubernetes.io/service_health_check"

// services makes a SwitchLBRule of the default Vpc for each Service with an address of the cluster. Its back ends are the
// business of the loop endpoints: a Service whose endpoints change costs one write of the rule's status.
type services struct {
	northbound versioned.Interface
	vpc        string
	recorder   events.EventRecorder

	services corelisters.ServiceLister
	rules    listers.SwitchLBRuleLister
}

func servicesLoop(c *Controller) (*loop, error) {
	informer, rules := c.core.Core().V1().Services(), c.northbound.Kubeovn().V1().SwitchLBRules()
	s := &services{
		northbound: c.clients.Northbound, vpc: c.settings.DefaultVpc, recorder: c.recorder,
		services: informer.Lister(), rules: rules.Lister(),
	}
	l := newLoop("services", s.sync)
	return l, firstError(
		watch(informer.Informer(), func(old, service *corev1.Service) {
			if service == nil {
				service = old
			}
			l.add(service.Namespace + "/" + service.Name)
		}),
		watch(rules.Informer(), func(old, rule *v1.SwitchLBRule) {
			if rule == nil {
				rule = old
			}
			if rule.Labels[LabelManagedBy] == Manager && rule.Labels[LabelServiceName] != "" {
				l.add(rule.Labels[LabelServiceNamespace] + "/" + rule.Labels[LabelServiceName])
			}
		}))
}

// RuleName is the name of the SwitchLBRule of a Service. Neither part can have a dot.
func RuleName(namespace, service string) string { return "svc." + namespace + "." + service }

func (s *services) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	rules := s.northbound.KubeovnV1().SwitchLBRules()
	rule, err := s.rules.Get(RuleName(namespace, name))
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	service, err := s.services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	wanted := ruleOf(service, s.vpc) // of nil, too
	switch {
	case rule == nil && wanted == nil:
		return nil
	case rule == nil:
		_, err = rules.Create(ctx, wanted, metav1.CreateOptions{FieldManager: Manager})
		if apierrors.IsInvalid(err) {
			s.recorder.Eventf(service, nil, corev1.EventTypeWarning, "NoLoadBalancer", "Balance", "%v", err)
		}
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache was behind: what it misses comes back here
		}
		return err
	case rule.Labels[LabelManagedBy] != Manager || rule.DeletionTimestamp != nil:
		return nil // somebody else's, of this name; or it will be gone, and come back here
	case wanted == nil || rule.Annotations[v1.AnnotationVpc] != s.vpc:
		err = rules.Delete(ctx, rule.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(rule.UID))})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
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
	_, err = rules.Update(ctx, next, metav1.UpdateOptions{FieldManager: Manager})
	if apierrors.IsInvalid(err) {
		s.recorder.Eventf(service, nil, corev1.EventTypeWarning, "NoLoadBalancer", "Balance", "%v", err)
	}
	return err
}

// ruleOf is the rule of a Service in a Vpc, nil when it has none: without a cluster IP (headless, ExternalName), or served by
// another proxy. Whatever reaches the address of a Service without back ends is rejected, as kube-proxy does.
func ruleOf(service *corev1.Service, vpc string) *v1.SwitchLBRule {
	if service == nil || service.Spec.Type == corev1.ServiceTypeExternalName || service.Labels[labelServiceProxyName] != "" {
		return nil
	}
	vips := clusterIPs(service)
	if vips == (ipam.Addrs{}) || len(service.Spec.Ports) == 0 {
		return nil
	}
	rule := &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{
			Name:        RuleName(service.Namespace, service.Name),
			Labels:      map[string]string{LabelManagedBy: Manager, LabelServiceNamespace: service.Namespace, LabelServiceName: service.Name},
			Annotations: map[string]string{v1.AnnotationVpc: vpc, healthCheckAnnotation: "false"},
		},
		Spec: v1.SwitchLBRuleSpec{
			Vip: vips.String(), Namespace: service.Namespace, Service: service.Name,
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

// clusterIPs are the addresses of a Service, none when it is headless.
func clusterIPs(service *corev1.Service) ipam.Addrs {
	var addrs ipam.Addrs
	for _, text := range service.Spec.ClusterIPs {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			return ipam.Addrs{} // "None"
		}
		if a.Is4() {
			addrs.V4 = a
		} else {
			addrs.V6 = a
		}
	}
	return addrs
}
