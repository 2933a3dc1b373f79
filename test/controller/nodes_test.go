//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/northbound-ovn/northbound/pkg/agent"
	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// newMachine makes a machine with Open vSwitch and an interface that has an address.
func newMachine(t *testing.T, address string) agent.Config {
	t.Helper()
	machine := vswitchtest.Start(t)
	h, err := host.Open(machine.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	hosttest.Connect(t, h, "eth0", hosttest.New(t), "wire")
	hosttest.Addr(t, h, "eth0", address+"/24")
	config := agent.DefaultConfig()
	config.Northbound, config.NetworkNamespace = cluster.northbound, machine.Path()
	config.OVSDB, config.OVNRunDir, config.StateDir = machine.Address(), machine.Dir(), t.TempDir()
	config.OVNRemote, config.Datapath, config.Socket, config.HealthAddress = "unix:"+machine.Dir()+"/none.sock", "netdev", "", ""
	return config
}

// startAgent runs an agent until the test ends, and returns when it is ready.
func startAgent(t *testing.T, config agent.Config) *agent.Agent {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	a, err := agent.New(ctx, config)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	ready, done := context.WithTimeout(t.Context(), soon)
	defer done()
	if err := a.Ready(ready); err != nil {
		t.Fatal(err)
	}
	return a
}

// addNode makes the Node of a machine.
func addNode(t *testing.T, name, address string) {
	t.Helper()
	nodes := cluster.kubernetes.CoreV1().Nodes()
	must(nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}))(t)
	patch := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}]}}`, address)
	must(nodes.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status"))(t)
}

// history are the events of one object.
type history struct {
	mu     sync.Mutex
	events []string
}

// follow notes what becomes of an IP, from now until the test ends.
func follow(t *testing.T, name string) *history {
	t.Helper()
	w := must(cluster.northbound.KubeovnV1().IPs().Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name}))(t)
	t.Cleanup(w.Stop)
	h := &history{}
	go func() {
		for e := range w.ResultChan() {
			ip, ok := e.Object.(*v1.IP)
			if !ok || e.Type == watch.Modified {
				continue
			}
			h.mu.Lock()
			h.events = append(h.events, string(e.Type)+" "+ip.Spec.IPAddress)
			h.mu.Unlock()
		}
	}()
	return h
}

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.events, ", ")
}

func TestAnAgentWhoseNodeIsDeletedWaitsForIt(t *testing.T) {
	const name, address = "leaving", "198.51.100.7"
	config := newMachine(t, address)
	config.NodeName, config.Kubernetes = name, cluster.kubernetes
	nodes, kinds := cluster.kubernetes.CoreV1().Nodes(), cluster.northbound.KubeovnV1()
	addNode(t, name, address)
	t.Cleanup(func() { _ = nodes.Delete(context.Background(), name, metav1.DeleteOptions{}) })
	a := startAgent(t, config)
	port := must(kinds.IPs().Get(t.Context(), v1.NodePort(name), metav1.GetOptions{}))(t)
	// The address before it is free then: an agent that asks for none would get another one.
	taken := must(kinds.IPs().Create(t.Context(), &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "reserved-" + name}, Spec: v1.IPSpec{Subnet: v1.JoinSubnet}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() { _ = kinds.IPs().Delete(context.Background(), taken.Name, metav1.DeleteOptions{}) })
	history := follow(t, port.Name)
	eventually(t, func(context.Context) error {
		if want := "ADDED " + port.Spec.IPAddress; history.String() != want {
			return fmt.Errorf("got %s, want %s", history, want)
		}
		return nil
	})

	if err := nodes.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, released(port.Name))
	eventually(t, func(ctx context.Context) error {
		if _, err := kinds.Chassis().Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Chassis is there (%v)", err)
		}
		looked, cancel := context.WithCancel(ctx)
		cancel()
		if err := a.Ready(looked); err == nil || !strings.Contains(err.Error(), "node-port: the Node does not exist: waiting for it") ||
			!strings.Contains(err.Error(), "chassis: the Node does not exist: waiting for it") {
			return fmt.Errorf("the agent does not wait: %v", err)
		}
		return nil
	})

	addNode(t, name, address)
	ready, done := context.WithTimeout(t.Context(), soon)
	defer done()
	if err := a.Ready(ready); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		if _, err := kinds.Chassis().Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if want := fmt.Sprintf("ADDED %[1]s, DELETED %[1]s, ADDED %[1]s", port.Spec.IPAddress); history.String() != want {
			return fmt.Errorf("got %s, want %s", history, want)
		}
		return nil
	})
}

func TestWhatBelongsToAHostWithoutNodeStays(t *testing.T) {
	const name, address = "no-node", "198.51.100.8"
	config := newMachine(t, address)
	config.NodeName, config.NodeIPs = name, []netip.Addr{netip.MustParseAddr(address)}
	kinds := cluster.northbound.KubeovnV1()
	history := follow(t, v1.NodePort(name))
	startAgent(t, config)
	t.Cleanup(func() {
		_ = kinds.Chassis().Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = kinds.IPs().Delete(context.Background(), v1.NodePort(name), metav1.DeleteOptions{})
	})
	// What the controller finds later it has removed by now.
	must(kinds.IPs().Create(t.Context(), &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "node-never"}, Spec: v1.IPSpec{Subnet: v1.JoinSubnet, NodeName: "never"}}, metav1.CreateOptions{}))(t)
	eventually(t, released("node-never"))
	port := must(kinds.IPs().Get(t.Context(), v1.NodePort(name), metav1.GetOptions{}))(t)
	if want := "ADDED " + port.Spec.IPAddress; history.String() != want {
		t.Errorf("got %s, want %s", history, want)
	}
	chassis := must(kinds.Chassis().Get(t.Context(), name, metav1.GetOptions{}))(t)
	if chassis.DeletionTimestamp != nil || chassis.Labels[v1.LabelWithoutNode] != "true" {
		t.Errorf("got Chassis %+v", chassis.ObjectMeta)
	}
}

func TestANodeTellsOfItsPortAndWhetherItsNetworkWorks(t *testing.T) {
	newNode(t, "told")
	nodes, kinds := cluster.kubernetes.CoreV1().Nodes(), cluster.northbound.KubeovnV1()
	port := must(kinds.IPs().Get(t.Context(), "node-told", metav1.GetOptions{}))(t)
	join := must(kinds.Subnets().Get(t.Context(), v1.JoinSubnet, metav1.GetOptions{}))(t)
	const prefix = "ovn.kubernetes.io/"
	all := map[string]string{
		prefix + "allocated": "true", prefix + "ip_address": port.Spec.IPAddress, prefix + "mac_address": port.Spec.MacAddress, prefix + "cidr": join.Spec.CIDRBlock,
		prefix + "gateway": join.Spec.Gateway, prefix + "logical_switch": v1.JoinSubnet, prefix + "port_name": "node-told", prefix + "chassis": "id-told",
	}
	want := func(annotations map[string]string, condition string) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			node, err := nodes.Get(ctx, "told", metav1.GetOptions{})
			if err != nil {
				return err
			}
			got := maps.Clone(node.Annotations)
			maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
			said := ""
			for _, c := range node.Status.Conditions {
				if c.Type == corev1.NodeNetworkUnavailable {
					said = string(c.Status) + " " + c.Reason
				}
			}
			if !maps.Equal(got, annotations) || said != condition {
				return fmt.Errorf("the node has %v and %q, want %v and %q", got, said, annotations, condition)
			}
			return nil
		})
	}
	report := func(status metav1.ConditionStatus, reason string) {
		t.Helper()
		chassis := must(kinds.Chassis().Get(t.Context(), "told", metav1.GetOptions{}))(t)
		chassis.Status.HeartbeatTime = metav1.NowMicro()
		chassis.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: "because", LastTransitionTime: metav1.Now()}}
		must(kinds.Chassis().UpdateStatus(t.Context(), chassis, metav1.UpdateOptions{}))(t)
	}
	want(all, "")
	report(metav1.ConditionTrue, "Connected")
	want(all, "False ChassisReady")
	report(metav1.ConditionFalse, "NotRestored")
	want(all, "True ChassisNotRestored")
	report(metav1.ConditionTrue, "Connected")
	// Somebody's change is put back; what is not known any more goes.
	annotate := func(text string) {
		t.Helper()
		must(nodes.Patch(t.Context(), "told", "application/merge-patch+json", []byte(`{"metadata":{"annotations":`+text+`}}`), metav1.PatchOptions{FieldManager: "somebody"}))(t)
	}
	annotate(`{"ovn.kubernetes.io/cidr":null,"ovn.kubernetes.io/chassis":"mine"}`)
	want(all, "False ChassisReady")
	if err := kinds.IPs().Delete(t.Context(), "node-told", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want(map[string]string{prefix + "chassis": "id-told"}, "False ChassisReady")
}
