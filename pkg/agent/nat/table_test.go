package nat_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
)

// world is a node between a pod, which arrives through the interface ovn0, and the rest of the world.
type world struct {
	pods, node, outside *host.Host
	conn                *nftables.Conn
}

func newWorld(t *testing.T) *world {
	w := &world{pods: hosttest.New(t), node: hosttest.New(t), outside: hosttest.New(t)}
	hosttest.Connect(t, w.pods, "eth0", w.node, "ovn0")
	hosttest.Connect(t, w.node, "eth0", w.outside, "eth0")
	hosttest.Addr(t, w.pods, "eth0", "10.16.0.5/24", "10.17.0.5/24", "10.18.0.5/24", "fd16::5/64")
	hosttest.Addr(t, w.node, "ovn0", "10.16.0.1/24", "10.17.0.1/24", "10.18.0.1/24", "fd16::1/64")
	hosttest.Addr(t, w.node, "eth0", "192.0.2.1/24", "192.0.2.3/24", "fd02::1/64")
	hosttest.Addr(t, w.outside, "eth0", "192.0.2.9/24", "192.0.2.10/24", "fd02::9/64")
	hosttest.Route(t, w.pods, "default", "10.16.0.1")
	hosttest.Route(t, w.pods, "default", "fd16::1")
	hosttest.Route(t, w.outside, "default", "192.0.2.1")
	hosttest.Route(t, w.outside, "default", "fd02::1")
	hosttest.Sysctl(t, w.node, "net/ipv4/ip_forward", "1")
	hosttest.Sysctl(t, w.node, "net/ipv6/conf/all/forwarding", "1")
	hosttest.Echo(t, w.outside, 80)
	hosttest.Echo(t, w.node, 80)
	var err error
	if w.conn, err = w.node.Nftables(); err != nil {
		t.Fatal(err)
	}
	return w
}

// want checks which source a server outside sees.
func (w *world) want(t *testing.T, from, to, want string) {
	t.Helper()
	got, err := hosttest.Call(t, w.pods, from, to)
	if err != nil || got != want {
		t.Errorf("from %s to %s: the source is %q (%v), want %q", from, to, got, err, want)
	}
}

func (w *world) apply(t *testing.T, c nat.Config) {
	t.Helper()
	c.Port = "ovn0"
	if err := nat.Apply(w.conn, c); err != nil {
		t.Fatal(err)
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestSourcesAreTranslatedOnTheWayOutOnly(t *testing.T) {
	w := newWorld(t)
	w.apply(t, nat.Config{Overlay: prefixes("10.16.0.0/16")})
	w.want(t, "10.16.0.5", "192.0.2.9:80", "10.16.0.5")

	w.apply(t, nat.Config{
		Overlay: prefixes("10.16.0.0/16", "192.0.2.10/32", "fd16::/64"),
		Subnets: []nat.Subnet{
			{Name: "a", Prefixes: prefixes("10.16.0.0/24", "fd16::/64")},
			{Name: "with.dots-and-dashes", Prefixes: prefixes("10.17.0.0/24"), Sources: []netip.Addr{netip.MustParseAddr("192.0.2.3")}},
		},
	})
	w.want(t, "10.16.0.5", "192.0.2.9:80", "192.0.2.1")
	w.want(t, "fd16::5", "[fd02::9]:80", "fd02::1")
	w.want(t, "10.17.0.5", "192.0.2.9:80", "192.0.2.3")  // to a fixed address
	w.want(t, "10.18.0.5", "192.0.2.9:80", "10.18.0.5")  // a Subnet without natOutgoing
	w.want(t, "10.16.0.5", "192.0.2.10:80", "10.16.0.5") // stays in the overlay
	w.want(t, "10.16.0.5", "192.0.2.1:80", "10.16.0.5")  // ends at the node
	counted, err := nat.Translated(w.conn)
	if err != nil || len(counted) != 2 || counted["a"].Connections != 2 || counted["with.dots-and-dashes"].Connections != 1 {
		t.Errorf("counted %v, %v", counted, err)
	}

	if err := nat.Remove(w.conn); err != nil {
		t.Fatal(err)
	}
	if err := nat.Remove(w.conn); err != nil {
		t.Errorf("a second time: %v", err)
	}
	w.want(t, "10.16.0.5", "192.0.2.9:80", "10.16.0.5")
}

func TestTheFirstPolicyRuleThatMatchesDecides(t *testing.T) {
	w := newWorld(t)
	subnet := nat.Subnet{Name: "a", Prefixes: prefixes("10.16.0.0/24", "10.17.0.0/24", "fd16::/64"), Rules: []nat.Rule{
		{From: prefixes("10.16.0.5/32"), To: prefixes("192.0.2.9/32", "198.51.100.0/24")},
		{To: prefixes("192.0.2.0/24"), From: prefixes("10.16.0.0/24"), Forward: true},
		{To: prefixes("fd02::9/128"), Forward: true},
	}}
	w.apply(t, nat.Config{Subnets: []nat.Subnet{subnet}})
	w.want(t, "10.16.0.5", "192.0.2.9:80", "192.0.2.1")  // the first rule
	w.want(t, "10.16.0.5", "192.0.2.10:80", "10.16.0.5") // the second
	w.want(t, "10.17.0.5", "192.0.2.10:80", "192.0.2.1") // none
	w.want(t, "fd16::5", "[fd02::9]:80", "fd16::5")      // that of the other family
}

func TestATranslatedConnectionSurvivesTheReplacementOfTheTable(t *testing.T) {
	w := newWorld(t)
	config := nat.Config{Subnets: []nat.Subnet{{Name: "a", Prefixes: prefixes("10.16.0.0/24")}}}
	w.apply(t, config)
	before, err := nat.Fingerprint(w.conn)
	if err != nil || before == "" {
		t.Fatalf("fingerprint %q, %v", before, err)
	}
	w.want(t, "10.16.0.5", "192.0.2.9:80", "192.0.2.1")
	if now, _ := nat.Fingerprint(w.conn); now != before {
		t.Errorf("the fingerprint changed because packets were counted:\n%s\n%s", before, now)
	}
	w.apply(t, config)
	if now, _ := nat.Fingerprint(w.conn); now != before {
		t.Errorf("the same table has another fingerprint:\n%s\n%s", before, now)
	}
	tamper := exec.Command("nft", "flush chain inet northbound postrouting")
	if err := w.node.Do(tamper.Run); err != nil {
		t.Fatal(err)
	}
	if now, _ := nat.Fingerprint(w.conn); now == before {
		t.Error("a table that somebody changed has the same fingerprint")
	}
}

func TestAnswersToOtherNodesAreMarked(t *testing.T) {
	w := newWorld(t)
	w.apply(t, nat.Config{Nodes: []netip.Addr{netip.MustParseAddr("10.18.0.5")}})
	var list strings.Builder
	cmd := exec.Command("nft", "list", "table", "inet", "northbound")
	cmd.Stdout = &list
	if err := w.node.Do(cmd.Run); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`iifname "ovn0" ip saddr @nodes4 ct mark set`, `ct direction reply ct mark & 0x00100000`,
		"type route hook output", "type nat hook postrouting", "10.18.0.5",
	} {
		if !strings.Contains(list.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, list.String())
		}
	}
}
