package nat_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
)

// newWorldWithServices is a world in which the overlay answers at cluster IPs.
func newWorldWithServices(t *testing.T) *world {
	w := newWorld(t)
	hosttest.Addr(t, w.pods, "lo", "10.96.0.10/32", "fd96::10/128")
	hosttest.Route(t, w.node, "10.96.0.0/12", "10.16.0.5")
	hosttest.Route(t, w.node, "fd96::/112", "fd16::5")
	hosttest.Echo(t, w.pods, 80)
	echoUDP(t, w.pods, 53)
	return w
}

// echoUDP answers every datagram to a port with the address that it comes from.
func echoUDP(t *testing.T, h *host.Host, port int) {
	t.Helper()
	var c *net.UDPConn
	// Bound to its address, so that the answers have it.
	if err := h.Do(func() (err error) {
		c, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP("10.96.0.10"), Port: port})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		for {
			_, from, err := c.ReadFromUDPAddrPort(make([]byte, 100))
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort([]byte(from.Addr().Unmap().String()), from)
		}
	}()
}

// dialUDP opens a flow of UDP; what it returns asks once, and returns the answer.
func dialUDP(t *testing.T, h *host.Host, to string) func() (string, error) {
	t.Helper()
	var c net.Conn
	if err := h.Do(func() (err error) { c, err = net.Dial("udp", to); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func() (string, error) {
		if err := c.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return "", err
		}
		if _, err := c.Write([]byte("?")); err != nil {
			return "", err
		}
		answer := make([]byte, 100)
		n, err := c.Read(answer)
		return string(answer[:n]), err
	}
}

func front(protocol uint8, at, to string, from ...string) nat.Front {
	return nat.Front{Protocol: protocol, At: netip.MustParseAddrPort(at), To: netip.MustParseAddrPort(to), From: prefixes(from...)}
}

// services are the configuration of a node with fronts.
func services(fronts ...nat.Front) nat.Config {
	return nat.Config{
		Services: prefixes("10.96.0.0/12", "fd96::/112"), Fronts: fronts,
		Overlay: prefixes("10.16.0.0/16", "10.17.0.0/16", "10.96.0.0/12", "fd16::/64", "fd96::/112"),
		Subnets: []nat.Subnet{{Name: "a", Prefixes: prefixes("10.16.0.0/16", "10.17.0.0/16", "fd16::/64")}},
	}
}

func TestAServiceIsKnownAtAddressesOutside(t *testing.T) {
	w := newWorldWithServices(t)
	hosttest.Route(t, w.node, "198.51.100.0/24", "192.0.2.9") // a local call needs some route
	w.apply(t, services(
		front(unix.IPPROTO_TCP, "192.0.2.1:30080", "10.96.0.10:80"), front(unix.IPPROTO_UDP, "192.0.2.1:30080", "10.96.0.10:53"),
		front(unix.IPPROTO_TCP, "[fd02::1]:30080", "[fd96::10]:80"), front(unix.IPPROTO_TCP, "198.51.100.7:8080", "10.96.0.10:80"),
		front(unix.IPPROTO_TCP, "198.51.100.7:8080", "10.96.0.99:80"), // a second one of an address is of no effect
	))
	for _, test := range []struct {
		from     string
		host     *host.Host
		to, want string
	}{
		{"outside to the node", w.outside, "192.0.2.1:30080", "10.16.0.1"},
		{"outside to the node over IPv6", w.outside, "[fd02::1]:30080", "fd16::1"},
		{"outside to another address", w.outside, "198.51.100.7:8080", "10.16.0.1"},
		{"the node to itself", w.node, "192.0.2.1:30080", "10.16.0.1"},
		{"the node to another address", w.node, "198.51.100.7:8080", "10.16.0.1"},
		{"a pod to the node", w.pods, "192.0.2.1:30080", "10.16.0.1"},
		{"a pod to the node over IPv6", w.pods, "[fd02::1]:30080", "fd16::1"},
		// Who calls the Service itself keeps its address, as does what goes elsewhere.
		{"outside to the cluster IP", w.outside, "10.96.0.10:80", "192.0.2.9"},
		{"outside to a port of the node", w.outside, "192.0.2.1:80", "192.0.2.9"},
	} {
		if got, err := hosttest.Call(t, test.host, "", test.to); err != nil || got != test.want {
			t.Errorf("from %s: the source is %q (%v), want %q", test.from, got, err, test.want)
		}
	}
	ask := dialUDP(t, w.outside, "192.0.2.1:30080")
	if got, err := ask(); err != nil || got != "10.16.0.1" {
		t.Errorf("by UDP from outside: the source is %q (%v)", got, err)
	}

	// A change takes effect for the next connection; flows that are there stay.
	w.apply(t, services(front(unix.IPPROTO_TCP, "192.0.2.1:30081", "10.96.0.10:80")))
	if got, err := ask(); err != nil || got != "10.16.0.1" {
		t.Errorf("a flow from before the change: the source is %q (%v)", got, err)
	}
	if got, err := hosttest.Call(t, w.outside, "", "192.0.2.1:30080"); err == nil {
		t.Errorf("a port that leads nowhere answers %q", got)
	}
	if got, err := hosttest.Call(t, w.outside, "", "192.0.2.1:30081"); err != nil || got != "10.16.0.1" {
		t.Errorf("a new port: the source is %q (%v)", got, err)
	}
	w.want(t, "10.16.0.5", "192.0.2.9:80", "192.0.2.1") // as pods always do
}

func TestALoadBalancerAdmitsTheSourcesThatItsServiceNames(t *testing.T) {
	w := newWorldWithServices(t)
	w.apply(t, services(
		front(unix.IPPROTO_TCP, "198.51.100.1:80", "10.96.0.10:80", "192.0.2.9/32", "10.17.0.0/16"),
		front(unix.IPPROTO_TCP, "198.51.100.1:81", "10.96.0.10:80", "fd02::/64"), // nobody of IPv4
		front(unix.IPPROTO_TCP, "[2001:db8::1]:80", "[fd96::10]:80", "fd02::/64", "192.0.2.9/32"),
	))
	for _, test := range []struct {
		host           *host.Host
		from, to, want string
	}{
		{w.outside, "192.0.2.9", "198.51.100.1:80", "10.16.0.1"},
		{w.outside, "192.0.2.10", "198.51.100.1:80", ""},
		{w.outside, "192.0.2.9", "198.51.100.1:81", ""},
		{w.outside, "192.0.2.9", "198.51.100.1:82", ""},
		{w.pods, "10.17.0.5", "198.51.100.1:80", "10.16.0.1"},
		{w.pods, "10.16.0.5", "198.51.100.1:80", ""},
		{w.outside, "fd02::9", "[2001:db8::1]:80", "fd16::1"},
		{w.pods, "fd16::5", "[2001:db8::1]:80", ""},
	} {
		if got, err := hosttest.Call(t, test.host, test.from, test.to); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("from %s to %s: got %q (%v), want %q", test.from, test.to, got, err, test.want)
		}
	}
}

// local is a front whose calls from outside go to back ends on the node.
func local(f nat.Front, affinity bool, backEnds ...string) nat.Front {
	f.Local = &nat.Local{Affinity: affinity}
	for _, end := range backEnds {
		f.Local.BackEnds = append(f.Local.BackEnds, netip.MustParseAddrPort(end))
	}
	return f
}

func TestCallsFromOutsideMayGoToBackEndsOnTheNodeOnly(t *testing.T) {
	w := newWorldWithServices(t)
	hosttest.Addr(t, w.outside, "lo", "192.0.2.77/32")
	hosttest.Route(t, w.node, "192.0.2.77/32", "192.0.2.9")
	hosttest.Serve(t, w.pods, 81, "second")
	const tcp = unix.IPPROTO_TCP
	config := services(
		local(front(tcp, "192.0.2.1:30080", "10.96.0.10:80"), false, "10.16.0.5:80"),
		local(front(tcp, "192.0.2.3:30080", "10.96.0.10:80"), false, "10.16.0.5:80"),
		local(front(tcp, "[fd02::1]:30080", "[fd96::10]:80"), false, "[fd16::5]:80"),
		local(front(tcp, "192.0.2.1:30081", "10.96.0.10:81"), false),
		local(front(tcp, "192.0.2.1:30082", "10.96.0.10:82"), false, "10.18.0.5:80"),
		local(front(tcp, "198.51.100.1:80", "10.96.0.10:80", "192.0.2.9/32", "fd02::/64"), false, "10.16.0.5:80"),
		local(front(tcp, "198.51.100.1:81", "10.96.0.10:81", "fd02::/64"), false, "10.16.0.5:80"),
		local(front(tcp, "198.51.100.2:81", "10.96.0.10:81"), false),
		front(tcp, "192.0.2.1:30083", "10.96.0.10:80"),
	)
	config.Centralized = prefixes("10.18.0.0/24")
	for _, node := range []string{"192.0.2.1", "fd02::1", "192.0.2.77"} {
		config.Nodes = append(config.Nodes, netip.MustParseAddr(node))
	}
	config.Overlay = append(config.Overlay, prefixes("10.18.0.0/16")...)
	w.apply(t, config)
	for _, test := range []struct {
		what           string
		host           *host.Host
		from, to, want string
	}{
		{"a client keeps its address", w.outside, "192.0.2.9", "192.0.2.1:30080", "192.0.2.9"},
		{"at another address of the Service", w.outside, "192.0.2.10", "192.0.2.3:30080", "192.0.2.10"},
		{"over IPv6", w.outside, "fd02::9", "[fd02::1]:30080", "fd02::9"},
		{"another node is answered directly by the overlay", w.outside, "192.0.2.77", "192.0.2.1:30080", "10.16.0.1"},
		{"without back ends", w.outside, "192.0.2.9", "192.0.2.1:30081", ""},
		{"answers would leave by another node", w.outside, "192.0.2.9", "192.0.2.1:30082", "10.18.0.1"},
		{"a source that is admitted", w.outside, "192.0.2.9", "198.51.100.1:80", "192.0.2.9"},
		{"a source that is not", w.outside, "192.0.2.10", "198.51.100.1:80", ""},
		{"sources of the other family", w.outside, "192.0.2.9", "198.51.100.1:81", ""},
		{"a pod, which is answered directly, too", w.pods, "10.17.0.5", "192.0.2.1:30080", "10.16.0.1"},
		{"a pod without back ends on the node", w.pods, "", "192.0.2.1:30081", ""},
		// These go to the cluster IP, also without back ends on the node.
		{"the node", w.node, "", "192.0.2.1:30080", "10.16.0.1"},
		{"the node without back ends", w.node, "", "192.0.2.1:30081", "second"},
		{"a pod, to a load balancer", w.pods, "10.16.0.5", "198.51.100.2:81", "second"},
		{"a Service for which all nodes are alike", w.outside, "192.0.2.9", "192.0.2.1:30083", "10.16.0.1"},
	} {
		if got, err := hosttest.Call(t, test.host, test.from, test.to); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: from %s to %s: got %q (%v), want %q", test.what, test.from, test.to, got, err, test.want)
		}
	}
}

func TestBackEndsOnTheNodeShareTheClients(t *testing.T) {
	w := newWorldWithServices(t)
	ends := []string{"10.16.0.5:8001", "10.17.0.5:8002", "10.16.0.5:8003"}
	for i, name := range []string{"one", "two", "three"} {
		hosttest.Serve(t, w.pods, 8001+i, name)
	}
	w.apply(t, services(
		local(front(unix.IPPROTO_TCP, "192.0.2.1:30080", "10.96.0.10:80"), false, ends...),
		local(front(unix.IPPROTO_TCP, "192.0.2.1:30081", "10.96.0.10:81"), true, ends...),
	))
	answers := func(from, to string) map[string]int {
		t.Helper()
		counted := map[string]int{}
		for range 60 { // 1 in 10^10 that a fair choice leaves one out
			got, err := hosttest.Call(t, w.outside, from, to)
			if err != nil {
				t.Fatal(err)
			}
			counted[got]++
		}
		return counted
	}
	if got := answers("192.0.2.9", "192.0.2.1:30080"); len(got) != 3 {
		t.Errorf("the answers are %v", got)
	}
	for _, from := range []string{"192.0.2.9", "192.0.2.10"} {
		if got := answers(from, "192.0.2.1:30081"); len(got) != 1 {
			t.Errorf("with affinity, the answers to %s are %v", from, got)
		}
	}
}
