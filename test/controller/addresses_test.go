//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestTheAddressOfAPodThatIsGoneIsReleased(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.1.0/24", ns)
	lives, finishes, goes := newPod(t, ns, "lives", nil, nil), newPod(t, ns, "finishes", nil, nil), newPod(t, ns, "goes", nil, nil)
	first := plug(t, goes, subnet, "")
	plug(t, lives, subnet, "")
	plug(t, finishes, subnet, "")
	// A reservation of a user, for a pod that is still to come.
	must(cluster.northbound.KubeovnV1().IPs().Create(t.Context(), &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: "comes." + ns}, Spec: v1.IPSpec{Subnet: subnet, PodName: "comes", Namespace: ns},
	}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		_ = cluster.northbound.KubeovnV1().IPs().Delete(context.Background(), "comes."+ns, metav1.DeleteOptions{})
	})

	remove(t, goes)
	eventually(t, released("goes."+ns))
	again := newPod(t, ns, "goes", nil, nil)
	if got := plug(t, again, subnet, ""); got == "" {
		t.Errorf("a pod of the same name got no address after %s", first)
	}
	report(t, finishes, corev1.PodSucceeded, false)
	eventually(t, released("finishes."+ns))
	mustStay(t, ns, subnet, "lives."+ns, "goes."+ns, "comes."+ns)
	remove(t, lives)
	remove(t, again)
	eventually(t, released("lives."+ns))
	eventually(t, released("goes."+ns))
}

func TestTheAddressOfAStatefulSetsPodIsKeptAsLongAsTheSetWantsIt(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.2.0/24", ns)
	sets := cluster.kubernetes.AppsV1().StatefulSets(ns)
	labels := map[string]string{"app": "db"}
	must(sets.Create(t.Context(), &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{
		Replicas: new(int32(2)), ServiceName: "db", Selector: &metav1.LabelSelector{MatchLabels: labels}, PodManagementPolicy: appsv1.ParallelPodManagement,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(0)), Containers: []corev1.Container{{Name: "c", Image: "none"}}}},
	}}, metav1.CreateOptions{}))(t)
	pod := func(name string, not types.UID) (found *corev1.Pod) {
		t.Helper()
		eventually(t, func(ctx context.Context) (err error) {
			found, err = cluster.kubernetes.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err == nil && found.UID == not {
				return fmt.Errorf("pod %s is the former one", name)
			}
			return err
		})
		return found
	}
	first, second := pod("db-0", ""), pod("db-1", "")
	had := plug(t, first, subnet, v1.PodTypeStatefulSet)
	plug(t, second, subnet, v1.PodTypeStatefulSet)

	remove(t, first)
	next := pod("db-0", first.UID)
	mustStay(t, ns, subnet, "db-0."+ns, "db-1."+ns)
	if got := plug(t, next, subnet, v1.PodTypeStatefulSet); got != had {
		t.Errorf("the pod has %s after its death, %s before", got, had)
	}
	must(sets.Patch(t.Context(), "db", types.MergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{}))(t)
	eventually(t, released("db-1."+ns))
	mustStay(t, ns, subnet, "db-0."+ns)
	if err := sets.Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, released("db-0."+ns))
}

func TestTheAddressOfAVirtualMachineIsKeptUntilTheMachineIsDeleted(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.3.0/24", ns)
	machines := dynamic.NewForConfigOrDie(cluster.Admin).Resource(schema.GroupVersionResource{Group: "kubevirt.io", Version: "v1", Resource: "virtualmachines"}).Namespace(ns)
	must(machines.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": map[string]any{"name": "vm1"},
	}}, metav1.CreateOptions{}))(t)
	launcher := newPod(t, ns, "virt-launcher-vm1-abcde", nil, nil)
	must(cluster.northbound.KubeovnV1().PodInterfaces().Create(t.Context(), &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{
		PodName: "vm1", PodNamespace: ns, PodUID: string(launcher.UID), PodType: v1.PodTypeVirtualMachine, NodeName: "n1", Interfaces: []v1.PodInterface{{Subnet: subnet}},
	}}, metav1.CreateOptions{}))(t)
	remove(t, launcher) // the machine is stopped
	mustStay(t, ns, subnet, "vm1."+ns)
	if err := machines.Delete(t.Context(), "vm1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, released("vm1."+ns))
}

func TestTheInterfaceOfAPodCarriesTheVipsThatItNamesAndThatSelectIt(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.4.0/24", ns)
	vip := func(name string, selector ...string) {
		t.Helper()
		must(cluster.northbound.KubeovnV1().Vips().Create(t.Context(), &v1.Vip{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: subnet, Namespace: ns, Selector: selector},
		}, metav1.CreateOptions{}))(t)
		t.Cleanup(func() {
			_ = cluster.northbound.KubeovnV1().Vips().Delete(context.Background(), name, metav1.DeleteOptions{})
		})
	}
	vip("aap-a-"+ns, "app: a")
	vip("aap-b-"+ns, "app: b")
	pod := newPod(t, ns, "bearer", map[string]string{"app": "a"}, map[string]string{v1.AnnotationAAPs: "aap-a-" + ns + ",aap-b-" + ns + ", aap-c-" + ns})
	plug(t, pod, subnet, "")
	carries := func(want ...string) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			ip, err := cluster.northbound.KubeovnV1().IPs().Get(ctx, "bearer."+ns, metav1.GetOptions{})
			if err != nil || fmt.Sprint(ip.Spec.Vips) != fmt.Sprint(want) {
				return fmt.Errorf("carries %v, want %v (%v)", ip.Spec.Vips, want, err)
			}
			return nil
		})
	}
	carries("aap-a-" + ns)
	vip("aap-c-"+ns, "app: a") // after the pod
	carries("aap-a-"+ns, "aap-c-"+ns)
	must(cluster.kubernetes.CoreV1().Pods(ns).Patch(t.Context(), pod.Name, types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"b"}}}`), metav1.PatchOptions{}))(t)
	carries("aap-b-" + ns)
	// One that is being deleted stays with those who have it.
	if err := cluster.northbound.KubeovnV1().Vips().Delete(t.Context(), "aap-b-"+ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	carries("aap-b-" + ns)
	must(cluster.kubernetes.CoreV1().Pods(ns).Patch(t.Context(), pod.Name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"ovn.kubernetes.io/aaps":null}}}`), metav1.PatchOptions{}))(t)
	carries()
	remove(t, pod)
	eventually(t, released("bearer."+ns))
}
