//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func newService(t *testing.T, ns, name string, change func(*corev1.Service)) *corev1.Service {
	t.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": name},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}},
	}}
	if change != nil {
		change(service)
	}
	return must(cluster.kubernetes.CoreV1().Services(ns).Create(t.Context(), service, metav1.CreateOptions{}))(t)
}

func TestTheServiceOfTheAPIServerHasALoadBalancer(t *testing.T) {
	balanced(t, "slr-svc.default.kubernetes-tcp", "10.96.0.1:443=10.200.0.1:6443")
}

func TestAServiceIsALoadBalancerOfTheDefaultVpc(t *testing.T) {
	ns := newNamespace(t)
	service := newService(t, ns, "web", nil)
	tcp, vip := "slr-svc."+ns+".web-tcp", service.Spec.ClusterIP
	balanced(t, tcp, vip+":80=")

	labels := map[string]string{"app": "web"}
	first, second := newPod(t, ns, "web-1", labels, nil), newPod(t, ns, "web-2", labels, nil)
	a, b := plug(t, first, v1.DefaultSubnet, ""), plug(t, second, v1.DefaultSubnet, "")
	report(t, first, corev1.PodRunning, true, a)
	balanced(t, tcp, vip+":80="+a+":8080")
	report(t, second, corev1.PodRunning, true, b)
	balanced(t, tcp, vip+":80="+a+":8080,"+b+":8080")
	report(t, first, corev1.PodRunning, false, a)
	balanced(t, tcp, vip+":80="+b+":8080")

	// A further port of another protocol is a load balancer of its own.
	patch := `{"spec":{"sessionAffinity":"ClientIP","ports":[{"name":"http","port":8080,"targetPort":"web","protocol":"TCP"},{"name":"dns","port":53,"targetPort":5353,"protocol":"UDP"}]}}`
	must(cluster.kubernetes.CoreV1().Services(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	balanced(t, tcp, vip+":8080="+b+":8080")
	balanced(t, "slr-svc."+ns+".web-udp", vip+":53="+b+":5353")
	rule := must(cluster.northbound.KubeovnV1().SwitchLBRules().Get(t.Context(), "svc."+ns+".web", metav1.GetOptions{}))(t)
	if rule.Spec.SessionAffinity != "ClientIP" || rule.Annotations[v1.AnnotationVpc] != v1.DefaultVpc {
		t.Errorf("got affinity %q in vpc %q", rule.Spec.SessionAffinity, rule.Annotations[v1.AnnotationVpc])
	}

	remove(t, second)
	balanced(t, tcp, vip+":8080=")
	if err := cluster.kubernetes.CoreV1().Services(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		_, err := cluster.northbound.KubeovnV1().SwitchLBRules().Get(ctx, "svc."+ns+".web", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the rule is there (%v)", err)
	})
	balanced(t, tcp, "")
	remove(t, first)
}

func TestAServiceWithoutAnAddressHasNoLoadBalancer(t *testing.T) {
	ns := newNamespace(t)
	newService(t, ns, "headless", func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })
	newService(t, ns, "name", func(s *corev1.Service) {
		s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"}
	})
	later := newService(t, ns, "later", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort })
	balanced(t, "slr-svc."+ns+".later-tcp", later.Spec.ClusterIP+":80=")
	for _, name := range []string{"headless", "name"} {
		if _, err := cluster.northbound.KubeovnV1().SwitchLBRules().Get(t.Context(), "svc."+ns+"."+name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("Service %s has a rule (%v)", name, err)
		}
	}
	// One with an address may lose it by changing its type.
	must(cluster.kubernetes.CoreV1().Services(ns).Patch(t.Context(), "later", types.MergePatchType, []byte(`{"spec":{"type":"ExternalName","externalName":"example.org","clusterIP":null,"clusterIPs":null}}`), metav1.PatchOptions{}))(t)
	balanced(t, "slr-svc."+ns+".later-tcp", "")
}

func TestAServiceIsKnownOutsideByItsOtherAddresses(t *testing.T) {
	ns := newNamespace(t)
	services := cluster.kubernetes.CoreV1().Services(ns)
	service := newService(t, ns, "web", func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalIPs = corev1.ServiceTypeLoadBalancer, []string{"198.51.100.7"}
	})
	pod := newPod(t, ns, "web", map[string]string{"app": "web"}, nil)
	a := plug(t, pod, v1.DefaultSubnet, "")
	report(t, pod, corev1.PodRunning, true, a)
	atCluster, external, outside := "slr-svc."+ns+".web-tcp", "slr-svc."+ns+".web.198.51.100.7-tcp", "slr-svc."+ns+".web.198.51.100.8-tcp"
	balanced(t, atCluster, service.Spec.ClusterIP+":80="+a+":8080")
	balanced(t, external, "198.51.100.7:80="+a+":8080")

	service = must(services.Get(t.Context(), "web", metav1.GetOptions{}))(t)
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.8"}}
	must(services.UpdateStatus(t.Context(), service, metav1.UpdateOptions{}))(t)
	balanced(t, outside, "198.51.100.8:80="+a+":8080")

	// One that another Service has stays with that; the second is told, and has its cluster IP.
	second := newService(t, ns, "second", func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"198.51.100.7"} })
	balanced(t, "slr-svc."+ns+".second-tcp", second.Spec.ClusterIP+":80=")
	eventually(t, eventOn(ns, "second", "NoLoadBalancer", "198.51.100.7 port 80/TCP is in use by SwitchLBRule svc."+ns+".web.198.51.100.7"))

	must(services.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"externalIPs":null,"loadBalancerSourceRanges":["192.0.2.0/24"]}}`), metav1.PatchOptions{}))(t)
	balanced(t, outside, "")
	balanced(t, atCluster, service.Spec.ClusterIP+":80="+a+":8080")
	balanced(t, "slr-svc."+ns+".second.198.51.100.7-tcp", "198.51.100.7:80=") // which is free now
	remove(t, pod)
}

// eventOn is nil when there is an event of a reason on a Service whose note has a text.
func eventOn(ns, service, reason, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := cluster.kubernetes.EventsV1().Events(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.Name == service && e.Reason == reason && strings.Contains(e.Note, text) {
				return nil
			}
		}
		return fmt.Errorf("no event %s on Service %s says %q", reason, service, text)
	}
}

func TestAServiceWithoutASelectorHasTheBackEndsThatSomebodyWrote(t *testing.T) {
	ns := newNamespace(t)
	service := newService(t, ns, "manual", func(s *corev1.Service) {
		s.Spec.Selector = nil
		s.Spec.Ports = []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}, {Name: "signals", Port: 2905, Protocol: corev1.ProtocolSCTP},
		}
	})
	lb, vip := "slr-svc."+ns+".manual-", service.Spec.ClusterIP
	slice := func(name, address string, ready *bool, ports ...discoveryv1.EndpointPort) {
		t.Helper()
		must(cluster.kubernetes.DiscoveryV1().EndpointSlices(ns).Create(t.Context(), &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "manual"}},
			AddressType: discoveryv1.AddressTypeIPv4, Ports: ports,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ready}}},
		}, metav1.CreateOptions{}))(t)
	}
	port := func(name string, number int32, protocol corev1.Protocol) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol}
	}
	// The ports are those of the slices; a slice need not have all; without a condition, an endpoint is ready.
	slice("first", "192.0.2.50", nil, port("http", 9090, corev1.ProtocolTCP), port("dns", 5353, corev1.ProtocolUDP), port("signals", 2905, corev1.ProtocolSCTP))
	slice("second", "192.0.2.51", new(true), port("http", 9091, corev1.ProtocolTCP))
	slice("third", "192.0.2.52", new(false), port("http", 9092, corev1.ProtocolTCP))
	balanced(t, lb+"tcp", vip+":80=192.0.2.50:9090,192.0.2.51:9091")
	balanced(t, lb+"udp", vip+":53=192.0.2.50:5353")
	balanced(t, lb+"sctp", vip+":2905=192.0.2.50:2905")
	if err := cluster.kubernetes.DiscoveryV1().EndpointSlices(ns).Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	balanced(t, lb+"tcp", vip+":80=192.0.2.51:9091")
	balanced(t, lb+"udp", vip+":53=")
}

func TestAServiceMayPublishPodsThatAreNotReady(t *testing.T) {
	ns := newNamespace(t)
	service := newService(t, ns, "early", func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true })
	pod := newPod(t, ns, "early", map[string]string{"app": "early"}, nil)
	a := plug(t, pod, v1.DefaultSubnet, "")
	report(t, pod, corev1.PodRunning, false, a)
	balanced(t, "slr-svc."+ns+".early-tcp", service.Spec.ClusterIP+":80="+a+":8080")
	remove(t, pod)
}

func TestABackEndInAnotherVpcGetsNoTraffic(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.16.0.0/16", ns) // the prefix of the default Subnet: its addresses are others' in the default Vpc
	service := newService(t, ns, "web", nil)
	labels := map[string]string{"app": "web"}
	inside, outside := newPod(t, ns, "inside", labels, nil), newPod(t, ns, "outside", labels, nil)
	a, b := plug(t, inside, v1.DefaultSubnet, ""), plug(t, outside, subnet, "")
	report(t, outside, corev1.PodRunning, true, b)
	report(t, inside, corev1.PodRunning, true, a)
	balanced(t, "slr-svc."+ns+".web-tcp", service.Spec.ClusterIP+":80="+a+":8080")
	remove(t, inside)
	remove(t, outside)
}

func TestTheBackEndsOfARuleAreThePodsThatItSelects(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.5.0/24", ns)
	rule := &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{Name: "slr-" + ns, Annotations: map[string]string{"ovn.kubernetes.io/service_health_check": "false"}},
		Spec: v1.SwitchLBRuleSpec{Vip: "1.1.1.1", Namespace: ns, Selector: []string{"app:nginx"}, SessionAffinity: "ClientIP",
			Ports: []v1.SwitchLBRulePort{{Name: "dns", Port: 8888, TargetPort: 80, Protocol: "TCP"}}},
	}
	must(cluster.northbound.KubeovnV1().SwitchLBRules().Create(t.Context(), rule, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		_ = cluster.northbound.KubeovnV1().SwitchLBRules().Delete(context.Background(), rule.Name, metav1.DeleteOptions{})
	})
	lb := "slr-" + rule.Name + "-tcp"
	balanced(t, lb, "1.1.1.1:8888=")
	pod, other := newPod(t, ns, "nginx", map[string]string{"app": "nginx"}, nil), newPod(t, ns, "other", map[string]string{"app": "other"}, nil)
	a, b := plug(t, pod, subnet, ""), plug(t, other, subnet, "")
	report(t, other, corev1.PodRunning, true, b)
	report(t, pod, corev1.PodRunning, true, a)
	balanced(t, lb, "1.1.1.1:8888="+a+":80")
	must(cluster.kubernetes.CoreV1().Pods(ns).Patch(t.Context(), "other", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"nginx"}}}`), metav1.PatchOptions{}))(t)
	balanced(t, lb, "1.1.1.1:8888="+a+":80,"+b+":80")
	remove(t, pod)
	balanced(t, lb, "1.1.1.1:8888="+b+":80")
	remove(t, other)
	balanced(t, lb, "1.1.1.1:8888=")
}
