package probe_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	"github.com/northbound-ovn/northbound/pkg/agent/probe"
)

// path is a path of a namespace, as the container runtime gives it.
func path(t *testing.T, h *host.Host) string {
	var f *os.File
	if err := h.Do(func() (err error) { f, err = os.Open("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

func TestProbesReachThePodFromInside(t *testing.T) {
	node, a, b, gateway := hosttest.New(t), hosttest.New(t), hosttest.New(t), hosttest.New(t)
	hosttest.Connect(t, node, "eth0", gateway, "eth0")
	hosttest.Addr(t, node, "eth0", "192.0.2.1/24", "fd02::1/64")
	hosttest.Addr(t, gateway, "eth0", "192.0.2.9/24", "fd02::9/64")
	hosttest.Route(t, node, "default", "192.0.2.9")
	hosttest.Route(t, node, "default", "fd02::9")
	for name, pod := range map[string]*host.Host{"10.0.0.2/24": a, "10.0.0.3/24": b} {
		other := hosttest.New(t)
		hosttest.Connect(t, pod, "eth0", other, "x")
		hosttest.Addr(t, pod, "eth0", name, strings.Replace(name, "10.0.0.", "fd10::", 1))
	}
	hosttest.Serve(t, a, 80, "a")
	hosttest.Serve(t, b, 80, "b")

	proxy, err := probe.Listen(node, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { proxy.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })

	at := netip.MustParseAddrPort
	proxy.Set(map[netip.AddrPort]probe.Redirect{
		at("10.0.0.2:80"): {NetNS: path(t, a)}, at("10.0.0.3:80"): {NetNS: path(t, b)}, at("[fd10::2]:80"): {NetNS: path(t, a)},
		at("10.0.0.2:81"): {NetNS: path(t, a)},
	})
	conn, err := node.Nftables()
	if err != nil {
		t.Fatal(err)
	}
	config := nat.Config{
		Port: "ovn0", ProxyPort: proxy.Port(),
		Redirected: []netip.AddrPort{at("10.0.0.2:80"), at("10.0.0.3:80"), at("[fd10::2]:80"), at("10.0.0.2:81")},
		Refused:    []netip.AddrPort{at("10.0.0.9:80"), at("[fd10::9]:80")},
	}
	if err := nat.Apply(conn, config); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{"10.0.0.2:80": "a", "10.0.0.3:80": "b", "[fd10::2]:80": "a"} {
		if got, err := hosttest.Call(t, node, "", to); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", to, got, err, want)
		}
	}
	for _, to := range []string{"10.0.0.9:80", "[fd10::9]:80"} {
		if got, err := hosttest.Call(t, node, "", to); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s is not refused: %q, %v", to, got, err)
		}
	}
	// The pod does not listen: the connection is reset.
	if got, err := hosttest.Call(t, node, "", "10.0.0.2:81"); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("a closed port: %q, %v", got, err)
	}
	// Nobody redirected it.
	if got, err := hosttest.Call(t, node, "", fmt.Sprintf("127.0.0.1:%d", proxy.Port())); err == nil || got != "" {
		t.Errorf("the proxy itself: %q, %v", got, err)
	}
	ports, err := probe.Listening(path(t, a))
	if err != nil || !ports[80] || ports[81] {
		t.Errorf("open ports of a: %v, %v", ports, err)
	}
}
