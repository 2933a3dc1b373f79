package uplink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
)

const netdev = "netdev"

// machine is a node with a real Open vSwitch whose interface eth1 leads to a neighbour, with addresses of both families, an
// address that is not the first, and routes that build on each other.
type machine struct {
	t         *testing.T
	node      *vswitchtest.Node
	host      *host.Host
	neighbour *host.Host
	uplinks   *Uplinks
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, node: vswitchtest.Start(t), neighbour: hosttest.New(t)}
	var err error
	if m.host, err = host.Open(m.node.Path()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.host.Close() })
	hosttest.Sysctl(t, m.host, "net/ipv6/conf/default/accept_dad", "0")
	hosttest.Connect(t, m.host, "eth1", m.neighbour, "eth0")
	hosttest.Run(t, m.neighbour, "ethtool", "-K", "eth0", "tx", "off")
	hosttest.Addr(t, m.neighbour, "eth0", "192.0.2.9/24", "fd02::9/64", "203.0.113.9/32")
	m.configure()
	vs, err := vswitch.Open(t.Context(), m.node.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vs.Wait(t.Context(), func(vswitch.Snapshot) bool { return true }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vs.Close)
	m.uplinks = &Uplinks{Host: m.host, Switch: vs, Dir: filepath.Join(t.TempDir(), "uplinks")}
	return m
}

// configure is what the machine's own configuration does at boot.
func (m *machine) configure() {
	hosttest.Up(m.t, m.host, "eth1")
	hosttest.Addr(m.t, m.host, "eth1", "192.0.2.1/24", "192.0.2.2/24", "fd02::1/64")
	hosttest.Run(m.t, m.host, "ip", "route", "add", "198.51.100.1", "dev", "eth1")
	hosttest.Run(m.t, m.host, "ip", "route", "add", "10.9.0.0/16", "via", "198.51.100.1", "metric", "7")
	hosttest.Run(m.t, m.host, "ip", "route", "add", "default", "via", "192.0.2.9", "src", "192.0.2.2")
	hosttest.Run(m.t, m.host, "ip", "-6", "route", "add", "default", "via", "fd02::9")
}

// connect tries until ovs-vswitchd has done its part.
func (m *machine) connect() {
	m.t.Helper()
	hosttest.Eventually(m.t, func() error { return m.uplinks.Connect(m.t.Context(), "pn", "eth1", netdev) })
}

func (m *machine) disconnect() {
	m.t.Helper()
	hosttest.Eventually(m.t, func() error { return m.uplinks.Disconnect(m.t.Context(), "pn") })
}

// state is what a device has: addresses and routes, without its name.
func (m *machine) state(device string) string {
	m.t.Helper()
	if _, err := m.host.LinkByName(device); err != nil {
		return "no device"
	}
	var out strings.Builder
	for _, family := range []string{"-4", "-6"} {
		args := []string{family, "-oneline", "address", "show", "dev", device, "scope", "global"}
		for line := range strings.Lines(hosttest.Run(m.t, m.host, "ip", args...)) {
			fields := strings.Fields(line)
			out.WriteString(fields[3] + "\n")
		}
	}
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(hosttest.Run(m.t, m.host, "ip", family, "route", "show", "dev", device)) {
			line = strings.TrimSpace(line)
			if !strings.Contains(line, "proto kernel") && !strings.HasPrefix(line, "multicast") {
				out.WriteString(strings.TrimSuffix(line, " linkdown") + "\n")
			}
		}
	}
	return out.String()
}

// reach checks that the neighbour answers, once.
func (m *machine) reach() error {
	for _, to := range []string{"192.0.2.9", "203.0.113.9", "fd02::9"} {
		var out strings.Builder
		cmd := exec.Command("ping", "-n", "-c2", "-i0.2", "-W2", to)
		cmd.Stdout = &out
		if err := m.host.Do(cmd.Start); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil || strings.Contains(out.String(), "DUP!") {
			return fmt.Errorf("%s: %v\n%s", to, err, out.String())
		}
	}
	return nil
}

func TestAnInterfaceMovesIntoTheBridgeAndBack(t *testing.T) {
	m := newMachine(t)
	before := m.state("eth1")
	if strings.Count(before, "\n") != 7 {
		t.Fatalf("the test's interface is not as it should be:\n%s", before)
	}
	m.connect()
	if got := m.state("br-pn"); got != before {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, before)
	}
	if got := m.state("eth1"); got != "" {
		t.Errorf("the interface still has\n%s", got)
	}
	hosttest.Eventually(t, m.reach)
	cfg := m.node.Vsctl("get", "Open_vSwitch", ".", "next_cfg")
	m.connect()
	if now := m.node.Vsctl("get", "Open_vSwitch", ".", "next_cfg"); now != cfg || m.state("br-pn") != before {
		t.Errorf("a second time changes something: %s, %s\n%s", cfg, now, m.state("br-pn"))
	}
	m.disconnect()
	m.disconnect()
	if got := m.state("eth1"); got != before {
		t.Errorf("the interface has\n%s\nwant\n%s", got, before)
	}
	if got := m.state("br-pn"); got != "no device" {
		t.Errorf("the bridge is left with\n%s", got)
	}
	hosttest.Eventually(t, m.reach)
	if names, err := m.uplinks.Connected(); len(names) > 0 || err != nil {
		t.Errorf("plans are left: %v, %v", names, err)
	}
}

// stops are all steps before which a crash may come.
var stops = map[string][]string{
	"connect":    {"plan", "bridge", "start", "take", "release", "routes", "moved", "silence"},
	"disconnect": {"undo-plan", "undo-silence", "undo-bridge", "undo-release", "undo-take", "undo-routes", "undo-forget"},
}

var errCrash = errors.New("crash")

func TestAMoveThatACrashInterruptsIsCompletedOrUndone(t *testing.T) {
	m := newMachine(t)
	before := m.state("eth1")
	// again is the process that is started after a crash.
	again := func(stop string) {
		m.uplinks = &Uplinks{Host: m.host, Switch: m.uplinks.Switch, Dir: m.uplinks.Dir}
		m.uplinks.before = func(name string) error {
			if name == stop {
				return errCrash
			}
			return nil
		}
	}
	crash := func(do func() error) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			if err := do(); !errors.Is(err, errCrash) {
				return fmt.Errorf("no crash: %v", err)
			}
			return nil
		})
		again("")
	}
	connect := func() error { return m.uplinks.Connect(t.Context(), "pn", "eth1", netdev) }
	disconnect := func() error { return m.uplinks.Disconnect(t.Context(), "pn") }
	for _, stop := range stops["connect"] {
		for _, outcome := range []string{"completed", "undone"} {
			t.Run("connecting, before "+stop+", "+outcome, func(t *testing.T) {
				again(stop)
				crash(connect)
				if outcome == "completed" {
					m.connect()
					if got := m.state("br-pn"); got != before {
						t.Errorf("the bridge has\n%s\nwant\n%s", got, before)
					}
				}
				m.disconnect()
				if got := m.state("eth1"); got != before {
					t.Errorf("the interface has\n%s\nwant\n%s", got, before)
				}
			})
		}
	}
	for _, stop := range stops["disconnect"] {
		for _, outcome := range []string{"completed", "connected again"} {
			t.Run("disconnecting, before "+stop+", "+outcome, func(t *testing.T) {
				m.connect()
				again(stop)
				crash(disconnect)
				if outcome == "connected again" {
					m.connect()
					if got := m.state("br-pn"); got != before {
						t.Errorf("the bridge has\n%s\nwant\n%s", got, before)
					}
				}
				m.disconnect()
				if got := m.state("eth1"); got != before {
					t.Errorf("the interface has\n%s\nwant\n%s", got, before)
				}
			})
		}
	}
}

func TestAfterARebootTheInterfaceMovesAgain(t *testing.T) {
	m := newMachine(t)
	m.uplinks.Boot = "1"
	before := m.state("eth1")
	m.connect()

	// The database survives; devices come back as the machine's configuration makes them, now without the second address.
	reboot := func() {
		m.node.KillSwitchd()
		hosttest.Run(t, m.host, "ip", "link", "delete", "br-pn")
		m.node.StartSwitchd()
	}
	reboot()
	m.configure()
	hosttest.Run(t, m.host, "ip", "route", "del", "default")
	hosttest.Run(t, m.host, "ip", "address", "del", "192.0.2.2/24", "dev", "eth1")
	m.uplinks.Boot = "2"
	changed := m.state("eth1")
	if changed == before {
		t.Fatal("nothing has changed")
	}
	m.connect()
	if got := m.state("br-pn"); got != changed {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, changed)
	}

	// Nobody configures the interface: the plan does.
	reboot()
	m.uplinks.Boot = "3"
	m.connect()
	if got := m.state("br-pn"); got != changed {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, changed)
	}
	m.disconnect()
	if got := m.state("eth1"); got != changed {
		t.Errorf("the interface has\n%s\nwant\n%s", got, changed)
	}
}

func TestANetworkLetsGoOfAnInterfaceThatIsGone(t *testing.T) {
	m := newMachine(t)
	gone := func() {
		t.Helper()
		m.connect()
		hosttest.Run(t, m.host, "ip", "link", "delete", "eth1")
	}
	back := func() {
		t.Helper()
		hosttest.Connect(t, m.host, "eth1", m.neighbour, "eth0")
		hosttest.Run(t, m.neighbour, "ethtool", "-K", "eth0", "tx", "off")
		hosttest.Addr(t, m.neighbour, "eth0", "192.0.2.9/24", "fd02::9/64", "203.0.113.9/32")
		m.configure()
	}

	// Another interface takes its place.
	gone()
	hosttest.Connect(t, m.host, "eth2", m.neighbour, "eth2")
	hosttest.Addr(t, m.host, "eth2", "198.18.0.1/24")
	hosttest.Eventually(t, func() error { return m.uplinks.Connect(t.Context(), "pn", "eth2", netdev) })
	if got, want := m.state("br-pn"), "198.18.0.1/24\n"; got != want {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, want)
	}
	m.disconnect()

	// The network goes, too; the interface comes again later.
	back()
	gone()
	m.disconnect()
	if names, err := m.uplinks.Connected(); len(names) > 0 || err != nil {
		t.Errorf("plans are left: %v, %v", names, err)
	}
	if got := m.state("br-pn"); got != "no device" {
		t.Errorf("the bridge is left with\n%s", got)
	}
	back()
	before := m.state("eth1")
	m.connect()
	if got := m.state("br-pn"); got != before {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, before)
	}
	hosttest.Eventually(t, m.reach)
}

func TestWhatAnOperatorChangesOnTheBridgeStays(t *testing.T) {
	m := newMachine(t)
	m.connect()
	hosttest.Run(t, m.host, "ip", "route", "del", "default")
	hosttest.Addr(t, m.host, "br-pn", "192.0.2.77/24")
	changed := m.state("br-pn")
	m.connect()
	if got := m.state("br-pn"); got != changed {
		t.Errorf("the bridge has\n%s\nwant\n%s", got, changed)
	}
	m.disconnect()
	if got := m.state("eth1"); !strings.Contains(got, "192.0.2.77/24") {
		t.Errorf("the interface has\n%s", got)
	}
}

func TestInterfacesThatCannotMoveAreRefused(t *testing.T) {
	m := newMachine(t)
	m.node.Vsctl("add-br", "other", "--", "set", "bridge", "other", "datapath_type=netdev")
	hosttest.Connect(t, m.host, "used", m.neighbour, "used")
	m.node.Vsctl("add-port", "other", "used")
	m.node.Vsctl("add-br", "br-mine", "--", "set", "bridge", "br-mine", "datapath_type=netdev")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := m.uplinks.Switch.Wait(ctx, func(s vswitch.Snapshot) bool { return s.Bridge("br-mine") != nil }); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ network, nic, want string }{
		{"pn", "eth9", "the node has no interface eth9"},
		{"pn", "used", "interface used is a port of bridge other"},
		{"pn", "other", "interface other is a bridge"},
		{"mine", "eth1", "bridge br-mine exists and is not the agent's"},
	} {
		err := m.uplinks.Connect(t.Context(), test.network, test.nic, netdev)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s to %s: %v, want %q", test.nic, test.network, err, test.want)
		}
	}
	if entries, err := os.ReadDir(m.uplinks.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("plans were written: %v, %v", entries, err)
	}
}
