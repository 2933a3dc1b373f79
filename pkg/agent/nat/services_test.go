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
