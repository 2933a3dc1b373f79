//go:build cluster

package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestAPodHasTheAddressThatItAsksFor(t *testing.T) {
	t.Parallel()
	const address, mac = "10.17.3.77", "00:16:3e:11:22:33"
	s := subnet(t, v1.SubnetSpec{CIDRBlock: "10.17.3.0/24"})
	ns := namespace(t)
	if got := started(t, ns, "static", node1, in(s, v1.AnnotationIPAddress, address, v1.AnnotationMacAddress, mac)); got != address {
		t.Errorf("its address is %s, want %s", got, address)
	}
	if link, err := inPod(t.Context(), ns, "static", "ip", "link", "show", "eth0"); err != nil || !strings.Contains(link, mac) {
		t.Errorf("its MAC is not %s: %s, %v", mac, link, err)
	}
	started(t, ns, "other", node2, in(s))
	pings(t, ns, "other", address)
}

func TestAPodThatAsksForATakenAddressIsRefusedWhenItIsCreated(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	taken := started(t, ns, "first", node1, nil)
	p := template(node2, map[string]string{v1.AnnotationIPAddress: taken})
	pod := &corev1.Pod{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
	pod.Name = "second"
	_, err := kube.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("the answer is %v, want a refusal that names %s", err, taken)
	}
}

func TestAStatefulSetKeepsTheAddressOfItsPodOnAnotherNode(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	one := int32(1)
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &one, ServiceName: "db",
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: template(node1, nil),
		},
	}
	if _, err := kube.AppsV1().StatefulSets(ns).Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	before := ready(t, ns, "db-0")
	eventually(t, "move the StatefulSet", func(ctx context.Context) error {
		set, err := kube.AppsV1().StatefulSets(ns).Get(ctx, "db", metav1.GetOptions{})
		if err != nil {
			return err
		}
		set.Spec.Template = template(node2, nil)
		_, err = kube.AppsV1().StatefulSets(ns).Update(ctx, set, metav1.UpdateOptions{})
		return err
	})
	eventually(t, "the pod on the other node", func(ctx context.Context) error {
		pod, err := kube.CoreV1().Pods(ns).Get(ctx, "db-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.Spec.NodeName != node2 {
			return errors.New("is on " + pod.Spec.NodeName)
		}
		return nil
	})
	if after := ready(t, ns, "db-0"); after != before {
		t.Errorf("its address was %s and is %s", before, after)
	}
	started(t, ns, "client", node1, nil)
	answers(t, ns, "client", "http://"+before+":8080/", "db-0")
}

func TestAPodAnswersAtAVipThatItCarries(t *testing.T) {
	t.Parallel()
	s := subnet(t, v1.SubnetSpec{CIDRBlock: "10.17.4.0/24"})
	ns := namespace(t)
	vip, err := north.KubeovnV1().Vips().Create(t.Context(), &v1.Vip{
		ObjectMeta: metav1.ObjectMeta{Name: "test-" + rand.String(6)},
		Spec:       v1.VipSpec{Subnet: s, Namespace: ns, Selector: []string{"app: web"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := template(node1, in(s, v1.AnnotationAAPs, vip.Name))
	pod := &corev1.Pod{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
	pod.Name = "carrier"
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}
	// After the pod: what carries a Vip keeps it.
	t.Cleanup(func() {
		now := int64(0)
		_ = kube.CoreV1().Pods(ns).Delete(context.Background(), "carrier", metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err := retry(context.Background(), func(ctx context.Context) error {
			return north.KubeovnV1().Vips().Delete(ctx, vip.Name, metav1.DeleteOptions{})
		}); err != nil {
			t.Error(err)
		}
	})
	create(t, ns, pod)
	ready(t, ns, "carrier")
	started(t, ns, "client", node2, in(s))
	address := vip.Status.V4ip
	if address == "" {
		t.Fatalf("the Vip has no address: %+v", vip.Status)
	}
	if _, err := inPod(t.Context(), ns, "carrier", "ip", "address", "add", address+"/24", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	// It says that the address is here, as keepalived does.
	if _, err := inPod(t.Context(), ns, "carrier", "arping", "-c", "1", "-U", "-I", "eth0", address); err != nil {
		t.Log(err)
	}
	answers(t, ns, "client", "http://"+address+":8080/", "carrier")
}
