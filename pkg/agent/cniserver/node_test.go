package cniserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

const (
	nodeName = "n1"
	// patience bounds what must happen soon, on a machine that is busy.
	patience = 60 * time.Second
)

// plugins is the folder with the plugin's executable.
var plugins string

// TestMain builds the plugin. Started with the variable of a server it is that server; see killed_test.go.
func TestMain(m *testing.M) {
	if spec := os.Getenv(serverEnv); spec != "" {
		if err := serveAlone(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kube-ovn")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	plugins = dir
	if err := goTool("build", "-ldflags", "-s -w", "-o", filepath.Join(dir, cni.Type), "github.com/northbound-ovn/northbound/cmd/kube-ovn"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// goTool runs the go command; what it builds is static.
func goTool(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// node is a node with an API, Open vSwitch and ovn-controller of its own, and a container runtime: libcni.
type node struct {
	testing.TB
	*vswitchtest.Node
	api     *apiservertest.Server
	cable   *cable // to the API
	client  versioned.Interface
	vswitch *vswitch.Switch
	pods    *memoryPods
	dir     string
	socket  string
	before  map[string]bool // links
	server  *Server         // that start has started
	stop    func()          // of the server
	// passed, when set, is called when an operation of the server has passed a stage.
	passed atomic.Pointer[func(stage string)]
}

// newNode starts a node without a server for the plugin.
func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{TB: t, Node: vswitchtest.Start(t), dir: ovntest.Dir(t), pods: &memoryPods{pods: map[string]*Pod{}}}
	n.socket = filepath.Join(n.dir, "cni.sock")
	n.api = apiservertest.Start(t, func(o *apiserver.Options) { o.Standalone.NoNorthd = false })
	n.cable = newCable(t, n.api.Config.Host)
	config := rest.CopyConfig(n.api.Config)
	config.Host = n.cable.url()
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	n.client = client
	chassis := &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: v1.ChassisSpec{ChassisID: nodeName, EncapIPs: []string{"192.0.2.1"}}}
	if _, err := client.KubeovnV1().Chassis().Create(t.Context(), chassis, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.StartController("unix:"+filepath.Join(n.api.DataDir, "sb.sock"), nodeName)
	n.vswitch, err = vswitch.Open(t.Context(), n.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.vswitch.Close)
	n.wait("br-int and its device", func(now vswitch.Snapshot) bool {
		i := now.Interface("br-int")
		return i != nil && i.OFPort != 0
	})
	n.before = n.links()
	return n
}

// start starts a server in this process.
func (n *node) start(change ...func(*Config)) {
	n.Helper()
	h, err := host.Open(n.Path())
	if err != nil {
		n.Fatal(err)
	}
	config := Config{
		NodeName: nodeName, Socket: n.socket, Host: h, Switch: n.vswitch, Client: n.client, Pods: n.pods,
		MTU: func() int { return 1400 }, Conflist: Conflist{Path: filepath.Join(n.dir, "net.d", "01-kube-ovn.conflist")},
	}
	for _, f := range change {
		f(&config)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.Context()))
	ended := make(chan error, 1)
	server := New(config)
	n.server = server
	server.passed = func(stage string) {
		if f := n.passed.Load(); f != nil {
			(*f)(stage)
		}
	}
	go func() { ended <- server.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			n.Errorf("server: %v", err)
		}
		if err := h.Close(); err != nil {
			n.Error(err)
		}
	})
	n.Cleanup(func() { n.stop() })
	n.until("the network is announced", func() bool {
		_, err := os.Stat(config.Conflist.Path)
		return err == nil
	})
}

// subnet makes a Subnet, and returns when the server knows it: that a network is not ours is no reason for it to ask the API.
func (n *node) subnet(name string, spec v1.SubnetSpec) {
	n.Helper()
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if _, err := n.client.KubeovnV1().Subnets().Create(n.Context(), subnet, metav1.CreateOptions{}); err != nil {
		n.Fatal(err)
	}
	n.until("the server knows Subnet "+name, func() bool {
		_, known := n.server.objects.Subnet(name)
		return known
	})
}

// started is a node with a server.
func started(t testing.TB, change ...func(*Config)) *node {
	t.Helper()
	n := newNode(t)
	n.start(change...)
	return n
}

func (n *node) wait(what string, condition func(vswitch.Snapshot) bool) vswitch.Snapshot {
	n.Helper()
	ctx, cancel := context.WithTimeout(n.Context(), patience)
	defer cancel()
	now, err := n.vswitch.Wait(ctx, condition)
	if err != nil {
		n.Fatalf("%s: %v", what, err)
	}
	return now
}

func (n *node) until(what string, condition func() bool) {
	n.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			n.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // what is asked about tells nobody
	}
}

// links are the names of the node's devices.
func (n *node) links() map[string]bool {
	n.Helper()
	list, err := n.Netlink(n).LinkList()
	if err != nil {
		n.Fatal(err)
	}
	names := map[string]bool{}
	for _, l := range list {
		names[l.Attrs().Name] = true
	}
	return names
}

// ips are the IPs of pods: "<name> <address> <podUID>".
func (n *node) ips() []string {
	n.Helper()
	list, err := n.client.KubeovnV1().IPs().List(n.Context(), metav1.ListOptions{})
	if err != nil {
		n.Fatal(err)
	}
	var out []string
	for _, ip := range list.Items {
		if ip.Spec.PodName != "" {
			out = append(out, ip.Name+" "+ip.Spec.IPAddress+" "+ip.Spec.PodUID)
		}
	}
	return out
}

// plugged are the logical ports of pods that are on the bridge.
func (n *node) plugged() []string {
	var out []string
	for _, i := range ours(n.vswitch.Snapshot(), func(map[string]string) bool { return true }) {
		out = append(out, i.ExternalIDs[idPort])
	}
	slices.Sort(out)
	return out
}

// nothingLeft fails the test when a pod has left something.
func (n *node) nothingLeft() {
	n.Helper()
	if ips := n.ips(); len(ips) > 0 {
		n.Errorf("left IPs: %v", ips)
	}
	if ports := n.plugged(); len(ports) > 0 {
		n.Errorf("left ports: %v", ports)
	}
	after := n.links()
	maps.DeleteFunc(after, func(name string, _ bool) bool { return n.before[name] })
	if len(after) > 0 {
		n.Errorf("left links: %v", after)
	}
}

// pod is a pod and its sandbox.
type pod struct {
	*node
	object  *Pod
	sandbox *vswitchtest.Namespace
	id      string // of the sandbox
	net     *libcni.NetworkConfigList
}

// network is the network as it is configured: the conflist that the server writes, unless a version is given.
func (n *node) network(version string) *libcni.NetworkConfigList {
	n.Helper()
	if version == "" {
		list, err := libcni.NetworkConfFromFile(filepath.Join(n.dir, "net.d", "01-kube-ovn.conflist"))
		if err != nil {
			n.Fatal(err)
		}
		return list
	}
	list, err := libcni.NetworkConfFromBytes(fmt.Appendf(nil, `{"cniVersion": %q, "name": "kube-ovn", "plugins": [{"type": "kube-ovn", "server_socket": %q}]}`, version, n.socket))
	if err != nil {
		n.Fatal(err)
	}
	return list
}

// impatient is the network, for a plugin that does not wait for an agent that is away.
func (n *node) impatient() *libcni.NetworkConfigList {
	n.Helper()
	list, err := libcni.NetworkConfFromBytes(fmt.Appendf(nil,
		`{"cniVersion": "1.0.0", "name": "kube-ovn", "plugins": [{"type": "kube-ovn", "server_socket": %q, "agent_wait": 0}]}`, n.socket))
	if err != nil {
		n.Fatal(err)
	}
	return list
}

// pod makes a pod with a sandbox and no interface.
func (n *node) pod(name string, change ...func(*Pod)) *pod {
	n.Helper()
	p := n.object(name, change...)
	return &pod{node: n, object: p, sandbox: vswitchtest.NewNamespace(n), id: strings.ReplaceAll(string(uuid.NewUUID())+string(uuid.NewUUID()), "-", ""), net: n.network("")}
}

// object makes a pod without a sandbox.
func (n *node) object(name string, change ...func(*Pod)) *Pod {
	p := &Pod{Pod: podnet.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: uuid.NewUUID()}}}
	for _, f := range change {
		f(p)
	}
	n.pods.put(p)
	return p
}

func annotated(annotations map[string]string) func(*Pod) {
	return func(p *Pod) { p.Annotations = annotations }
}

// runtime is libcni, whose cache is the test's.
func (n *node) runtime() *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir([]string{plugins}, filepath.Join(n.dir, "cache"), nil)
}

func (p *pod) conf() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{ContainerID: p.id, NetNS: p.sandbox.Path(), IfName: "eth0", Args: [][2]string{
		{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", p.object.Namespace}, {"K8S_POD_NAME", p.object.Name}, {"K8S_POD_UID", string(p.object.UID)}, {"K8S_POD_INFRA_CONTAINER_ID", p.id},
	}}
}

func (p *pod) tryAdd() (*types100.Result, error) {
	r, err := p.runtime().AddNetworkList(p.Context(), p.net, p.conf())
	if err != nil {
		return nil, err
	}
	return types100.NewResultFromResult(r)
}

func (p *pod) add() *types100.Result {
	p.Helper()
	r, err := p.tryAdd()
	if err != nil {
		p.Fatalf("ADD %s: %v", p.object.Name, err)
	}
	return r
}

func (p *pod) del() {
	p.Helper()
	if err := p.runtime().DelNetworkList(context.WithoutCancel(p.Context()), p.net, p.conf()); err != nil {
		p.Errorf("DEL %s: %v", p.object.Name, err)
	}
}

func (p *pod) check() error {
	return p.runtime().CheckNetworkList(p.Context(), p.net, p.conf())
}

// end deletes the pod, as kubelet does: the pod is marked, then its interface is removed, then the pod.
func (p *pod) end() {
	p.Helper()
	p.terminate()
	p.del()
	p.pods.remove(p.object)
}

// terminate marks the pod as deleted.
func (p *pod) terminate() {
	over := *p.object
	over.Over = true
	p.pods.put(&over)
}

// ping fails the test unless the very first packet is answered.
func (p *pod) ping(to string) {
	p.Helper()
	p.sandbox.Run(p, "ping", "-n", "-c", "1", "-W", "10", to)
}

// reaches waits until the pod reaches an address.
func (p *pod) reaches(to string) {
	p.Helper()
	p.until("a ping is answered", func() bool {
		return p.sandbox.Command(p.Context(), "ping", "-n", "-c", "1", "-W", "1", to).Run() == nil
	})
}

// address is the first address of a result.
func address(r *types100.Result) string { return r.IPs[0].Address.IP.String() }

// memoryPods are pods that a test makes.
type memoryPods struct {
	mu   sync.Mutex
	pods map[string]*Pod
	// early lets the server know of pods that come.
	early bool
	come  func(*Pod)
}

var _ Pods = (*memoryPods)(nil)

func (m *memoryPods) put(p *Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pods[p.Namespace+"/"+p.Name] = p
	if m.early && m.come != nil {
		m.come(p)
	}
}

// bound lets the server know of a pod, as of one that has just come.
func (m *memoryPods) bound(p *Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.come != nil {
		m.come(p)
	}
}

func (m *memoryPods) Follow(_ context.Context, f func(*Pod)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.come = f
}

func (m *memoryPods) remove(p *Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pods[p.Namespace+"/"+p.Name].UID == p.UID {
		delete(m.pods, p.Namespace+"/"+p.Name)
	}
}

func (m *memoryPods) Pod(_ context.Context, namespace, name, uid string) (*Pod, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pods[namespace+"/"+name]
	if !ok || uid != "" && p.UID != types.UID(uid) {
		return nil, ErrNoPod
	}
	found := *p
	return &found, nil
}

func (m *memoryPods) Annotate(_ context.Context, pod *Pod, annotations map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pods[pod.Namespace+"/"+pod.Name]
	if !ok || p.UID != pod.UID {
		return ErrNoPod
	}
	next := *p
	next.Annotations = maps.Clone(annotations)
	for key, value := range p.Annotations {
		if _, ok := annotations[key]; !ok {
			next.Annotations[key] = value
		}
	}
	m.pods[pod.Namespace+"/"+pod.Name] = &next
	return nil
}

// text is JSON for a message.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// cable forwards connections, unless it is unplugged, until it is cut.
type cable struct {
	listener  net.Listener
	unplugged atomic.Bool
	mu        sync.Mutex
	ends      []net.Conn
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{}
	if c.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cut)
	go func() {
		for {
			in, err := c.listener.Accept()
			if err != nil {
				return
			}
			if c.unplugged.Load() {
				in.Close()
				continue
			}
			out, err := net.Dial("tcp", target.Host)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.ends = append(c.ends, in, out)
			c.mu.Unlock()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
		}
	}()
	return c
}

func (c *cable) url() string { return "https://" + c.listener.Addr().String() }

// cut ends all connections for good.
func (c *cable) cut() {
	c.listener.Close()
	c.unplug()
}

// unplug ends all connections; plug lets new ones through.
func (c *cable) unplug() {
	c.unplugged.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end.Close()
	}
}

func (c *cable) plug() { c.unplugged.Store(false) }
