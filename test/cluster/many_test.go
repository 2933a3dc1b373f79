//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestAHundredPodsAtOnceGetAHundredAddressesAndLeaveNothing(t *testing.T) {
	const many = 100
	before := leftovers(t)
	ns := namespace(t)
	begin := time.Now()
	for i := range many {
		start(t, ns, fmt.Sprintf("p%d", i), []string{node1, node2}[i%2], nil)
	}
	created := time.Since(begin)
	var pods *corev1.PodList
	deadline := time.Now().Add(5 * time.Minute)
	for {
		var err error
		if pods, err = kube.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range pods.Items {
			if isReady(&pods.Items[i]) {
				n++
			}
		}
		if n == many {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pods are ready", n, many)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("%d pods: created in %v, ready after %v", many, created.Round(10*time.Millisecond), time.Since(begin).Round(10*time.Millisecond))
	addressOf := map[string]string{}
	for _, p := range pods.Items {
		if other, ok := addressOf[p.Status.PodIP]; ok {
			t.Errorf("%s and %s have the address %s", p.Name, other, p.Status.PodIP)
		}
		addressOf[p.Status.PodIP] = p.Name
	}
	if ips, err := addresses(t.Context(), ns); err != nil || len(ips) != many {
		t.Errorf("there are %d IPs of the pods, want %d (%v)", len(ips), many, err)
	}
	removeNamespace(t, ns)
	t.Logf("and gone after %v", time.Since(begin).Round(10*time.Millisecond))
	nothingLeft(t, before)
}

// leftovers are what pods have outside of themselves: logical ports in the Northbound database, and ports and interfaces
// of the nodes.
func leftovers(t *testing.T) map[string]int {
	t.Helper()
	left, err := count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func count(ctx context.Context) (map[string]int, error) {
	found := map[string]int{}
	lines := func(what, text string) { found[what] = len(strings.Fields(text)) }
	text, err := inPod(ctx, system, "ovn-central-0/nb", "ovn-nbctl", "--format=csv", "--no-headings", "--columns=name", "list", "Logical_Switch_Port")
	if err != nil {
		return nil, err
	}
	lines("logical switch ports", text)
	pods, err := kube.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: labels.Set{"app.kubernetes.io/name": "ovn-node"}.String()})
	if err != nil {
		return nil, err
	}
	for _, p := range pods.Items {
		if text, err = inPod(ctx, system, p.Name+"/ovs-vswitchd", "ovs-vsctl", "list-ports", "br-int"); err != nil {
			return nil, err
		}
		lines("ports of "+p.Spec.NodeName, text)
		if text, err = inNode(ctx, p.Spec.NodeName, "sh", "-c", "ls /sys/class/net"); err != nil {
			return nil, err
		}
		lines("interfaces of "+p.Spec.NodeName, text)
	}
	return found, nil
}

// nothingLeft waits until there is no more than there was.
func nothingLeft(t *testing.T, before map[string]int) {
	t.Helper()
	eventually(t, "what is left", func(ctx context.Context) error {
		after, err := count(ctx)
		if err != nil {
			return err
		}
		var errs []error
		for what, n := range after {
			if n > before[what] {
				errs = append(errs, fmt.Errorf("%d %s, before %d", n, what, before[what]))
			}
		}
		return errors.Join(errs...)
	})
}
