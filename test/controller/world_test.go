//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// soon is when everything that the controller does is done, on a busy machine.
const soon = time.Minute

var names atomic.Int32

// newNamespace makes a namespace that goes with the test.
func newNamespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("ns%d", names.Add(1))
	_, err := cluster.kubernetes.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.kubernetes.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return name
}

// newVpc makes a Vpc with one Subnet of the same name with "-subnet", for namespaces; both go with the test.
func newVpc(t *testing.T, cidr string, namespaces ...string) (vpc, subnet string) {
	t.Helper()
	vpc = fmt.Sprintf("vpc%d", names.Add(1))
	subnet = vpc + "-subnet"
	must(cluster.northbound.KubeovnV1().Vpcs().Create(t.Context(), &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: vpc}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		_ = cluster.northbound.KubeovnV1().Vpcs().Delete(context.Background(), vpc, metav1.DeleteOptions{})
	})
	newSubnet(t, subnet, v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr, Namespaces: namespaces})
	return vpc, subnet
}

func newSubnet(t *testing.T, name string, spec v1.SubnetSpec) {
	t.Helper()
	must(cluster.northbound.KubeovnV1().Subnets().Create(t.Context(), &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		_ = cluster.northbound.KubeovnV1().Subnets().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
}

// newPod makes a pod as a scheduler leaves it.
func newPod(t *testing.T, namespace, name string, labels, annotations map[string]string) *corev1.Pod {
	t.Helper()
	return must(cluster.kubernetes.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName: "n1", TerminationGracePeriodSeconds: new(int64(0)),
			Containers: []corev1.Container{{Name: "c", Image: "none", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}}},
		},
	}, metav1.CreateOptions{}))(t)
}

// report is what the kubelet says of a pod.
func report(t *testing.T, pod *corev1.Pod, phase corev1.PodPhase, ready bool, addresses ...string) {
	t.Helper()
	pod, err := cluster.kubernetes.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	condition := corev1.ConditionFalse
	if ready {
		condition = corev1.ConditionTrue
	}
	pod.Status = corev1.PodStatus{Phase: phase, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: condition}}}
	for _, a := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a})
	}
	if len(addresses) > 0 {
		pod.Status.PodIP = addresses[0]
	}
	must(cluster.kubernetes.CoreV1().Pods(pod.Namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}))(t)
}

// remove deletes a pod at once, as a kubelet does at the end.
func remove(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	err := cluster.kubernetes.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	if err != nil {
		t.Fatal(err)
	}
}

// plug makes the IP of a pod as the agent does, and returns its address.
func plug(t *testing.T, pod *corev1.Pod, subnet string, podType v1.PodType) string {
	t.Helper()
	answer := must(cluster.northbound.KubeovnV1().PodInterfaces().Create(t.Context(), &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{
		PodName: pod.Name, PodNamespace: pod.Namespace, PodUID: string(pod.UID), PodType: podType, NodeName: "n1",
		Interfaces: []v1.PodInterface{{Subnet: subnet}},
	}}, metav1.CreateOptions{}))(t)
	return answer.Status.Interfaces[0].Spec.IPAddress
}

// must is the answer to a request; the test fails when it was refused.
func must[T any](answer T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// released is nil when an IP is gone.
func released(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := cluster.northbound.KubeovnV1().IPs().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("IP %s is there (%v)", name, err)
	}
}

// mustStay fails the test when IPs are not there once the controller has released another one that it could only release
// after it had looked at them: a pod's that comes and goes afterwards.
func mustStay(t *testing.T, namespace, subnet string, ips ...string) {
	t.Helper()
	later := newPod(t, namespace, fmt.Sprintf("later%d", names.Add(1)), nil, nil)
	plug(t, later, subnet, "")
	remove(t, later)
	eventually(t, released(later.Name+"."+namespace))
	for _, ip := range ips {
		if _, err := cluster.northbound.KubeovnV1().IPs().Get(t.Context(), ip, metav1.GetOptions{}); err != nil {
			t.Errorf("IP %s: %v", ip, err)
		}
	}
}

func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if last := check(ctx); last == nil {
			return
		} else if ctx.Err() == nil {
			err = last
		}
		select {
		case <-cluster.controller.Exited():
			t.Fatalf("the controller has ended: %v\n%s", err, cluster.controller.Tail(15))
		case <-ctx.Done():
			t.Fatalf("not within %v: %v\nthe controller's log ends with:\n%s", soon, err, cluster.controller.Tail(15))
		case <-tick.C:
		}
	}
}

// vips is the column vips of a load balancer in the Northbound database.
func vips(t *testing.T, loadBalancer string) string {
	t.Helper()
	return strings.TrimSpace(ovntest.Nbctl(t, cluster.NB.NBAddress(), "--bare", "--columns=vips", "find", "load_balancer", "name="+loadBalancer))
}

// balanced waits for the content of a load balancer.
func balanced(t *testing.T, loadBalancer, want string) {
	t.Helper()
	eventually(t, func(context.Context) error {
		if got := vips(t, loadBalancer); got != want {
			return fmt.Errorf("%s has %q, want %q", loadBalancer, got, want)
		}
		return nil
	})
}
