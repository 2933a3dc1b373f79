//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// The world outside the cluster: a namespace behind the control plane's, with one server that says who asks. It knows the
// way to nodes, and to no pod.
const (
	internetVariable = "NORTHBOUND_TEST_INTERNET"
	internet         = "203.0.113.10"
	internetRouter   = "203.0.113.1"
)

// serveInternet is the process in that namespace.
func serveInternet() {
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it has an address
	fmt.Fprintln(os.Stderr, serveAddresses())
	os.Exit(1)
}

// serveAddresses tells each client its address.
func serveAddresses() error {
	return http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, host)
	}))
}

// startOutside starts the process of TestMain for a variable in a network namespace of its own; it goes on when told.
func startOutside(t *testing.T, variable, value string) (ns netns.NsHandle, tell io.Writer) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), variable+"="+value)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	tell, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if ns, err = netns.GetFromPid(c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns, tell
}

// startInternet connects a new namespace with the one that the test is in.
func startInternet(t *testing.T) {
	t.Helper()
	ns, tell := startOutside(t, internetVariable, "1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "internet"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}))
	t.Cleanup(func() {
		if l, err := netlink.LinkByName("internet"); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
	there, err := netlink.NewHandleAt(ns)
	must(err)
	defer there.Close()
	here, err := netlink.NewHandle()
	must(err)
	defer here.Close()
	for name, at := range map[string]struct {
		*netlink.Handle
		address string
	}{"internet": {here, internetRouter}, "eth0": {there, internet}} {
		link, err := at.LinkByName(name)
		must(err)
		address, err := netlink.ParseAddr(at.address + "/24")
		must(err)
		must(at.AddrAdd(link, address))
		must(at.LinkSetUp(link))
	}
	_, toNodes, err := net.ParseCIDR(nodes[node1] + "/24")
	must(err)
	must(there.RouteAdd(&netlink.Route{Dst: toNodes, Gw: net.ParseIP(internetRouter)}))
	_, err = tell.Write([]byte("\n"))
	must(err)
}

func TestPodsReachTheInternetByTheirNodeOrByTheSubnetsGatewayNode(t *testing.T) {
	startInternet(t)
	central := subnet(t, v1.SubnetSpec{
		CIDRBlock: "10.17.1.0/24", NatOutgoing: true, GatewayType: v1.GatewayCentralized, GatewayNode: node2,
	})
	ns := namespace(t)
	start(t, ns, "d1", node1, nil)
	start(t, ns, "d2", node2, nil)
	start(t, ns, "c1", node1, in(central))
	start(t, ns, "c2", node2, in(central))
	for pod, by := range map[string]string{"d1": node1, "d2": node2, "c1": node2, "c2": node2} {
		ready(t, ns, pod)
		answers(t, ns, pod, "http://"+internet+"/", nodes[by])
	}

	// The gateway moves, and the address with it.
	eventually(t, "move the gateway", func(ctx context.Context) error {
		s, err := north.KubeovnV1().Subnets().Get(ctx, central, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s.Spec.GatewayNode = node1
		_, err = north.KubeovnV1().Subnets().Update(ctx, s, metav1.UpdateOptions{})
		return err
	})
	for _, pod := range []string{"c1", "c2"} {
		answers(t, ns, pod, "http://"+internet+"/", nodes[node1])
	}
}

func TestPodsOfASubnetWithoutNatOutgoingDoNotReachTheInternet(t *testing.T) {
	startInternet(t)
	plain := subnet(t, v1.SubnetSpec{CIDRBlock: "10.17.2.0/24"})
	ns := namespace(t)
	started(t, ns, "with", node1, nil)
	started(t, ns, "without", node1, in(plain))
	answers(t, ns, "with", "http://"+internet+"/", nodes[node1])
	if got, err := fetch(t.Context(), ns, "without", "http://"+internet+"/"); err == nil {
		t.Errorf("%q is seen there", got)
	}
}
