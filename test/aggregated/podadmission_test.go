//go:build aggregated

package aggregated

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// podAdmission is the manifest with the address of the server here and the authority of its certificate, as the APIService has it.
func podAdmission(t *testing.T) string {
	t.Helper()
	manifest, err := os.ReadFile("../../artifacts/aggregated/pod-admission.yaml")
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cluster.Admin)
	if err != nil {
		t.Fatal(err)
	}
	service, err := client.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}).
		Get(t.Context(), "v1.kubeovn.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ca, _, err := unstructured.NestedString(service.Object, "spec", "caBundle")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, document := range bytes.Split(manifest, []byte("\n---\n")) {
		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatal(err)
		}
		if object["kind"] == "ValidatingWebhookConfiguration" {
			webhook := object["webhooks"].([]any)[0].(map[string]any)
			config := webhook["clientConfig"].(map[string]any)
			config["caBundle"] = ca
			target := config["service"].(map[string]any)
			target["name"], target["namespace"], target["port"] = controlplane.Northbound.Name, controlplane.Northbound.Name, controlplane.Northbound.Port
			webhook["failurePolicy"] = "Fail" // what does not work shall be seen
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return strings.Join(out, "\n---\n")
}

func TestAPodThatAsksForATakenAddressIsRefusedWhenItIsApplied(t *testing.T) {
	const network = `
{apiVersion: kubeovn.io/v1, kind: Chassis, metadata: {name: admission-node}, spec: {chassisID: admission-node, encapIPs: [192.0.2.9], nodeIPs: [192.0.2.9]}}
---
{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: node-admission-node}, spec: {subnet: join, nodeName: admission-node}}
---
{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: holder.default}, spec: {podName: holder, namespace: default, subnet: ovn-default, nodeName: admission-node, ipAddress: 10.16.77.7}}
`
	t.Cleanup(func() { remove(t, network) })
	must(t, network, "apply", "-f", "-")
	contains(t, "the node's port", must(t, "", "get", "ip", "node-admission-node"), "100.64.", "admission-node", "join")
	contains(t, "the node", must(t, "", "get", "chassis", "admission-node", "-o", "wide"), "192.0.2.9")

	webhook := podAdmission(t)
	t.Cleanup(func() { remove(t, webhook) })
	must(t, webhook, "apply", "-f", "-")
	pod := func(name, address string) string {
		return `{apiVersion: v1, kind: Pod, metadata: {name: ` + name + `, namespace: default, annotations: {ovn.kubernetes.io/ip_address: ` + address + `}},
spec: {automountServiceAccountToken: false, containers: [{name: c, image: none}]}}`
	}
	// The kube-apiserver learns of the webhook a moment later, and of the right to ask.
	deadline := time.Now().Add(time.Minute)
	for {
		_, out, err := kubectl(t, pod("a", "10.16.77.7"), "create", "--dry-run=server", "-f", "-")
		if err != nil && strings.Contains(out, "10.16.77.7 is in use by IP holder.default") {
			contains(t, "the refusal", out, `The Pod "a" is invalid`, "ovn.kubernetes.io/ip_address")
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pod was not refused: %v\n%s", err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, right := range []string{pod("a", "10.16.77.8"), pod("holder", "10.16.77.7")} {
		must(t, right, "create", "--dry-run=server", "-f", "-")
	}
	// A name that nobody knows is warned about, also where the pod asks for nothing else.
	typo := strings.Replace(pod("b", "10.16.77.8"), "ip_address", "ip_adress", 1)
	_, out, err := kubectl(t, typo, "create", "--dry-run=server", "-f", "-")
	if err != nil {
		t.Errorf("a pod with an unknown annotation is refused: %v\n%s", err, out)
	}
	contains(t, "the warning", out, "ovn.kubernetes.io/ip_adress", "is ovn.kubernetes.io/ip_address meant?")
}

// The rollout of a Deployment whose pods ask for one address: each new pod is created, with a warning, while the one before has the address.
// Pods of others are refused.
func TestThePodOfARolloutIsAdmittedWhileThePodBeforeHasItsAddress(t *testing.T) {
	webhook := podAdmission(t)
	t.Cleanup(func() { remove(t, webhook) })
	must(t, webhook, "apply", "-f", "-")
	deployment := func(version string) string {
		return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: rolled, namespace: default}, spec: {replicas: 1, selector: {matchLabels: {app: rolled}},
strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}},
template: {metadata: {labels: {app: rolled, version: ` + version + `}, annotations: {ovn.kubernetes.io/ip_pool: 10.16.77.17}},
spec: {automountServiceAccountToken: false, containers: [{name: c, image: none}]}}}}`
	}
	t.Cleanup(func() { remove(t, deployment("v1")) })
	must(t, deployment("v1"), "apply", "-f", "-")
	first := podOfVersion(t, "v1")
	ip := `{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: ` + first.GetName() + `.default}, spec: {podName: ` + first.GetName() +
		`, namespace: default, podUID: ` + string(first.GetUID()) + `, subnet: ovn-default, ipAddress: 10.16.77.17}}`
	t.Cleanup(func() { remove(t, ip) })
	must(t, ip, "apply", "-f", "-")

	other := `{apiVersion: v1, kind: Pod, metadata: {name: other, namespace: default, annotations: {ovn.kubernetes.io/ip_address: 10.16.77.17}},
spec: {automountServiceAccountToken: false, containers: [{name: c, image: none}]}}`
	eventually(t, time.Minute, func(context.Context) error {
		if _, out, err := kubectl(t, other, "create", "--dry-run=server", "-f", "-"); err == nil || !strings.Contains(out, "10.16.77.17 is in use by IP "+first.GetName()) {
			return fmt.Errorf("the pod of nobody was not refused: %v\n%s", err, out)
		}
		return nil
	})
	must(t, deployment("v2"), "apply", "-f", "-")
	podOfVersion(t, "v2")

	must(t, "", "-n", "default", "patch", "pod", first.GetName(), "--type=merge", "-p", `{"metadata":{"finalizers":["northbound.test/keep"]}}`)
	defer must(t, "", "-n", "default", "patch", "pod", first.GetName(), "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	must(t, "", "-n", "default", "delete", "pod", first.GetName(), "--wait=false", "--grace-period=30")
	_, out, err := kubectl(t, other, "create", "--dry-run=server", "-f", "-")
	if err != nil {
		t.Fatalf("the holder is being deleted: %v\n%s", err, out)
	}
	contains(t, "the warning", out, "Warning:", "10.16.77.17 is in use by IP "+first.GetName(), "waits until it is released")
}

// podOfVersion waits for the pod with a label of a version.
func podOfVersion(t *testing.T, version string) *unstructured.Unstructured {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Admin)
	if err != nil {
		t.Fatal(err)
	}
	var pod *unstructured.Unstructured
	eventually(t, time.Minute, func(ctx context.Context) error {
		pods, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace("default").
			List(ctx, metav1.ListOptions{LabelSelector: "app=rolled,version=" + version})
		if err != nil {
			return err
		}
		if len(pods.Items) == 0 {
			return fmt.Errorf("no pod of %s", version)
		}
		pod = &pods.Items[0]
		return nil
	})
	return pod
}
