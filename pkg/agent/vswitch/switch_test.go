package vswitch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
)

// patience bounds what must happen soon, on a machine that is busy.
const patience = 60 * time.Second

// open returns the switch of a node.
func open(t *testing.T, node *vswitchtest.Node) *vswitch.Switch {
	t.Helper()
	s, err := vswitch.Open(t.Context(), node.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	wait(t, s, "the session", func(vswitch.Snapshot) bool { return true })
	return s
}

func wait(t *testing.T, s *vswitch.Switch, what string, condition func(vswitch.Snapshot) bool) vswitch.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	now, err := s.Wait(ctx, condition)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return now
}

func apply(t *testing.T, s *vswitch.Switch, changes ...vswitch.Change) {
	t.Helper()
	if err := s.Apply(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

// ports are the names of a bridge's ports.
func ports(s vswitch.Snapshot, bridge string) map[string]bool {
	out := map[string]bool{}
	for p := range s.Ports(s.Bridge(bridge)) {
		out[p.Name] = true
	}
	return out
}

func TestABridgeWithPortsIsMadeAndComesToLife(t *testing.T) {
	node := vswitchtest.Start(t)
	s := open(t, node)
	apply(t, s,
		vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", DatapathType: "netdev", FailMode: "secure", ExternalIDs: map[string]string{"a": "1"}}),
		vswitch.EnsurePort(vswitch.PortSpec{Name: "p0", Bridge: "br0", Type: "internal", MAC: "02:00:00:00:00:01", MTU: 1400, Tag: 7,
			ExternalIDs: map[string]string{"iface-id": "pod.ns", "none": ""}, PortConfig: map[string]string{"transient": "true"}}),
		vswitch.SetSettings(map[string]string{"x": "y"}))

	now := s.Snapshot()
	if now.Settings["x"] != "y" || now.Settings["hostname"] != "test" {
		t.Errorf("settings %v, want x added to what was there", now.Settings)
	}
	if diff := cmp.Diff(map[string]bool{"br0": true, "p0": true}, ports(now, "br0")); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if b := now.BridgeOf("p0"); b == nil || b.Name != "br0" || b.DatapathType != "netdev" || b.FailMode != "secure" || b.ExternalIDs["a"] != "1" {
		t.Errorf("got bridge %+v", b)
	}
	if p := now.Port("p0"); p.Tag != 7 || p.OtherConfig["transient"] != "true" {
		t.Errorf("got port %+v", p)
	}
	now = wait(t, s, "p0 is added", func(now vswitch.Snapshot) bool {
		i := now.Interface("p0")
		return i.OFPort > 0 && i.MACInUse == i.MAC && i.MTU == 1400
	})
	i := now.Interface("p0")
	if i.MAC != "02:00:00:00:00:01" || i.Error != "" || !maps.Equal(i.ExternalIDs, map[string]string{"iface-id": "pod.ns"}) {
		t.Errorf("got interface %+v", i)
	}
	if out := node.Run(t, "ip", "-o", "link", "show", "p0"); !strings.Contains(out, "mtu 1400") {
		t.Errorf("the device is %s", out)
	}
}

func TestAnInterfaceWithoutDeviceHasAnError(t *testing.T) {
	s := open(t, vswitchtest.Start(t))
	apply(t, s,
		vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", DatapathType: "netdev"}),
		vswitch.EnsurePort(vswitch.PortSpec{Name: "nothing", Bridge: "br0"}))
	now := wait(t, s, "an error", func(now vswitch.Snapshot) bool { return now.Interface("nothing").OFPort == -1 })
	if now.Interface("nothing").Error == "" {
		t.Error("the interface has no error")
	}
}

func TestChangesAreMadeOnceAndRemoved(t *testing.T) {
	s := open(t, vswitchtest.Start(t))
	port := vswitch.PortSpec{Name: "p0", Bridge: "br0", Type: "internal", ExternalIDs: map[string]string{"iface-id": "a", "ip": "10.0.0.1"}}
	bridges := []vswitch.Change{
		vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", DatapathType: "netdev"}),
		vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br1", DatapathType: "netdev"}),
	}
	apply(t, s, append(bridges, vswitch.EnsurePort(port))...)
	apply(t, s, append(bridges, vswitch.EnsurePort(port))...)

	port.Bridge, port.Tag = "br1", 5
	port.ExternalIDs = map[string]string{"iface-id": "b", "ip": ""}
	apply(t, s, vswitch.EnsurePort(port))
	now := s.Snapshot()
	if now.BridgeOf("p0").Name != "br1" || now.Port("p0").Tag != 5 || ports(now, "br0")["p0"] {
		t.Errorf("p0 was not moved: %+v on %+v", now.Port("p0"), now.BridgeOf("p0"))
	}
	if ids := now.Interface("p0").ExternalIDs; !maps.Equal(ids, map[string]string{"iface-id": "b"}) {
		t.Errorf("got external_ids %v", ids)
	}

	// The same port, removed and made anew in one transaction, is another row.
	apply(t, s, vswitch.RemovePort("p0"), vswitch.EnsurePort(vswitch.PortSpec{Name: "p0", Bridge: "br0", Type: "internal"}))
	now = s.Snapshot()
	if now.BridgeOf("p0").Name != "br0" || len(now.Interface("p0").ExternalIDs) > 0 {
		t.Errorf("p0 is not new: %+v", now.Interface("p0"))
	}
	apply(t, s, vswitch.RemovePort("p0"), vswitch.RemovePort("p0"), vswitch.RemovePort("none"), vswitch.RemoveBridge("br1"), vswitch.RemoveBridge("none"))
	now = s.Snapshot()
	if now.Port("p0") != nil || now.Interface("p0") != nil || now.Bridge("br1") != nil || now.Interface("br1") != nil || now.Bridge("br0") == nil {
		t.Errorf("got ports of br0 %v, br1 %v", ports(now, "br0"), now.Bridge("br1"))
	}
	apply(t, s, vswitch.SetSettings(map[string]string{"x": "1"}))
	apply(t, s, vswitch.SetSettings(map[string]string{"x": "2", "hostname": ""}))
	if got := s.Snapshot().Settings; !maps.Equal(got, map[string]string{"x": "2"}) {
		t.Errorf("got settings %v", got)
	}
}

func TestAChangeThatCannotBeIsRefusedAsAWhole(t *testing.T) {
	s := open(t, vswitchtest.Start(t))
	err := s.Apply(t.Context(), vswitch.SetSettings(map[string]string{"x": "y"}), vswitch.EnsurePort(vswitch.PortSpec{Name: "p0", Bridge: "br9"}))
	if err == nil || !strings.Contains(err.Error(), "there is no bridge br9") {
		t.Errorf("got error %v", err)
	}
	err = s.Apply(t.Context(), vswitch.SetSettings(map[string]string{"x": "y"}), vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", FailMode: "open"}))
	if err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("got error %v", err)
	}
	if got := s.Snapshot().Settings["x"]; got != "" {
		t.Error("a part of a refused change was made")
	}
	if _, err := vswitch.Open(t.Context(), "nowhere"); err == nil {
		t.Error("an address without scheme is accepted")
	}
}

func TestParallelChangesOfOneBridgeAllTakePlace(t *testing.T) {
	const parallel, rounds = 8, 10
	s := open(t, vswitchtest.Start(t))
	apply(t, s, vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", DatapathType: "netdev"}))
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() {
			for j := range rounds {
				// All ensure the same port, and one of their own.
				err := s.Apply(t.Context(),
					vswitch.EnsurePort(vswitch.PortSpec{Name: fmt.Sprint("shared", j), Bridge: "br0", Type: "internal"}),
					vswitch.EnsurePort(vswitch.PortSpec{Name: fmt.Sprintf("p%d-%d", i, j), Bridge: "br0", Type: "internal"}))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := len(ports(s.Snapshot(), "br0")), 1+rounds+parallel*rounds; got != want {
		t.Errorf("got %d ports, want %d", got, want)
	}
}

func TestChangesOfOthersAreSeen(t *testing.T) {
	node := vswitchtest.Start(t)
	s := open(t, node)
	before := s.Snapshot()
	node.Vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "--", "add-port", "br0", "p0", "--", "set", "interface", "p0", "type=internal")
	node.Vsctl("set", "interface", "p0", "external_ids:ovn-installed=true")
	now := wait(t, s, "p0", func(now vswitch.Snapshot) bool { return now.Interface("p0").Installed() })
	if before.Bridge("br0") != nil || before.Interface("p0").Installed() {
		t.Error("an old snapshot has changed")
	}
	select {
	case <-before.Changed():
	default:
		t.Error("an old snapshot does not know that there is a newer one")
	}
	node.Vsctl("del-br", "br0")
	wait(t, s, "nothing", func(now vswitch.Snapshot) bool { return now.Bridge("br0") == nil && now.Interface("p0") == nil })
	if now.Port("p0") == nil {
		t.Error("an old snapshot has changed")
	}
}

func TestChangesWaitForTheDatabaseAndAreNotLost(t *testing.T) {
	node := vswitchtest.Start(t)
	s := open(t, node)
	apply(t, s, vswitch.EnsureBridge(vswitch.BridgeSpec{Name: "br0", DatapathType: "netdev"}))
	for round := range 3 {
		name := fmt.Sprint("p", round)
		change := vswitch.EnsurePort(vswitch.PortSpec{Name: name, Bridge: "br0", Type: "internal"})
		done := make(chan error, 8)
		for i := range cap(done) / 2 {
			go func() {
				done <- s.Apply(t.Context(), change, vswitch.SetSettings(map[string]string{fmt.Sprint("k", i): name}))
			}()
		}
		node.Server().Kill()
		disconnected := s.Snapshot()
		for disconnected.Connected {
			<-disconnected.Changed()
			disconnected = s.Snapshot()
		}
		if disconnected.Bridge("br0") == nil {
			t.Error("without a session the content is not what was last seen")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Apply(ctx, change); !errors.Is(err, context.Canceled) {
			t.Errorf("without a session: got error %v, want the context's", err)
		}
		for range cap(done) / 2 {
			go func() { done <- s.Apply(t.Context(), change) }()
		}
		node.StartServer()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		now := s.Snapshot()
		if !now.Connected || now.Port(name) == nil || now.Settings["k3"] != name {
			t.Errorf("round %d: connected %t, %v, %v", round, now.Connected, ports(now, "br0"), now.Settings)
		}
	}
}

func TestClose(t *testing.T) {
	s := open(t, vswitchtest.Start(t))
	s.Close()
	if err := s.Apply(t.Context(), vswitch.RemovePort("p")); !errors.Is(err, vswitch.ErrClosed) {
		t.Errorf("got error %v, want %v", err, vswitch.ErrClosed)
	}
}
