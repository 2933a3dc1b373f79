package apiserver_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

func newNode(name, address string) *v1.Chassis {
	return &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ChassisSpec{ChassisID: "id-" + name, EncapIPs: []string{address}, NodeIPs: []string{address}}}
}

func newNodePort(node, address string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: v1.NodePort(node)}, Spec: v1.IPSpec{Subnet: v1.JoinSubnet, NodeName: node, IPAddress: address}}
}

// list is the output of an ovn-nbctl list command, a line for each entry, without headings and blanks.
func list(t *testing.T, s *apiservertest.Server, command ...string) []string {
	t.Helper()
	var out []string
	for _, line := range strings.Split(ovntest.Nbctl(t, s.NBAddress, command...), "\n") {
		if f := strings.Fields(line); len(f) > 2 && strings.ContainsAny(f[0], "0123456789") {
			out = append(out, strings.Join(f, " "))
		}
	}
	slices.Sort(out)
	return out
}

// members are the number of ports in a port group.
func members(t *testing.T, s *apiservertest.Server, group string) int {
	t.Helper()
	return len(regexp.MustCompile(`[0-9a-f]{8}-`).FindAllString(ovntest.Nbctl(t, s.NBAddress, "get", "Port_Group", group, "ports"), -1))
}

// What leads to nodes and through them is in the database with the answers to the requests of their agents, northd understands it, and it
// goes with the nodes.
func TestNodesAreReachedAndPodsLeaveAtThem(t *testing.T) {
	s := apiservertest.Start(t, func(o *apiserver.Options) { o.Standalone.NoNorthd = false })
	c := client(t, s)
	before := dump(t, s.NBAddress, "Copp", "NB_Global")
	for node, addresses := range map[string][2]string{"node-1": {"172.31.0.1", "100.64.0.11"}, "node-2": {"172.31.0.2", "100.64.0.12"}} {
		if _, err := c.Chassis().Create(t.Context(), newNode(node, addresses[0]), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		create(t, s, newNodePort(node, addresses[1]))
	}
	central := newSubnet("central", "ovn-cluster", "10.20.0.0/24")
	central.Spec.GatewayType, central.Spec.GatewayNode = v1.GatewayCentralized, "node-2,node-1"
	create(t, s, central)
	pod := newIP("a.default", "ovn-default")
	pod.Spec.NodeName = "node-1"
	create(t, s, pod)
	ovntest.Nbctl(t, s.NBAddress, "--wait=sb", "sync")

	if diff := cmp.Diff([]string{"0.0.0.0/0 100.64.0.1 dst-ip"}, list(t, s, "lr-route-list", "ovn-cluster")); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	want := []string{
		"29000 ip4.src == $node.node_1_ip4 reroute 100.64.0.11",
		"29000 ip4.src == $node.node_2_ip4 reroute 100.64.0.12",
		"29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.12",
		"30000 ip4.dst == 172.31.0.1 reroute 100.64.0.11",
		"30000 ip4.dst == 172.31.0.2 reroute 100.64.0.12",
		"31000 ip4.dst == 10.16.0.0/16 allow",
		"31000 ip4.dst == 10.20.0.0/24 allow",
		"31000 ip4.dst == 100.64.0.0/16 allow",
	}
	if diff := cmp.Diff(want, list(t, s, "lr-policy-list", "ovn-cluster")); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	if one, two := members(t, s, "node.node_1"), members(t, s, "node.node_2"); one != 1 || two != 0 {
		t.Errorf("got %d and %d pods of the nodes, want 1 and 0", one, two)
	}
	if got := ovntest.Nbctl(t, s.NBAddress, "lsp-get-port-security", "node-node-1"); len(strings.Fields(got)) != 1 {
		t.Errorf("the port of a node lets through %q, want any address of its MAC", got)
	}

	// The first gateway is lost; then everything goes, nodes before the pods on them.
	if err := c.Chassis().Delete(t.Context(), "node-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if policies := list(t, s, "lr-policy-list", "ovn-cluster"); !slices.Contains(policies, "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.11") {
		t.Errorf("the other gateway does not take over: %q", policies)
	}
	if subnet, err := c.Subnets().Get(t.Context(), "central", metav1.GetOptions{}); err != nil || subnet.Status.ActivateGateway != "node-1" {
		t.Errorf("got %v, %v", subnet.Status.ActivateGateway, err)
	}
	for _, path := range []string{"/chassis/node-1", "/ips/a.default", "/ips/node-node-1", "/ips/node-node-2", "/subnets/central"} {
		if r := do(t, s, "DELETE", groupPath+path, ""); r.StatusCode != 200 {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if diff := cmp.Diff(before, dump(t, s.NBAddress, "Copp", "NB_Global")); diff != "" {
		t.Errorf("what is left of the nodes (-before +after):\n%s", diff)
	}
}

// The agent of the first gateway reports once and dies: the second one takes over, without anybody's doing.
func TestGatewaysLeaveANodeWhoseAgentIsSilent(t *testing.T) {
	s := apiservertest.Start(t, func(o *apiserver.Options) { o.NodeMonitorGracePeriod = time.Second })
	c := client(t, s)
	for _, n := range []string{"1", "2"} {
		if _, err := c.Chassis().Create(t.Context(), newNode("node-"+n, "172.31.0."+n), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		create(t, s, newNodePort("node-"+n, ""))
	}
	central := newSubnet("central", "ovn-cluster", "10.20.0.0/24")
	central.Spec.GatewayType, central.Spec.GatewayNode = v1.GatewayCentralized, "node-1,node-2"
	create(t, s, central)
	subnet, err := c.Subnets().Get(t.Context(), "central", metav1.GetOptions{})
	if err != nil || subnet.Status.ActivateGateway != "node-1" {
		t.Fatalf("got gateway %q, %v, want the first", subnet.Status.ActivateGateway, err)
	}
	node, err := c.Chassis().Get(t.Context(), "node-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Status.HeartbeatTime = metav1.NowMicro()
	node.Status.Conditions = []metav1.Condition{{Type: v1.ChassisReady, Status: metav1.ConditionTrue, Reason: "Connected", LastTransitionTime: metav1.Now()}}
	if _, err := c.Chassis().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Subnets().Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=central", ResourceVersion: subnet.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	deadline := time.After(time.Minute)
	for gateway := ""; gateway != "node-2"; {
		select {
		case event := <-w.ResultChan():
			if s, ok := event.Object.(*v1.Subnet); ok {
				gateway = s.Status.ActivateGateway
			}
		case <-deadline:
			t.Fatalf("the gateway is still %q", gateway)
		}
	}
	node, err = c.Chassis().Get(t.Context(), "node-1", metav1.GetOptions{})
	if err != nil || node.Status.Conditions[0].Status != metav1.ConditionUnknown || node.Status.Conditions[0].Reason != "AgentSilent" {
		t.Errorf("got conditions %v, %v", node.Status.Conditions, err)
	}
}

// At 10,000 pods a new one must cost as at 10: its port, and the places that hold it.
func TestAPodOfTheDefaultVpcChangesNothingButItsPortAndSets(t *testing.T) {
	s := apiservertest.Start(t)
	if _, err := client(t, s).Chassis().Create(t.Context(), newNode("node-1", "172.31.0.1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	create(t, s, newNodePort("node-1", ""))
	without := []string{"Copp", "NB_Global", "Logical_Switch", "Logical_Switch_Port", "Port_Group"}
	before := dump(t, s.NBAddress, without...)
	pod := newIP("a.default", "ovn-default")
	pod.Spec.NodeName = "node-1"
	create(t, s, pod)
	if diff := cmp.Diff(before, dump(t, s.NBAddress, without...)); diff != "" {
		t.Errorf("rows beside the pod's own (-before +after):\n%s", diff)
	}
	if got := members(t, s, "node.node_1"); got != 1 {
		t.Errorf("got %d pods of the node, want 1", got)
	}
}

// Two agents have the same rights and different nodes.
func TestAnAgentWritesOnlyWhatBelongsToItsNode(t *testing.T) {
	dir := apiservertest.TempDir(t)
	write := func(name, content string) string {
		t.Helper()
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	s := apiservertest.Start(t, func(o *apiserver.Options) {
		o.Standalone.TokenFile = write("tokens.csv", `one,system:northbound:node:n1,1,"system:northbound:nodes"
two,system:northbound:node:n2,2,"system:northbound:nodes"
`)
		o.Standalone.PolicyFile = write("policy.yaml", `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: agent}, rules: [
  {apiGroups: [kubeovn.io], resources: [chassis, chassis/status, ips, podinterfaces], verbs: ["*"]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: agent}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: agent},
  subjects: [{kind: Group, name: "system:northbound:nodes", apiGroup: rbac.authorization.k8s.io}]}
`)
	})
	agent := func(token string) *rest.Config {
		config := rest.AnonymousClientConfig(s.Config)
		config.BearerToken = token
		return config
	}
	chassis := `{"apiVersion":"kubeovn.io/v1","kind":"Chassis","metadata":{"name":"n1"},"spec":{"chassisID":"id1","encapIPs":["172.31.0.1"],"nodeIPs":["172.31.0.1"]}}`
	port := `{"apiVersion":"kubeovn.io/v1","kind":"IP","metadata":{"name":"node-n1"},"spec":{"subnet":"join","nodeName":"n1"}}`
	pod := `{"apiVersion":"kubeovn.io/v1","kind":"PodInterfaces","spec":{"podName":"a","podNamespace":"default","podUID":"1","nodeName":"n1","interfaces":[{"subnet":"ovn-default"}]}}`
	status := `{"apiVersion":"kubeovn.io/v1","kind":"Chassis","metadata":{"name":"n1"},"status":{"heartbeatTime":"2026-01-01T00:00:00.000000Z"}}`
	apply := "Content-Type: application/apply-patch+yaml"
	for _, request := range []struct {
		method, path, body string
		header             []string
		ok                 int
	}{
		{"POST", "/chassis", chassis, nil, 201},
		{"PATCH", "/chassis/n1?fieldManager=agent", chassis, []string{apply}, 200},
		{"PATCH", "/chassis/n1/status?fieldManager=agent", status, []string{apply}, 200},
		{"POST", "/ips", port, nil, 201},
		{"POST", "/podinterfaces", pod, nil, 201},
		{"POST", "/podinterfaces?dryRun=All", pod, nil, 201},
		{"DELETE", "/ips/a.default", "", nil, 200},
		{"DELETE", "/ips/node-n1", "", nil, 200},
		{"DELETE", "/chassis", "", nil, 403}, // not even when there is no other
		{"DELETE", "/chassis/n1", "", nil, 200},
	} {
		path := groupPath + request.path
		if r := doAs(t, agent("two"), request.method, path, request.body, request.header...); r.StatusCode != http.StatusForbidden || !strings.Contains(r.body, "the agent of node n2 may") {
			t.Errorf("%s %s by another node's agent: got %d %s", request.method, request.path, r.StatusCode, r.body)
		}
		if r := doAs(t, agent("one"), request.method, path, request.body, request.header...); r.StatusCode != request.ok {
			t.Errorf("%s %s: got %d %s", request.method, request.path, r.StatusCode, r.body)
		}
	}
}
