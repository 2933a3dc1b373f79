package nat_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
)

// nameUDP answers every datagram at an address with a name and with where it comes from.
func nameUDP(t *testing.T, h *host.Host, at, name string) {
	t.Helper()
	var c *net.UDPConn
	if err := h.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
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
			_, _ = c.WriteToUDPAddrPort([]byte(name+" "+from.String()), from)
		}
	}()
}

// One client of UDP keeps its socket while the front that it calls changes in every way; another one's front stays as it is, and so does
// its connection.
func TestConnectionsOfUDPFollowTheTable(t *testing.T) {
	for _, family := range []struct{ name, node, cluster, other, pod string }{
		{"IPv4", "192.0.2.1", "10.96.0.10", "10.96.0.11", "10.16.0.5"},
		{"IPv6", "fd02::1", "fd96::10", "fd96::11", "fd16::5"},
	} {
		t.Run(family.name, func(t *testing.T) {
			w := newWorld(t)
			hosttest.Addr(t, w.pods, "lo", "10.96.0.10/32", "fd96::10/128", "10.96.0.11/32", "fd96::11/128")
			hosttest.Route(t, w.node, "10.96.0.0/12", "10.16.0.5")
			hosttest.Route(t, w.node, "fd96::/112", "fd16::5")
			at := func(address, port string) string { return net.JoinHostPort(address, port) }
			nameUDP(t, w.pods, at(family.cluster, "53"), "cluster")
			nameUDP(t, w.pods, at(family.other, "53"), "other")
			nameUDP(t, w.pods, at(family.pod, "8001"), "one")
			nameUDP(t, w.pods, at(family.pod, "8002"), "two")
			udp := func(port, to string) nat.Front { return front(unix.IPPROTO_UDP, at(family.node, port), to) }
			var tracker nat.Tracker
			apply := func(fronts ...nat.Front) {
				t.Helper()
				config := services(append(fronts, udp("30090", at(family.cluster, "53")))...)
				w.apply(t, config)
				if err := tracker.Follow(w.node, config); err != nil {
					t.Fatal(err)
				}
			}
			apply()
			ask, askOther := dialUDP(t, w.outside, at(family.node, "30080")), dialUDP(t, w.outside, at(family.node, "30090"))
			undisturbed, err := askOther()
			if err != nil {
				t.Fatal(err)
			}
			const refused, silence = "refused", "silence"
			for _, step := range []struct {
				what   string
				fronts []nat.Front
				want   string
			}{
				{"no Service yet", nil, refused},
				{"the Service comes", []nat.Front{udp("30080", at(family.cluster, "53"))}, "cluster"},
				{"another cluster IP", []nat.Front{udp("30080", at(family.other, "53"))}, "other"},
				{"a back end on the node", []nat.Front{local(udp("30080", at(family.other, "53")), false, at(family.pod, "8001"))}, "one"},
				{"another back end on the node", []nat.Front{local(udp("30080", at(family.other, "53")), false, at(family.pod, "8002"))}, "two"},
				{"no back end on the node", []nat.Front{local(udp("30080", at(family.other, "53")), false)}, silence},
				{"a back end is back", []nat.Front{local(udp("30080", at(family.other, "53")), true, at(family.pod, "8001"))}, "one"},
				{"all nodes are alike", []nat.Front{udp("30080", at(family.other, "53"))}, "other"},
				{"a back end on the node again", []nat.Front{local(udp("30080", at(family.other, "53")), false, at(family.pod, "8001"))}, "one"},
				{"the Service goes while it has back ends on the node", nil, refused},
				{"the Service is back", []nat.Front{udp("30080", at(family.cluster, "53"))}, "cluster"},
				{"the Service goes", nil, refused},
			} {
				apply(step.fronts...)
				got, err := ask()
				got, _, _ = strings.Cut(got, " ")
				switch {
				case errors.Is(err, syscall.ECONNREFUSED):
					got = refused
				case errors.Is(err, os.ErrDeadlineExceeded):
					got = silence
				case err != nil:
					t.Fatalf("%s: %v", step.what, err)
				}
				if got != step.want {
					t.Errorf("%s: the answer is %q, want %q", step.what, got, step.want)
				}
				if got, err := askOther(); err != nil || got != undisturbed {
					t.Errorf("%s: the client of another front gets %q (%v), want %q", step.what, got, err, undisturbed)
				}
			}

			// An agent that starts finds what its predecessor left.
			apply(local(udp("30080", at(family.other, "53")), false, at(family.pod, "8001")))
			if got, err := ask(); !strings.HasPrefix(got, "one ") {
				t.Fatalf("got %q (%v)", got, err)
			}
			tracker = nat.Tracker{}
			apply()
			if got, err := ask(); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("after a restart, a front that is gone still answers %q (%v)", got, err)
			}
		})
	}
}
