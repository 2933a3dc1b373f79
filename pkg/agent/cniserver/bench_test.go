package cniserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// BenchmarkAdd measures the addition of pods' interfaces through libcni and the plugin, beside the same work done in the way of
// Kube-OVN 1.17 (pkg/daemon), in turns on one node: see docs/benchmarks.md. -benchtime=200x adds 200 pods on each side.
//
// Both sides are measured twice: with the address there before the addition begins (not counted), as it is when the runtime takes
// longer to make a sandbox than Kube-OVN's controller, or our server, to get the address; and "at-once", with the address asked for
// when the addition begins. Of Kube-OVN's way are not done, and so not counted: the probing of addresses by ARP (4 to 7 s for
// each pod by its default), the check of the gateway, bandwidth and mirrors.
func BenchmarkAdd(b *testing.B) {
	n := started(b)
	peer := startPeer(n)
	ours, theirs := &byLibcni{n, n.network("1.0.0")}, &byLibcni{n, peer.network()}
	compare(n, b, func() []*side {
		return []*side{
			{name: "northbound", runtime: ours, allocate: func(p *pod) error { _, err := peer.request(p); return err }},
			{name: "kube-ovn", runtime: theirs, allocate: peer.allocate},
			{name: "northbound-at-once", runtime: ours},
			{name: "kube-ovn-at-once", runtime: theirs, meanwhile: func(_ context.Context, p *pod) error { return peer.allocate(p) }},
		}
	})
}

// compare measures both sides, each with the address first and at once, in turns.
func compare(n *node, b *testing.B, each func() []*side) {
	for _, parallel := range []int{1, 4, 10} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			sides := each()
			for done := 0; done < b.N; done += parallel {
				for _, s := range sides {
					s.round(n, min(parallel, b.N-done))
				}
			}
			for _, s := range sides {
				b.ReportMetric(milliseconds(s.additions.percentile(50)), "ms-p50/"+s.name)
				b.ReportMetric(milliseconds(s.additions.percentile(99)), "ms-p99/"+s.name)
				if s.sandboxes.percentile(50) > 0 {
					b.ReportMetric(milliseconds(s.sandboxes.percentile(50)), "ms-sandbox-p50/"+s.name)
					b.ReportMetric(milliseconds(s.sandboxes.percentile(99)), "ms-sandbox-p99/"+s.name)
				}
			}
			ratio := func(ours, theirs *side) float64 {
				return float64(theirs.additions.percentile(50)) / float64(ours.additions.percentile(50))
			}
			b.ReportMetric(ratio(sides[0], sides[1]), "p50-ratio")
			b.ReportMetric(ratio(sides[2], sides[3]), "p50-ratio-at-once")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// durations are measurements of one thing.
type durations []time.Duration

// percentile is the smallest of the durations that so many in a hundred do not exceed.
func (d durations) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[(len(sorted)*p-1)/100]
}

// containerRuntime is a way to have the plugin add pods' interfaces.
type containerRuntime interface {
	// pod makes a pod whose interface can be added.
	pod(name string) *pod
	// add returns how long the addition took, and how long all that the runtime did for the pod's sandbox, 0 if that is not its.
	add(*pod) (addition, sandbox time.Duration, err error)
	// remove removes the interface and the sandbox.
	remove(*pod)
}

// byLibcni is the runtime of the tests.
type byLibcni struct {
	node    *node
	network *libcni.NetworkConfigList
}

func (r *byLibcni) pod(name string) *pod {
	p := r.node.pod(name)
	p.net = r.network
	return p
}

func (r *byLibcni) add(p *pod) (addition, sandbox time.Duration, err error) {
	began := time.Now()
	_, err = p.tryAdd()
	return time.Since(began), 0, err
}

func (r *byLibcni) remove(p *pod) {
	p.del()
	p.sandbox.Close()
}

// side is one way to add interfaces.
type side struct {
	name      string
	runtime   containerRuntime
	allocate  func(*pod) error                  // before the addition, and not counted
	meanwhile func(context.Context, *pod) error // beginning with what the runtime does, until that has ended

	mu                   sync.Mutex
	additions, sandboxes durations
}

// round adds so many pods at once, and removes them.
func (s *side) round(n *node, parallel int) {
	pods := make([]*pod, parallel)
	for i := range pods {
		pods[i] = s.runtime.pod(fmt.Sprint("p", i))
		if s.allocate != nil {
			if err := s.allocate(pods[i]); err != nil {
				n.Fatal(err)
			}
		}
	}
	n.settle()
	errs := make(chan error, 2*parallel)
	var work sync.WaitGroup
	for _, p := range pods {
		ctx, cancel := context.WithCancel(n.Context())
		if s.meanwhile != nil {
			work.Go(func() { errs <- s.meanwhile(ctx, p) })
		}
		work.Go(func() {
			defer cancel()
			addition, sandbox, err := s.runtime.add(p)
			errs <- err
			s.mu.Lock()
			defer s.mu.Unlock()
			s.additions, s.sandboxes = append(s.additions, addition), append(s.sandboxes, sandbox)
		})
	}
	work.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			n.Error(err)
		}
	}
	if n.Failed() {
		n.FailNow()
	}
	for _, p := range pods {
		work.Go(func() {
			p.terminate()
			s.runtime.remove(p)
			p.pods.remove(p.object)
		})
	}
	work.Wait()
}

// settle waits until OVN has carried out what was asked before: what the round before has removed is not this one's to bear.
func (n *node) settle() {
	n.Helper()
	ovntest.Nbctl(n, n.api.NBAddress, fmt.Sprintf("--timeout=%d", int(patience.Seconds())), "--wait=hv", "sync")
}

// peer is a server that adds interfaces in Kube-OVN's way.
type peer struct {
	*node
	socket string
	host   *host.Host

	mu        sync.Mutex
	allocated map[string]v1.PodInterfaceStatus // by pod: what its annotations say
}

func startPeer(n *node) *peer {
	n.Helper()
	p := &peer{node: n, socket: filepath.Join(n.dir, "peer.sock"), allocated: map[string]v1.PodInterfaceStatus{}}
	var err error
	if p.host, err = host.Open(n.Path()); err != nil {
		n.Fatal(err)
	}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		n.Fatal(err)
	}
	mux := http.NewServeMux()
	handle := func(path string, f func(context.Context, *cni.Request) (*cni.Response, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var request cni.Request
			var answer any
			err := json.NewDecoder(r.Body).Decode(&request)
			code := http.StatusOK
			if err == nil {
				answer, err = f(r.Context(), &request)
			}
			if err != nil {
				code, answer = http.StatusInternalServerError, cni.Errorf(cni.CodeFailed, "%v", err)
			}
			body, _ := json.Marshal(answer)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(code)
			_, _ = w.Write(body)
		})
	}
	handle(cni.PathAdd, p.serveAdd)
	handle(cni.PathDel, p.serveDel)
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	n.Cleanup(func() {
		server.Close()
		p.host.Close()
	})
	return p
}

func (p *peer) network() *libcni.NetworkConfigList {
	list, err := libcni.NetworkConfFromBytes(fmt.Appendf(nil, `{"cniVersion": "1.0.0", "name": "peer", "plugins": [{"type": "kube-ovn", "server_socket": %q}]}`, p.socket))
	if err != nil {
		p.Fatal(err)
	}
	return list
}

// allocate does what Kube-OVN's controller does for a pod: its address and its logical port, then its annotations.
func (p *peer) allocate(pod *pod) error {
	answer, err := p.request(pod)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allocated[pod.object.Name] = answer.Status.Interfaces[0]
	return nil
}

// request asks the API for a pod's interface, as our server does when the pod is bound to the node.
func (p *peer) request(pod *pod) (*v1.PodInterfaces, error) {
	request := &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{PodName: pod.object.Name, PodNamespace: pod.object.Namespace, PodUID: string(pod.object.UID),
		NodeName: nodeName, Interfaces: []v1.PodInterface{{Subnet: v1.DefaultSubnet}}}}
	return p.client.KubeovnV1().PodInterfaces().Create(p.Context(), request, metav1.CreateOptions{})
}

// annotations is what a lister answers.
func (p *peer) annotations(pod string) (v1.PodInterfaceStatus, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.allocated[pod]
	return a, ok
}

// Kube-OVN's intervals.
const (
	annotationInterval = time.Second
	installedInterval  = 500 * time.Millisecond
)

func (p *peer) serveAdd(ctx context.Context, r *cni.Request) (*cni.Response, error) {
	allocated, ok := p.annotations(r.PodName)
	for attempt := 0; !ok; attempt++ {
		if attempt == 20 {
			return nil, errors.New("no address")
		}
		time.Sleep(annotationInterval)
		allocated, ok = p.annotations(r.PodName)
	}
	sandbox, err := openSandbox(r.NetNS)
	if err != nil {
		return nil, err
	}
	defer sandbox.close()
	hostName, inside := r.ContainerID[:12]+"_h", r.ContainerID[:12]+"_c"
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: hostName, MTU: 1400})
	veth.PeerName = inside
	if err := p.host.LinkAdd(veth); err != nil {
		return nil, err
	}
	if err := p.host.LinkSetUp(veth); err != nil {
		return nil, err
	}
	if _, err := p.vsctl(ctx, "--may-exist", "add-port", "br-int", hostName, "--", "set", "interface", hostName,
		"external_ids:iface-id="+allocated.Name, "external_ids:vendor=peer", "external_ids:pod_name="+r.PodName, "external_ids:pod_namespace="+r.PodNamespace,
		"external_ids:ip="+allocated.Spec.IPAddress, "external_ids:pod_netns="+r.NetNS); err != nil {
		return nil, err
	}
	for {
		out, err := p.vsctl(ctx, "--if-exists", "get", "interface", hostName, "external_ids:ovn-installed")
		if err != nil {
			return nil, err
		}
		if strings.Trim(out, "\"\n") == "true" {
			break
		}
		time.Sleep(installedInterval)
	}
	peerLink, err := p.host.LinkByName(inside)
	if err != nil {
		return nil, err
	}
	if err := p.host.LinkSetNsFd(peerLink, int(sandbox.ns)); err != nil {
		return nil, err
	}
	if peerLink, err = sandbox.LinkByName(inside); err != nil {
		return nil, err
	}
	if err := sandbox.LinkSetName(peerLink, r.IfName); err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(allocated.Spec.MacAddress)
	if err != nil {
		return nil, err
	}
	gateway := netip.MustParseAddr(allocated.Gateway)
	addresses := []cni.Address{{Prefix: netip.PrefixFrom(netip.MustParseAddr(allocated.Spec.IPAddress), 16), Gateway: gateway}}
	routes := []cni.Route{{Dst: netip.MustParsePrefix("0.0.0.0/0"), GW: gateway}}
	err = sandbox.configure(&setup{ifName: r.IfName, mac: mac, mtu: 1400, addresses: addresses, routes: routes})
	return &cni.Response{HostIfName: hostName, MAC: mac.String(), MTU: 1400, Addresses: addresses, Routes: routes}, err
}

func (p *peer) serveDel(ctx context.Context, r *cni.Request) (*cni.Response, error) {
	hostName := r.ContainerID[:12] + "_h"
	allocated, ok := p.annotations(r.PodName)
	if ok {
		p.mu.Lock()
		delete(p.allocated, r.PodName)
		p.mu.Unlock()
		if err := p.client.KubeovnV1().IPs().Delete(ctx, allocated.Name, metav1.DeleteOptions{}); err != nil {
			return nil, err
		}
	}
	err := p.vswitch.Apply(ctx, vswitch.RemovePort(hostName))
	return &cni.Response{}, errors.Join(err, disconnect(p.host, hostName))
}

func (p *peer) vsctl(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ovs-vsctl", append([]string{"--db=" + p.Address(), "--timeout=30"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ovs-vsctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
