package agent_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/agent"
	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	typed "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/typed/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

const nodeName = "n1"

// node is a node of an overlay with a real Open vSwitch, ovn-controller and API server, whose interface eth0 leads to a host
// outside, and to the other nodes.
type node struct {
	t       *testing.T
	name    string
	addr    string
	addr6   string
	server  *apiservertest.Server
	switchd *vswitchtest.Node
	host    *host.Host
	outside *host.Host
	api     typed.KubeovnV1Interface
	client  versioned.Interface
	state   string
	// interfaces are the patterns of --iface, remote is --ovn-remote.
	interfaces []string
	remote     string
}

func newNode(t *testing.T, change ...func(*apiserver.Options)) *node {
	return newNodes(t, 1, change...)[0]
}

// newNodes makes the nodes n1, n2, ... with the addresses 192.0.2.1, 192.0.2.2, ...; the host outside has 192.0.2.9.
func newNodes(t *testing.T, count int, change ...func(*apiserver.Options)) []*node {
	server := apiservertest.Start(t, append(change, func(o *apiserver.Options) { o.Standalone.NoNorthd = false })...)
	client := versioned.NewForConfigOrDie(server.Config)
	outside := hosttest.New(t)
	hosttest.Run(t, outside, "ip", "link", "add", "wire", "type", "bridge")
	hosttest.Up(t, outside, "wire")
	hosttest.Addr(t, outside, "wire", "192.0.2.9/24", "fd02::9/64")
	hosttest.Echo(t, outside, 80)
	var nodes []*node
	for i := 1; i <= count; i++ {
		n := &node{
			t: t, name: fmt.Sprintf("n%d", i), addr: fmt.Sprintf("192.0.2.%d", i), addr6: fmt.Sprintf("fd02::%d", i), server: server, client: client, api: client.KubeovnV1(),
			outside: outside, state: t.TempDir(), switchd: vswitchtest.Start(t),
		}
		var err error
		if n.host, err = host.Open(n.switchd.Path()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.host.Close() })
		hosttest.Connect(t, n.host, "eth0", outside, n.name)
		hosttest.Run(t, outside, "ip", "link", "set", n.name, "master", "wire")
		// What is sent between hosts has checksums: some of it comes out of Open vSwitch in userspace.
		hosttest.Run(t, outside, "ethtool", "-K", "wire", "tx", "off")
		hosttest.Addr(t, n.host, "eth0", n.addr+"/24", n.addr6+"/64")
		hosttest.Echo(t, n.host, 80)
		n.switchd.StartController("unix:"+server.DataDir+"/sb.sock", n.name)
		nodes = append(nodes, n)
	}
	return nodes
}

// start runs an agent until the test ends or stop is called.
func (n *node) start() (a *agent.Agent, stop func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	config := agent.DefaultConfig()
	config.NodeName, config.NodeIPs = n.name, []netip.Addr{netip.MustParseAddr(n.addr), netip.MustParseAddr(n.addr6)}
	config.Northbound, config.NetworkNamespace = n.client, n.switchd.Path()
	config.OVSDB, config.OVNRunDir, config.StateDir = n.switchd.Address(), n.switchd.Dir(), n.state
	config.Socket, config.HealthAddress, config.Interfaces = "", "", n.interfaces
	config.OVNRemote = n.remote
	a, err := agent.New(ctx, config)
	if err != nil {
		cancel()
		n.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Error(err)
		}
	})
	n.t.Cleanup(stop)
	ready, done := context.WithTimeout(n.t.Context(), time.Minute)
	defer done()
	if err := a.Ready(ready); err != nil {
		n.t.Fatal(err)
	}
	return a, stop
}

// pod plugs a pod into a Subnet.
func (n *node) pod(name, subnet string) (*host.Host, string) {
	n.t.Helper()
	ip, err := n.api.IPs().Create(n.t.Context(), &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: name + ".default"},
		Spec:       v1.IPSpec{PodName: name, Namespace: "default", Subnet: subnet, NodeName: n.name},
	}, metav1.CreateOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	s, err := n.api.Subnets().Get(n.t.Context(), subnet, metav1.GetOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	pod := hosttest.New(n.t)
	hosttest.Connect(n.t, n.host, "h-"+name, pod, "eth0")
	hosttest.Run(n.t, pod, "ip", "link", "set", "eth0", "address", ip.Spec.MacAddress, "mtu", "1400")
	hosttest.Run(n.t, pod, "ethtool", "-K", "eth0", "tx", "off")
	gateways := strings.Split(s.Spec.Gateway, ",")
	for i, addr := range strings.Split(ip.Spec.IPAddress, ",") {
		_, bits, _ := strings.Cut(strings.Split(s.Spec.CIDRBlock, ",")[i], "/")
		hosttest.Addr(n.t, pod, "eth0", addr+"/"+bits)
		hosttest.Route(n.t, pod, "default", gateways[i])
	}
	n.switchd.Vsctl("add-port", "br-int", "h-"+name, "--", "set", "interface", "h-"+name, "external_ids:iface-id="+ip.Name)
	hosttest.Echo(n.t, pod, 80)
	return pod, ip.Spec.IPAddress
}

// bridge makes the only interface of nodes, with the addresses at which tunnels end, a port of a bridge: the userspace datapath needs that
// for tunnels.
func (n *node) bridge(nodes ...string) {
	n.t.Helper()
	_, err := n.api.ProviderNetworks().Create(n.t.Context(), &v1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: "phy"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth0"},
	}, metav1.CreateOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	hosttest.Eventually(n.t, func() error {
		pn, err := n.api.ProviderNetworks().Get(n.t.Context(), "phy", metav1.GetOptions{})
		if err != nil || !slices.Equal(pn.Status.ReadyNodes, nodes) {
			return fmt.Errorf("the nodes' interfaces have not moved: %+v, %v", pn.Status, err)
		}
		return nil
	})
}

// want waits until a server at an address sees a client's source, and returns how often that was tried.
func (n *node) want(from *host.Host, to, want string) (calls int) {
	n.t.Helper()
	hosttest.Eventually(n.t, func() error {
		calls++
		got, err := hosttest.Call(n.t, from, "", net.JoinHostPort(to, "80"))
		if err != nil || got != want {
			return fmt.Errorf("a call to %s has source %q (%v), want %q", to, got, err, want)
		}
		return nil
	})
	return calls
}

func TestANodeJoinsTheOverlay(t *testing.T) {
	n := newNode(t)
	n.start()
	ip, err := n.api.IPs().Get(t.Context(), "node-n1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.api.Chassis().Get(t.Context(), nodeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") || c.Status.HeartbeatTime.IsZero() || c.Spec.ChassisID != nodeName ||
		!slices.Equal(c.Spec.NodeIPs, []string{"192.0.2.1", "fd02::1"}) || !slices.Equal(c.Spec.EncapIPs, []string{"192.0.2.1"}) {
		t.Errorf("Chassis: %+v", c)
	}
	if got := hosttest.Run(t, n.host, "ip", "-brief", "address", "show", "ovn0"); !strings.Contains(got, ip.Spec.IPAddress+"/16") {
		t.Errorf("ovn0 has not %s: %s", ip.Spec.IPAddress, got)
	}
	for _, want := range []string{"10.16.0.0/16 via 100.64.0.1", "10.96.0.0/12 via 100.64.0.1"} {
		if got := hosttest.Run(t, n.host, "ip", "route"); !strings.Contains(got, want) {
			t.Errorf("no route %s:\n%s", want, got)
		}
	}
	// The router of the default Vpc answers through OVN.
	hosttest.Eventually(t, func() error {
		return n.ping("100.64.0.1")
	})
}

func (n *node) ping(to string) error {
	cmd := exec.Command("ping", "-c1", "-W1", to)
	if err := n.host.Do(cmd.Start); err != nil {
		return err
	}
	return cmd.Wait()
}

// snapshot is what an agent keeps, as text; first the sequence number of the switch's configuration. An IPv6 address is tentative until the
// kernel has looked for duplicates: that is no difference.
func (n *node) snapshot() string {
	addresses := strings.ReplaceAll(hosttest.Run(n.t, n.host, "ip", "-details", "address", "show", "ovn0"), " tentative", "")
	return n.switchd.Vsctl("get", "Open_vSwitch", ".", "next_cfg") + addresses +
		hosttest.Run(n.t, n.host, "ip", "route") + hosttest.Run(n.t, n.host, "ip", "rule")
}

func TestAnAgentThatStartsAgainChangesNothing(t *testing.T) {
	n := newNode(t)
	_, stop := n.start()
	before := n.snapshot()
	stop()
	if now := n.snapshot(); now != before {
		t.Errorf("an agent that ended left this:\n%s\nof this:\n%s", now, before)
	}
	n.start()
	if now := n.snapshot(); now != before {
		t.Errorf("a second agent made this:\n%s\nof this:\n%s", now, before)
	}
}

func TestDriftIsRepaired(t *testing.T) {
	n := newNode(t)
	n.start()
	before := n.snapshot()
	// Whatever somebody does to the node.
	hosttest.Run(t, n.host, "ip", "route", "del", "10.16.0.0/16")
	hosttest.Run(t, n.host, "ip", "rule", "del", "priority", "110")
	hosttest.Run(t, n.host, "nft", "delete", "table", "inet", "northbound")
	hosttest.Run(t, n.host, "ip", "-4", "address", "flush", "dev", "ovn0")
	n.switchd.Vsctl("remove", "Open_vSwitch", ".", "external_ids", "ovn-encap-ip")
	hosttest.Eventually(t, func() error {
		if got := n.switchd.Vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-encap-ip"); !strings.Contains(got, "192.0.2.1") {
			return fmt.Errorf("ovn-encap-ip is %s", got)
		}
		_, now, _ := strings.Cut(n.snapshot(), "\n")
		if _, want, _ := strings.Cut(before, "\n"); now != want {
			return fmt.Errorf("it is\n%s\nand was\n%s", now, want)
		}
		cmd := exec.Command("nft", "list", "table", "inet", "northbound")
		if err := n.host.Do(cmd.Start); err != nil {
			return err
		}
		return cmd.Wait()
	})
	n.switchd.Vsctl("del-port", "br-int", "ovn0")
	hosttest.Eventually(t, func() error { return n.ping("100.64.0.1") })
}

func TestAProviderNetworkConnectsTheNodeAndIsReported(t *testing.T) {
	n := newNode(t)
	physical := hosttest.New(t)
	hosttest.Connect(t, n.host, "eth1", physical, "eth0")
	hosttest.Addr(t, n.host, "eth1", "203.0.113.1/24")
	n.start()
	networks := n.api.ProviderNetworks()
	pn, err := networks.Create(t.Context(), &v1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: "pn"},
		Spec:       v1.ProviderNetworkSpec{DefaultInterface: "eth9", CustomInterfaces: []v1.CustomInterface{{Interface: "eth1", Nodes: []string{nodeName}}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := func(want string) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			pn, err = networks.Get(t.Context(), "pn", metav1.GetOptions{})
			if got := fmt.Sprint(pn.Status.ReadyNodes, pn.Status.NotReadyNodes); err != nil || got != want {
				return fmt.Errorf("ready and not ready nodes are %s, %v; want %s", got, err, want)
			}
			return nil
		})
	}
	addresses := func(device, want string) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			if got := hosttest.Run(t, n.host, "ip", "-4", "-brief", "address", "show", "dev", device); !strings.Contains(got, want) {
				return fmt.Errorf("%s has %s, want %s", device, got, want)
			}
			return nil
		})
	}
	mappings := func(want string) {
		t.Helper()
		if got := n.switchd.Vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings"); strings.TrimSpace(got) != want {
			t.Errorf("ovn-bridge-mappings is %s, want %s", got, want)
		}
	}
	status("[n1] []")
	addresses("br-pn", "203.0.113.1/24")
	mappings(`"pn:br-pn"`)

	change := func(patch string) {
		t.Helper()
		if _, err := networks.Patch(t.Context(), "pn", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	change(`{"spec":{"customInterfaces":null}}`) // now it is eth9, which the node does not have
	status("[] [n1]")
	addresses("eth1", "203.0.113.1/24")
	hosttest.Eventually(t, func() error {
		pn, err = networks.Get(t.Context(), "pn", metav1.GetOptions{})
		if err != nil || !strings.Contains(pn.Status.Conditions[0].Message, "no interface eth9") {
			return fmt.Errorf("status %+v, %v", pn.Status, err)
		}
		return nil
	})

	change(`{"spec":{"defaultInterface":"eth1","excludeNodes":["n1"]}}`)
	status("[] []")
	change(`{"spec":{"excludeNodes":null}}`)
	status("[n1] []")
	if err := networks.Delete(t.Context(), "pn", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	addresses("eth1", "203.0.113.1/24")
	hosttest.Eventually(t, func() error {
		if got := n.switchd.Vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings"); strings.Contains(got, "br-pn") {
			return fmt.Errorf("ovn-bridge-mappings is %s", got)
		}
		return nil
	})
}

func get(a *agent.Agent, path string) (int, string) {
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestHealthIsProven(t *testing.T) {
	n := newNode(t)
	a, _ := n.start()
	want := func(status int, text string) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			if code, body := get(a, "/healthz"); code != status || !strings.Contains(body, text) {
				return fmt.Errorf("/healthz answers %d, want %d with %q:\n%s", code, status, text, body)
			}
			return nil
		})
	}
	ready := func(want metav1.ConditionStatus) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			c, err := n.api.Chassis().Get(t.Context(), nodeName, metav1.GetOptions{})
			if err != nil || !meta.IsStatusConditionPresentAndEqual(c.Status.Conditions, "Ready", want) {
				return fmt.Errorf("want Ready=%s: %+v, %v", want, c.Status, err)
			}
			return nil
		})
	}
	want(http.StatusOK, "[+]ovn-controller ok")
	n.switchd.Controller().Kill()
	want(http.StatusServiceUnavailable, "[-]ovn-controller: ovn-controller does not run")
	ready(metav1.ConditionFalse)
	n.switchd.StartController("unix:"+n.server.DataDir+"/sb.sock", nodeName)
	ready(metav1.ConditionTrue)
	want(http.StatusOK, "[+]node-port ok")
	n.switchd.Server().Kill()
	want(http.StatusServiceUnavailable, "[-]open-vswitch: the Open vSwitch database does not answer")
	n.switchd.StartServer()
	want(http.StatusOK, "[+]open-vswitch ok")
	if code, body := get(a, "/livez"); code != http.StatusOK {
		t.Errorf("/livez answers %d: %s", code, body)
	}
	if _, body := get(a, "/metrics"); !strings.Contains(body, `northbound_agent_concern_ok{concern="routes"} 1`) {
		t.Errorf("/metrics has no concerns:\n%s", body)
	}
}

func TestNodesAndPodsReachEachOtherAndTheWorld(t *testing.T) {
	n := newNode(t)
	a, _ := n.start()
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "plain"}, Spec: v1.SubnetSpec{CIDRBlock: "10.55.0.0/24"}}
	if _, err := n.api.Subnets().Create(t.Context(), subnet, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, ip := n.pod("a", v1.DefaultSubnet)
	plain, plainIP := n.pod("b", "plain")
	hosttest.Route(t, n.outside, "10.55.0.0/24", "192.0.2.1")

	n.want(n.host, ip, "192.0.2.1")
	n.want(n.host, plainIP, "192.0.2.1")
	n.want(pod, plainIP, ip)
	n.want(pod, "192.0.2.1", ip)
	calls := n.want(pod, "192.0.2.9", "192.0.2.1") // natOutgoing is the default Subnet's default
	n.want(plain, "192.0.2.9", plainIP)            // and not that of others
	n.want(n.outside, plainIP, "192.0.2.9")        // which are reached from outside
	_, body := get(a, "/metrics")
	_, value, _ := strings.Cut(body, `northbound_agent_translated_connections_total{subnet="ovn-default"} `)
	line, _, _ := strings.Cut(value, "\n")
	if count, err := strconv.Atoi(line); err != nil || count < 1 || count > calls {
		t.Errorf("/metrics counts %q connections after %d calls:\n%s", line, calls, body)
	}
}

func TestTrafficBetweenNodes(t *testing.T) {
	nodes := newNodes(t, 2)
	n1, n2 := nodes[0], nodes[1]
	n1.start()
	n2.interfaces = []string{"nothing", "eth[0-9]"} // and the other finds it by the node's address
	agent2, _ := n2.start()
	n1.bridge("n1", "n2")
	centralized := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "central"}, Spec: v1.SubnetSpec{
		CIDRBlock: "10.55.0.0/24", GatewayType: v1.GatewayCentralized, GatewayNode: "n2", NatOutgoing: true,
	}}
	if _, err := n1.api.Subnets().Create(t.Context(), centralized, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, podIP := n1.pod("a", v1.DefaultSubnet)
	central, centralIP := n1.pod("b", "central")
	_, otherIP := n2.pod("c", v1.DefaultSubnet)

	n1.want(pod, otherIP, podIP)
	n1.want(n1.host, otherIP, "192.0.2.1")
	n1.want(pod, "192.0.2.2", podIP)
	n1.want(central, "192.0.2.2", centralIP)
	n1.want(pod, "192.0.2.9", "192.0.2.1")     // distributed: leaves at the pod's node
	n1.want(central, "192.0.2.9", "192.0.2.2") // centralized: leaves at the gateway

	// A Service with a node as its back end, from that node, from the other one and from a pod.
	rule := &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{Name: "svc", Annotations: map[string]string{v1.AnnotationVpc: v1.DefaultVpc, "ovn.kubernetes.io/service_health_check": "false"}},
		Spec: v1.SwitchLBRuleSpec{Vip: "10.96.0.10", Namespace: "default", Endpoints: []string{"192.0.2.2"},
			Ports: []v1.SwitchLBRulePort{{Port: 80, TargetPort: 80, Protocol: "TCP"}}},
	}
	if _, err := n1.api.SwitchLBRules().Create(t.Context(), rule, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n1.want(pod, "10.96.0.10", podIP)
	n1.want(n1.host, "10.96.0.10", "192.0.2.1")
	n1.want(n2.host, "10.96.0.10", "10.96.0.10") // back to where it comes from
	hosttest.Eventually(t, func() error {        // what was proven last may be from a moment in which something changed
		if code, body := get(agent2, "/healthz"); code != http.StatusOK {
			return fmt.Errorf("after all that, /healthz answers %d:\n%s", code, body)
		}
		return nil
	})
}

func TestBothFamilies(t *testing.T) {
	n := newNode(t, func(o *apiserver.Options) {
		o.Network.DefaultSubnetCIDR, _ = ipam.ParsePrefixes("10.16.0.0/16,fd16::/64")
		o.Network.NodeSwitchCIDR, _ = ipam.ParsePrefixes("100.64.0.0/16,fd64::/64")
	})
	_, stop := n.start()
	pod, both := n.pod("a", v1.DefaultSubnet)
	v4, v6, _ := strings.Cut(both, ",")
	for _, test := range []struct {
		from     *host.Host
		to, want string
	}{
		{n.host, v4, "192.0.2.1"}, {n.host, v6, "fd02::1"},
		{pod, "192.0.2.1", v4}, {pod, "fd02::1", v6},
		{pod, "192.0.2.9", "192.0.2.1"}, {pod, "fd02::9", "fd02::1"},
	} {
		n.want(test.from, test.to, test.want)
	}
	before := n.snapshot() + hosttest.Run(t, n.host, "ip", "-6", "route") + hosttest.Run(t, n.host, "ip", "-6", "rule")
	stop()
	n.start()
	if now := n.snapshot() + hosttest.Run(t, n.host, "ip", "-6", "route") + hosttest.Run(t, n.host, "ip", "-6", "rule"); now != before {
		t.Errorf("a second agent made this:\n%s\nof this:\n%s", now, before)
	}
}

func TestTheNodePortComesBackWithOpenVSwitch(t *testing.T) {
	n := newNode(t)
	n.start()
	before := n.snapshot()
	n.switchd.KillSwitchd()
	hosttest.Run(t, n.host, "ip", "link", "delete", "ovn0") // as it is with the kernel's datapath
	n.switchd.StartSwitchd()
	hosttest.Eventually(t, func() error { return n.ping("100.64.0.1") })
	hosttest.Eventually(t, func() error {
		_, was, _ := strings.Cut(before, "inet ")
		if _, now, _ := strings.Cut(n.snapshot(), "inet "); now != was {
			return fmt.Errorf("it is\n%s\nand was\n%s", now, was)
		}
		return nil
	})
}
