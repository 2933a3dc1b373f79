package cniserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

func TestTwoPodsReachEachOther(t *testing.T) {
	n := started(t)
	for _, version := range []string{"", "0.3.1", "0.4.0", "1.0.0", "1.1.0"} {
		t.Run("CNI "+version, func(t *testing.T) {
			a, b := n.pod("a"), n.pod("b")
			if version != "" {
				a.net, b.net = n.network(version), n.network(version)
			}
			ra, rb := a.add(), b.add()
			a.ping(address(rb))
			b.ping(address(ra))
			if len(ra.Interfaces) != 2 || ra.Interfaces[0].Sandbox != "" || ra.Interfaces[1].Name != "eth0" || ra.Interfaces[1].Sandbox != a.sandbox.Path() ||
				len(ra.IPs) != 1 || *ra.IPs[0].Interface != 1 || ra.IPs[0].Gateway.String() != "10.16.0.1" {
				t.Errorf("got result %s", text(ra))
			}
			if version == "1.1.0" && ra.Interfaces[1].Mtu != 1400 {
				t.Errorf("got result %s, want the MTU", text(ra))
			}
			if len(ra.Routes) != 1 || ra.Routes[0].Dst.String() != "0.0.0.0/0" {
				t.Errorf("got routes %s, want the default route", text(ra.Routes))
			}
			if out := a.sandbox.Run(t, "ip", "-o", "link", "show", "eth0"); !strings.Contains(out, "mtu 1400") || !strings.Contains(out, ra.Interfaces[1].Mac) {
				t.Errorf("got link %s, want MTU 1400 and MAC %s", out, ra.Interfaces[1].Mac)
			}
			if version != "0.3.1" {
				if err := a.check(); err != nil {
					t.Errorf("CHECK: %v", err)
				}
			}
			if got, want := n.plugged(), []string{"a.default", "b.default"}; !slices.Equal(got, want) {
				t.Errorf("got ports %v, want %v", got, want)
			}
			a.end()
			b.end()
			n.nothingLeft()
		})
	}
}

func TestRequestsMayBeRepeated(t *testing.T) {
	n := started(t)
	a := n.pod("a")
	a.del() // of what was never added
	first := a.add()
	if diff := cmp.Diff(text(first), text(a.add())); diff != "" {
		t.Errorf("the result of the second addition differs:\n%s", diff)
	}
	if got := n.plugged(); len(got) != 1 {
		t.Errorf("got ports %v, want one", got)
	}
	a.terminate()
	a.del()
	a.del()
	gone := a.conf()
	gone.NetNS = ""
	if err := a.runtime().DelNetworkList(t.Context(), a.net, gone); err != nil {
		t.Errorf("DEL without a namespace: %v", err)
	}
	n.nothingLeft()
}

func TestAnAdditionThatFailsLeavesNothing(t *testing.T) {
	n := started(t)
	a := n.pod("a", annotated(map[string]string{"ovn.kubernetes.io/logical_switch": "none"}))
	if _, err := a.tryAdd(); err == nil || !strings.Contains(err.Error(), `Not found: "none"`) {
		t.Errorf("got error %v, want one that names the Subnet", err)
	}
	n.nothingLeft()

	// An interface of somebody else is in the way.
	b := n.pod("b")
	b.sandbox.Run(t, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
	if _, err := b.tryAdd(); err == nil || !strings.Contains(err.Error(), "not ours") {
		t.Errorf("got error %v, want one about the other interface", err)
	}
	if got := n.plugged(); len(got) > 0 {
		t.Errorf("got ports %v, want none", got)
	}
	b.end()
	n.nothingLeft()
}

// Kubelet kills a plugin that it does not wait for any more.
func TestAnAdditionThatNobodyWaitsForIsUndone(t *testing.T) {
	n := started(t)
	n.Controller().Kill()
	a := n.pod("a")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := a.runtime().AddNetworkList(ctx, a.net, a.conf())
		ended <- err
	}()
	n.wait("the port", func(vswitch.Snapshot) bool { return len(n.plugged()) == 1 })
	cancel()
	if err := <-ended; err == nil {
		t.Error("the addition succeeds without ovn-controller")
	}
	n.wait("the end of the port", func(vswitch.Snapshot) bool { return len(n.plugged()) == 0 })
	a.end()
	n.nothingLeft()
}

func TestACheckFindsWhatIsAmiss(t *testing.T) {
	n := started(t)
	a := n.pod("a")
	r := a.add()
	if err := a.check(); err != nil {
		t.Fatal(err)
	}
	a.sandbox.Run(t, "ip", "addr", "del", address(r)+"/16", "dev", "eth0")
	if err := a.check(); err == nil || !strings.Contains(err.Error(), "does not have address "+address(r)) {
		t.Errorf("without the address: got error %v", err)
	}
	a.add() // which repairs it
	if err := a.check(); err != nil {
		t.Error(err)
	}
	if err := n.vswitch.Apply(t.Context(), vswitch.RemovePort(r.Interfaces[0].Name)); err != nil {
		t.Fatal(err)
	}
	if err := a.check(); err == nil || !strings.Contains(err.Error(), "there is no port") {
		t.Errorf("without the port: got error %v", err)
	}
	a.end()
	n.nothingLeft()
}

func TestGarbageCollectionRemovesWhatIsNotInTheList(t *testing.T) {
	n := started(t)
	a, b, other := n.pod("a"), n.pod("b"), n.pod("other")
	a.add()
	b.add()
	var err error
	other.net, err = libcni.NetworkConfFromBytes(fmt.Appendf(nil, `{"cniVersion": "1.1.0", "name": "other", "plugins": [{"type": "kube-ovn", "server_socket": %q}]}`, n.socket))
	if err != nil {
		t.Fatal(err)
	}
	other.add()
	b.terminate()
	// Of a runtime that has lost its memory: its cache does not know of b.
	runtime := libcni.NewCNIConfigWithCacheDir([]string{plugins}, filepath.Join(n.dir, "empty"), nil)
	valid := &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: a.id, IfName: "eth0"}}}
	if err := runtime.GCNetworkList(t.Context(), n.network("1.1.0"), valid); err != nil {
		t.Fatal(err)
	}
	if got, want := n.plugged(), []string{"a.default", "other.default"}; !slices.Equal(got, want) {
		t.Errorf("got ports %v, want %v", got, want)
	}
	if got := n.ips(); len(got) != 2 {
		t.Errorf("got IPs %v, want those of a and other", got)
	}
	a.end()
	other.end()
	n.nothingLeft()
}

func TestStatusSaysWhetherInterfacesCanBeAdded(t *testing.T) {
	n := started(t)
	network := n.network("1.1.0")
	if err := n.runtime().GetStatusNetworkList(t.Context(), network); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	n.Server().Kill()
	n.until("there is no session", func() bool { return !n.vswitch.Snapshot().Connected })
	wantNotAvailable(t, n.runtime().GetStatusNetworkList(t.Context(), network), "Open vSwitch")
	n.StartServer()
	n.wait("the session", func(vswitch.Snapshot) bool { return true })
	if err := n.runtime().GetStatusNetworkList(t.Context(), network); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	n.cable.cut()
	wantNotAvailable(t, n.runtime().GetStatusNetworkList(t.Context(), network), "API")
	n.stop()
	wantNotAvailable(t, n.runtime().GetStatusNetworkList(t.Context(), network), "agent does not answer")
}

func wantNotAvailable(t *testing.T, err error, text string) {
	t.Helper()
	var coded *types.Error
	if !errors.As(err, &coded) || coded.Code != cni.CodeNotAvailable || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want code %d and %q", err, cni.CodeNotAvailable, text)
	}
}

func TestAnAdditionWaitsForAnAPIThatIsAway(t *testing.T) {
	n := started(t)
	a := n.pod("a")
	n.cable.unplug()
	added := make(chan error, 1)
	go func() {
		_, err := a.tryAdd()
		added <- err
	}()
	n.until("the link, which is made meanwhile", func() bool { return len(n.links()) > len(n.before) })
	n.cable.plug()
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	a.end()
}

func TestWithoutTheAPIPodsAreDeletedAndNotAdded(t *testing.T) {
	n := started(t, func(c *Config) { c.APIPatience = time.Second })
	a, b := n.pod("a"), n.pod("b")
	a.add()
	n.cable.cut()
	var coded *types.Error
	if _, err := b.tryAdd(); !errors.As(err, &coded) || coded.Code != cni.CodeTryAgain {
		t.Errorf("got error %v, want code %d", err, cni.CodeTryAgain)
	}
	a.end()
	b.end()
	if got := n.plugged(); len(got) > 0 {
		t.Errorf("left ports %v", got)
	}
}

// A pod that is deleted by force and made again gets an interface of its own: nothing of the former one is used.
func TestAPodOfTheSameNameReplacesTheFormerOne(t *testing.T) {
	n := started(t)
	former, peer := n.pod("a"), n.pod("peer")
	former.add()
	rp := peer.add()
	n.pods.remove(former.object)
	now := n.pod("a")
	r := now.add()
	now.ping(address(rp))
	if got := n.ips(); len(got) != 2 || !strings.HasSuffix(got[0], string(now.object.UID)) {
		t.Errorf("got IPs %v, want a.default for UID %s", got, now.object.UID)
	}
	if out, err := former.sandbox.Command(t.Context(), "ip", "link", "show", "eth0").CombinedOutput(); err == nil {
		t.Errorf("the former sandbox has its interface still: %s", out)
	}
	former.del() // late
	now.ping(address(rp))
	if err := now.check(); err != nil {
		t.Errorf("CHECK of %s: %v", address(r), err)
	}
	now.end()
	peer.end()
	n.nothingLeft()
}

// Kubelet makes a new sandbox for a living pod: the pod keeps its address.
func TestANewSandboxOfAPodHasItsAddress(t *testing.T) {
	n := started(t)
	a := n.pod("a")
	first := a.add()
	a.del()
	a.sandbox, a.id = vswitchtest.NewNamespace(t), a.id[32:]+a.id[:32]
	if got, want := address(a.add()), address(first); got != want {
		t.Errorf("got address %s, want %s", got, want)
	}
	a.end()
	n.nothingLeft()
}

func TestParallelAdditionsGetDifferentAddresses(t *testing.T) {
	const parallel = 20
	n := started(t)
	pods := make([]*pod, parallel)
	for i := range pods {
		pods[i] = n.pod(fmt.Sprint("p", i))
	}
	results := make([]*types100.Result, parallel)
	var wg sync.WaitGroup
	for i, p := range pods {
		wg.Go(func() {
			var err error
			if results[i], err = p.tryAdd(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	seen := map[string]bool{}
	for i, p := range pods {
		seen[address(results[i])] = true
		p.ping(address(results[(i+1)%parallel]))
	}
	if len(seen) != parallel {
		t.Errorf("got %d different addresses, want %d", len(seen), parallel)
	}
	for _, p := range pods {
		wg.Go(p.end)
	}
	wg.Wait()
	n.nothingLeft()
}

func TestAPodHasItsAddressBeforeTheAdditionBegins(t *testing.T) {
	n := started(t)
	n.pods.early = true
	n.until("the server follows the pods", func() bool {
		n.pods.mu.Lock()
		defer n.pods.mu.Unlock()
		return n.pods.come != nil
	})
	a := n.pod("a")
	n.until("a has its address", func() bool { return len(n.ips()) == 1 })
	before := n.ips()[0]
	if got, want := address(a.add()), strings.Fields(before)[1]; got != want {
		t.Errorf("got address %s, want %s", got, want)
	}
	a.ping("10.16.0.1")
	a.end()
	n.nothingLeft()

	// A pod that ends when it has just got its address has it no more.
	ended := make(chan struct{})
	n.passed.Store(new(func(stage string) {
		if stage != "early" {
			return
		}
		defer close(ended)
		if b, err := n.pods.Pod(t.Context(), "default", "b", ""); err != nil {
			t.Error(err)
		} else {
			n.pods.remove(b)
		}
	}))
	n.object("b")
	<-ended
	n.stop() // which waits for what is under way
	if ips := n.ips(); len(ips) > 0 {
		t.Errorf("left IPs: %v", ips)
	}
}

func TestAnnotationsAreHonouredAndWritten(t *testing.T) {
	n := started(t)
	dual := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "dual"}, Spec: v1.SubnetSpec{Vpc: "ovn-cluster", Protocol: "Dual", CIDRBlock: "10.30.0.0/24,fd30::/64"}}
	if _, err := n.client.KubeovnV1().Subnets().Create(t.Context(), dual, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a := n.pod("a", annotated(map[string]string{
		"ovn.kubernetes.io/logical_switch": "dual", "ovn.kubernetes.io/ip_address": "10.30.0.50,fd30::50", "ovn.kubernetes.io/mac_address": "02:00:00:00:30:50",
		"ovn.kubernetes.io/routes": `[{"dst": "192.0.2.0/24", "gw": "10.30.0.9"}]`}))
	b := n.pod("b", annotated(map[string]string{"ovn.kubernetes.io/logical_switch": "dual"}))
	r, rb := a.add(), b.add()
	if len(r.IPs) != 2 || r.IPs[0].Address.String() != "10.30.0.50/24" || r.IPs[1].Address.String() != "fd30::50/64" || r.Interfaces[1].Mac != "02:00:00:00:30:50" {
		t.Errorf("got result %s", text(r))
	}
	b.ping("10.30.0.50")
	b.ping("fd30::50")
	a.ping(rb.IPs[1].Address.IP.String())
	routes := a.sandbox.Run(t, "ip", "route") + a.sandbox.Run(t, "ip", "-6", "route")
	for _, want := range []string{"192.0.2.0/24 via 10.30.0.9", "default via 10.30.0.1 ", "default via fd30::1 "} {
		if !strings.Contains(routes, want) {
			t.Errorf("there is no route %q among\n%s", want, routes)
		}
	}
	want := map[string]string{
		"ovn.kubernetes.io/allocated": "true", "ovn.kubernetes.io/cidr": "10.30.0.0/24,fd30::/64", "ovn.kubernetes.io/gateway": "10.30.0.1,fd30::1",
		"ovn.kubernetes.io/logical_switch": "dual", "ovn.kubernetes.io/vpc": "ovn-cluster", "ovn.kubernetes.io/ip_address": "10.30.0.50,fd30::50",
		annotationNetworkStatus: `[{"name":"kube-ovn","interface":"eth0","ips":["10.30.0.50","fd30::50"],"mac":"02:00:00:00:30:50","default":true,"dns":{}}]`,
	}
	n.until("the annotations are written", func() bool {
		now, err := n.pods.Pod(t.Context(), "default", "a", "")
		return err == nil && now.Annotations[annotationNetworkStatus] != ""
	})
	now, err := n.pods.Pod(t.Context(), "default", "a", "")
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range want {
		if got := now.Annotations[key]; got != value {
			t.Errorf("annotation %s: got %q, want %q", key, got, value)
		}
	}
	a.end()
	b.end()
	n.nothingLeft()
}

// Another plugin makes the interface, of a network whose addresses are ours.
func TestAddressesForOtherPlugins(t *testing.T) {
	n := started(t)
	n.subnet("external", v1.SubnetSpec{Provider: "net.kube-system", CIDRBlock: "172.16.0.0/24", Gateway: "172.16.0.1", ExcludeIps: []string{"172.16.0.1..172.16.0.9"}})
	a := n.pod("a", annotated(map[string]string{"k8s.v1.cni.cncf.io/networks": "kube-system/net"}))
	conf := fmt.Appendf(nil, `{"cniVersion": "0.3.1", "name": "net", "type": "macvlan", "master": "eth1",
		"ipam": {"type": "kube-ovn", "server_socket": %q, "provider": "net.kube-system", "routes": [{"dst": "198.51.100.0/24", "gw": "172.16.0.1"}]}}`, n.socket)
	exec := func(command string) *invoke.Args {
		return &invoke.Args{Command: command, ContainerID: a.id, NetNS: a.sandbox.Path(), IfName: "net1", Path: plugins, PluginArgs: a.conf().Args}
	}
	a.add()
	if got := n.ips(); len(got) != 2 {
		t.Errorf("got IPs %v, want those of all interfaces with the first one", got)
	}
	result, err := invoke.ExecPluginWithResult(t.Context(), filepath.Join(plugins, cni.Type), conf, exec("ADD"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := types100.NewResultFromResult(result)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Interfaces) != 0 || len(r.IPs) != 1 || r.IPs[0].Address.String() != "172.16.0.10/24" || r.IPs[0].Gateway.String() != "172.16.0.1" || len(r.Routes) != 1 {
		t.Errorf("got result %s", text(r))
	}
	a.terminate()
	if err := invoke.ExecPluginWithoutResult(t.Context(), filepath.Join(plugins, cni.Type), conf, exec("DEL"), nil); err != nil {
		t.Error(err)
	}
	if got := n.ips(); len(got) != 1 {
		t.Errorf("got IPs %v, want that of the first interface", got)
	}
	a.end()
	n.nothingLeft()
}

// A meta plugin asks for each interface by itself.
func TestAPodHasFurtherInterfaces(t *testing.T) {
	n := started(t)
	n.subnet("second", v1.SubnetSpec{Vpc: "ovn-cluster", Provider: "net.kube-system.ovn", CIDRBlock: "10.40.0.0/24"})
	a := n.pod("a", annotated(map[string]string{"k8s.v1.cni.cncf.io/networks": "kube-system/net", "net.kube-system.ovn.kubernetes.io/ip_address": "10.40.0.44"}))
	first := a.add()
	conf := fmt.Appendf(nil, `{"cniVersion": "1.0.0", "name": "net", "type": "kube-ovn", "server_socket": %q, "provider": "net.kube-system.ovn"}`, n.socket)
	exec := func(command string) *invoke.Args {
		return &invoke.Args{Command: command, ContainerID: a.id, NetNS: a.sandbox.Path(), IfName: "net1", Path: plugins, PluginArgs: a.conf().Args}
	}
	result, err := invoke.ExecPluginWithResult(t.Context(), filepath.Join(plugins, cni.Type), conf, exec("ADD"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := types100.NewResultFromResult(result)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Interfaces) != 2 || r.Interfaces[1].Name != "net1" || r.Interfaces[0].Name == first.Interfaces[0].Name || len(r.Routes) != 0 || address(r) != "10.40.0.44" {
		t.Errorf("got result %s", text(r))
	}
	a.sandbox.Run(t, "ping", "-n", "-c", "1", "-W", "10", "-I", "net1", "10.40.0.1")
	a.ping("10.16.0.1")
	if got, want := n.plugged(), []string{"a.default", "a.default.net.kube-system.ovn"}; !slices.Equal(got, want) {
		t.Errorf("got ports %v, want %v", got, want)
	}
	a.terminate()
	if err := invoke.ExecPluginWithoutResult(t.Context(), filepath.Join(plugins, cni.Type), conf, exec("DEL"), nil); err != nil {
		t.Error(err)
	}
	if got, want := n.plugged(), []string{"a.default"}; !slices.Equal(got, want) {
		t.Errorf("got ports %v, want %v", got, want)
	}
	a.ping("10.16.0.1")
	a.end()
	n.nothingLeft()
}

// The device of a port goes with its sandbox. When nobody says so, the server finds it at its next start.
func TestPortsWithoutADeviceAreRemoved(t *testing.T) {
	n := started(t)
	a, b := n.pod("a"), n.pod("b")
	ra := a.add()
	b.add()
	n.stop()
	n.Run(t, "ip", "link", "del", ra.Interfaces[0].Name)
	n.pods.remove(a.object)
	n.start()
	n.wait("the end of the port", func(now vswitch.Snapshot) bool { return now.Interface(ra.Interfaces[0].Name) == nil })
	n.until("the release of the address", func() bool { return len(n.ips()) == 1 })
	if got, want := n.plugged(), []string{"b.default"}; !slices.Equal(got, want) {
		t.Errorf("got ports %v, want %v", got, want)
	}
	b.end()
	n.nothingLeft()
}

func TestTheConfigurationIsForRootAlone(t *testing.T) {
	n := started(t)
	for _, path := range []string{filepath.Join(n.dir, "net.d", "01-kube-ovn.conflist"), n.socket} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", path, got)
		}
	}
	if files, err := filepath.Glob(filepath.Join(n.dir, "net.d", ".*")); err != nil || len(files) > 0 {
		t.Errorf("left %v, %v", files, err)
	}
}

// events notes what is told of pods.
type events struct {
	record.EventRecorder
	mu    sync.Mutex
	texts []string
}

func (e *events) Eventf(about runtime.Object, kind, reason, format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ref := about.(*corev1.ObjectReference)
	e.texts = append(e.texts, fmt.Sprintf("%s/%s %s %s %s", ref.Namespace, ref.Name, kind, reason, fmt.Sprintf(format, args...)))
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.texts)
}

func TestPortsOfTheNodeAreServedWherePortmapIs(t *testing.T) {
	told, bin := &events{}, t.TempDir()
	n := started(t, func(c *Config) { c.Conflist.Plugins, c.Events = bin, told })
	path := filepath.Join(n.dir, "net.d", "01-kube-ovn.conflist")
	chained := func() bool {
		text, err := os.ReadFile(path)
		var list struct {
			Plugins []struct {
				Type         string
				Capabilities map[string]bool
			}
		}
		if err != nil || json.Unmarshal(text, &list) != nil {
			return false
		}
		return len(list.Plugins) == 2 && list.Plugins[1].Type == "portmap" && list.Plugins[1].Capabilities["portMappings"]
	}
	if chained() {
		t.Error("portmap is chained, and is not there")
	}
	withPort := func(p *Pod) { p.HostPorts = []int32{8080, 9090} }
	a, b, c := n.pod("a", withPort), n.pod("b"), n.pod("c", withPort) // The runtime of the last does not know of portmap yet.
	a.add()
	b.add()
	want := []string{"default/a Warning HostPortNotServed hostPort 8080, 9090 of node " + nodeName + " leads nowhere: the CNI plugin portmap is not installed there (in " + bin + ")"}
	if diff := cmp.Diff(want, told.all()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	// It is installed, and somebody removes the configuration.
	if err := os.WriteFile(filepath.Join(bin, "portmap"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	n.until("portmap is chained", chained)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	n.until("the configuration is back", chained)
	c.add()
	if diff := cmp.Diff(want, told.all()); diff != "" {
		t.Errorf("events, with portmap (-want +got):\n%s", diff)
	}
	for _, p := range []*pod{a, b, c} {
		p.end()
	}
}
