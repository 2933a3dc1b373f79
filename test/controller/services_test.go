//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
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
