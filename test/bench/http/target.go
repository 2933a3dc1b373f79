package main

import (
	"context"
	"fmt"
	"net"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// target is a server under load.
type target struct {
	name   string
	config *rest.Config
	group  schema.GroupVersion
	// complete is set where the client, not the server, decides on addresses.
	complete bool
	// processes are the ids of all that works for the target.
	processes func() []int
	// created counts the objects of each resource so far.
	created map[string]int
}

// clients returns independent clients, each with a connection of its own as separate programs have.
func (t *target) clients(count int) ([]dynamic.Interface, error) {
	clients := make([]dynamic.Interface, count)
	for i := range clients {
		c := rest.CopyConfig(t.config)
		c.QPS = -1
		// A dialer of its own keeps client-go from sharing one connection between all clients.
		c.Dial = (&net.Dialer{}).DialContext
		client, err := dynamic.NewForConfig(c)
		if err != nil {
			return nil, err
		}
		clients[i] = client
	}
	return clients, nil
}

func (t *target) resource(name string) schema.GroupVersionResource { return t.group.WithResource(name) }

func (t *target) create(ctx context.Context, c dynamic.Interface, resource string, o *unstructured.Unstructured) error {
	_, err := c.Resource(t.resource(resource)).Create(ctx, o, metav1.CreateOptions{})
	return err
}

// workload makes the n-th object of a kind, as an agent would.
type workload struct {
	resource string
	object   func(t *target, n int) *unstructured.Unstructured
}

var workloads = []workload{{"vips", newVip}, {"ips", newIP}}

// subnets hold the objects; each is a /16, so that none gets full.
const subnets = 100

func subnetOf(n int) string { return fmt.Sprintf("bench-%d", n%subnets) }

func addressOf(n int) string {
	k := n/subnets + 2
	return fmt.Sprintf("10.%d.%d.%d", n%subnets, k>>8, k&0xff)
}

func macOf(n int) string {
	return fmt.Sprintf("0a:00:00:%02x:%02x:%02x", n>>16&0xff, n>>8&0xff, n&0xff)
}

// addSubnets makes the Subnets of the workloads, in one Vpc. Custom resources do without: nothing checks them.
func (t *target) addSubnets(ctx context.Context) error {
	clients, err := t.clients(1)
	if err != nil {
		return err
	}
	if err := t.create(ctx, clients[0], "vpcs", t.object("Vpc", "bench", map[string]any{})); err != nil {
		return err
	}
	for i := range subnets {
		o := t.object("Subnet", subnetOf(i), map[string]any{"vpc": "bench", "cidrBlock": fmt.Sprintf("10.%d.0.0/16", i)})
		if err := t.create(ctx, clients[0], "subnets", o); err != nil {
			return err
		}
	}
	return nil
}

func newVip(t *target, n int) *unstructured.Unstructured {
	o := t.object("Vip", fmt.Sprintf("vip-%06d", n), map[string]any{"subnet": subnetOf(n), "namespace": "default", "type": ""})
	if t.complete {
		o.Object["spec"].(map[string]any)["v4ip"] = addressOf(n)
		o.Object["spec"].(map[string]any)["macAddress"] = macOf(n)
		o.Object["status"] = map[string]any{"ready": true, "type": "", "v4ip": addressOf(n), "mac": macOf(n)}
	}
	return o
}

func newIP(t *target, n int) *unstructured.Unstructured {
	pod := fmt.Sprintf("web-%06d", n)
	o := t.object("IP", pod+".default", map[string]any{
		"subnet": subnetOf(n), "podName": pod, "namespace": "default", "nodeName": fmt.Sprintf("node-%d", n%10),
		"podUID": fmt.Sprintf("00000000-0000-4000-8000-%012d", n), "containerID": fmt.Sprintf("%064x", n),
	})
	if t.complete {
		spec := o.Object["spec"].(map[string]any)
		spec["ipAddress"], spec["v4IpAddress"], spec["macAddress"] = addressOf(n), addressOf(n), macOf(n)
	}
	return o
}

func (t *target) object(kind, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": t.group.String(), "kind": kind,
		"metadata": map[string]any{"name": name, "labels": map[string]any{"app": "web", "team": "bench"}},
		"spec":     spec,
	}}
}
