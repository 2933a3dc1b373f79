package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// settingsOfNode are the kernel's settings that an agent makes; the test's namespace has all of them.
var settingsOfNode = []string{
	"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/ovn0/forwarding", "net/ipv4/conf/ovn0/rp_filter", "net/ipv6/conf/ovn0/accept_ra",
	"net/ipv6/conf/ovn0/accept_dad", "net/ipv6/conf/ovn0/forwarding", "net/netfilter/nf_conntrack_tcp_be_liberal",
}

// volatile is what changes in the text of a node's state although nobody changes the node.
var volatile = regexp.MustCompile(`(?m)^\d+: |handle \d+|packets \d+ bytes \d+|expires \d+sec| linkdown|qlen \d+|\bdead\b`)

// kept is all that an agent keeps on a node, as text.
func (n *node) kept() (string, error) {
	var out strings.Builder
	for _, command := range [][]string{
		{"ip", "-details", "link", "show", "dev", "ovn0"},
		{"ip", "-brief", "address", "show", "dev", "ovn0", "scope", "global"},
		{"ip", "-4", "route", "show", "dev", "ovn0", "table", "all"},
		{"ip", "-6", "route", "show", "dev", "ovn0", "table", "all"},
		{"ip", "-4", "rule"},
		{"ip", "-6", "rule"},
		{"nft", "list", "table", "inet", "northbound"},
		{"nft", "list", "table", "netdev", "northbound"},
		{"ip", "-brief", "link", "show", "dev", "br-pn"},
		{"ip", "-brief", "link", "show", "dev", "eth1"},
		{"ip", "-brief", "address", "show", "dev", "br-pn", "scope", "global"},
		{"ip", "-4", "route", "show", "dev", "br-pn"},
		{"ip", "-6", "route", "show", "dev", "br-pn"},
	} {
		var text strings.Builder
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr = &text, &text
		err := n.host.Do(cmd.Start)
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			return "", fmt.Errorf("%v: %w: %s", command, err, text.String())
		}
		lines := strings.Split(volatile.ReplaceAllString(text.String(), ""), "\n")
		if strings.Contains(strings.Join(command, " "), "route show") {
			lines = slices.DeleteFunc(lines, ofKernel)
			slices.Sort(lines)
		}
		fmt.Fprintf(&out, "# %s\n%s\n", strings.Join(command, " "), strings.Join(lines, "\n"))
	}
	for _, name := range settingsOfNode {
		value, err := n.host.Sysctl(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s = %s\n", name, value)
	}
	return out.String() + n.columns(), nil
}

// ofKernel reports whether a route belongs to no address that the agent gives.
func ofKernel(route string) bool {
	return strings.Contains(route, "multicast") || strings.Contains(route, "anycast") || strings.Contains(route, "fe80:") || strings.Contains(route, "ff00:")
}

// columns is what the agent keeps in the Open vSwitch database.
func (n *node) columns() string {
	var out strings.Builder
	get := func(table, record, column string) {
		fmt.Fprintf(&out, "%s %s %s = %s", table, record, column, n.switchd.Vsctl("--if-exists", "get", table, record, column))
	}
	for _, key := range []string{"system-id", "hostname", "ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-bridge-datapath-type", "ovn-bridge-mappings"} {
		get("Open_vSwitch", ".", "external_ids:"+key)
	}
	get("Bridge", "br-int", "fail_mode")
	get("Bridge", "br-int", "datapath_type")
	for _, column := range []string{"type", "mac", "mtu_request", "external_ids:iface-id"} {
		get("Interface", "ovn0", column)
	}
	for _, column := range []string{"fail_mode", "datapath_type", "other_config:hwaddr", "external_ids:northbound-provider-network"} {
		get("Bridge", "br-pn", column)
	}
	for _, port := range []string{"ovn0", "eth1"} {
		bridge := "none\n"
		for _, name := range []string{"br-int", "br-pn"} {
			if slices.Contains(strings.Fields(n.switchd.Vsctl("list-ports", name)), port) {
				bridge = name + "\n"
			}
		}
		out.WriteString("port " + port + " on " + bridge)
	}
	return out.String()
}

// deletion is something that somebody does to a node.
type deletion struct {
	name string
	do   func(n *node)
	// seen says that it proves nothing without an agent that sees it: then it is an operator's change, or ovn-controller puts it back.
	seen bool
}

// command is a deletion by a command in the node's namespace.
func command(args ...string) deletion {
	return deletion{name: strings.Join(args, " "), do: func(n *node) { hosttest.Run(n.t, n.host, args[0], args[1:]...) }}
}

// vsctl is a deletion by ovs-vsctl.
func vsctl(args ...string) deletion {
	return deletion{name: "ovs-vsctl " + strings.Join(args, " "), do: func(n *node) { n.switchd.Vsctl(append([]string{"--no-wait"}, args...)...) }}
}

// dependent are deletions of what other things build on, and of everything at once.
var dependent = []deletion{
	command("ip", "-4", "address", "flush", "dev", "ovn0"),
	command("ip", "-6", "address", "flush", "dev", "ovn0", "scope", "global"),
	command("ip", "link", "set", "ovn0", "down"),
	command("ip", "link", "set", "br-pn", "down"),
	command("ip", "link", "set", "eth1", "down"),
	{name: "br-pn down and up", seen: true, do: func(n *node) {
		hosttest.Run(n.t, n.host, "ip", "link", "set", "br-pn", "down")
		hosttest.Run(n.t, n.host, "ip", "link", "set", "br-pn", "up")
	}},
	command("ip", "link", "set", "ovn0", "mtu", "1200"),
	command("ip", "link", "set", "ovn0", "address", "0a:00:00:00:00:01"),
	command("ip", "link", "set", "ovn0", "arp", "off"),
	command("ip", "-4", "route", "flush", "dev", "ovn0"),
	command("ip", "-6", "route", "flush", "dev", "ovn0"),
	command("ip", "-4", "route", "flush", "table", "110"),
	command("ip", "-4", "route", "replace", "blackhole", "10.16.0.0/16"),
	command("ip", "-4", "route", "replace", "10.16.0.0/16", "via", "192.0.2.9"),
	command("nft", "flush", "ruleset"),
	command("nft", "delete", "table", "inet", "northbound"),
	command("nft", "flush", "chain", "inet", "northbound", "postrouting"),
	command("nft", "delete", "table", "netdev", "northbound"),
	command("nft", "chain", "netdev", "northbound", "eth1", "{ policy accept; }"),
	vsctl("del-port", "br-int", "ovn0"),
	vsctl("del-port", "br-pn", "eth1"),
	vsctl("clear", "Open_vSwitch", ".", "external_ids"),
	vsctl("del-br", "br-int"),
	vsctl("del-br", "br-pn"),
	{name: "fail_mode of br-int", seen: true, do: func(n *node) { n.switchd.Vsctl("--no-wait", "set", "Bridge", "br-int", "fail_mode=standalone") }},
	vsctl("set", "Interface", "ovn0", "mtu_request=1300"),
	vsctl("set", "Interface", "ovn0", `mac="0a:00:00:00:00:02"`),
	vsctl("clear", "Interface", "ovn0", "mac", "mtu_request", "external_ids"),
	// ovs-vswitchd stops a device whose MAC it changes.
	{name: "another hwaddr of br-pn", seen: true, do: func(n *node) {
		n.switchd.Vsctl("--no-wait", "set", "Bridge", "br-pn", `other_config:hwaddr="0a:00:00:00:00:03"`)
	}},
	vsctl("clear", "Bridge", "br-pn", "external_ids"),
	vsctl("clear", "Bridge", "br-pn", "fail_mode"),
}

// deletions are all things that the agent keeps, each deleted by itself, as a node has them.
func (n *node) deletions() []deletion {
	var out []deletion
	for _, name := range settingsOfNode {
		value, err := n.host.Sysctl(name)
		if err != nil {
			n.t.Fatal(err)
		}
		other := "0"
		if value == "0" {
			other = "1"
		}
		out = append(out, deletion{name: name + "=" + other, do: func(n *node) { hosttest.Sysctl(n.t, n.host, name, other) }})
	}
	for _, family := range []string{"-4", "-6"} {
		for _, args := range n.each("ip", family, "route", "show", "dev", "ovn0", "table", "all") {
			if ofKernel(args) {
				continue
			}
			args = strings.TrimSuffix(strings.TrimSpace(volatile.ReplaceAllString(args, "")), " pref medium")
			out = append(out, command(slices.Concat([]string{"ip", family, "route", "del"}, strings.Fields(args), []string{"dev", "ovn0"})...))
		}
		out = append(out, command("ip", family, "rule", "del", "priority", "110"))
	}
	for line := range strings.Lines(hosttest.Run(n.t, n.host, "ip", "-oneline", "address", "show", "dev", "ovn0", "scope", "global")) {
		out = append(out, command("ip", "address", "del", strings.Fields(line)[3], "dev", "ovn0"))
	}
	out = append(out, n.deletionsOfFilter()...)
	for _, key := range []string{"system-id", "hostname", "ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-bridge-datapath-type", "ovn-bridge-mappings"} {
		out = append(out, vsctl("remove", "Open_vSwitch", ".", "external_ids", key))
	}
	return out
}

// deletionsOfFilter are those of each chain's rules and each set's elements in the packet filter.
func (n *node) deletionsOfFilter() []deletion {
	var ruleset struct {
		Nftables []map[string]struct {
			Family, Table, Name, Chain string
			Handle                     int
			Elem                       []any
		}
	}
	if err := json.Unmarshal([]byte(hosttest.Run(n.t, n.host, "nft", "-j", "list", "table", "inet", "northbound")), &ruleset); err != nil {
		n.t.Fatal(err)
	}
	var out []deletion
	for _, entry := range ruleset.Nftables {
		if chain, ok := entry["chain"]; ok {
			out = append(out, command("nft", "flush", "chain", "inet", "northbound", chain.Name))
		}
		if set, ok := entry["set"]; ok && len(set.Elem) > 0 {
			out = append(out, command("nft", "flush", "set", "inet", "northbound", set.Name))
		}
	}
	return out
}

func (n *node) each(name string, args ...string) []string {
	return strings.Split(strings.TrimSpace(hosttest.Run(n.t, n.host, name, args...)), "\n")
}

// newDualNode is a node with both families and an interface in a physical network.
func newDualNode(t *testing.T) *node {
	n := newNode(t, func(o *apiserver.Options) {
		o.Network.DefaultSubnetCIDR, _ = ipam.ParsePrefixes("10.16.0.0/16,fd16::/64")
		o.Network.NodeSwitchCIDR, _ = ipam.ParsePrefixes("100.64.0.0/16,fd64::/64")
	})
	physical := hosttest.New(t)
	hosttest.Connect(t, n.host, "eth1", physical, "eth0")
	hosttest.Addr(t, n.host, "eth1", "203.0.113.1/24", "fd03::1/64")
	hosttest.Route(t, n.host, "198.51.100.0/24", "203.0.113.9")
	_, err := n.api.ProviderNetworks().Create(t.Context(), &v1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: "pn"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// steady is what the agent keeps, when it is complete.
func (n *node) steady() string {
	n.t.Helper()
	var text string
	hosttest.Eventually(n.t, func() error {
		first, err := n.kept()
		if err != nil {
			return err
		}
		if text, err = n.kept(); err != nil || text != first || !strings.Contains(text, "198.51.100.0/24 via 203.0.113.9") {
			return fmt.Errorf("it changes, or is not complete: %v\n%s", err, text)
		}
		return nil
	})
	return text
}

func TestWhatCannotBeRestoredIsToldByTheChassis(t *testing.T) {
	n := newNode(t)
	a, _ := n.start()
	ready := func(want metav1.ConditionStatus, reason, message string) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			c, err := n.api.Chassis().Get(t.Context(), nodeName, metav1.GetOptions{})
			if err != nil {
				return err
			}
			got := meta.FindStatusCondition(c.Status.Conditions, "Ready")
			if got == nil || got.Status != want || got.Reason != reason || !strings.Contains(got.Message, message) {
				return fmt.Errorf("got %+v, want %s, %s with %q", got, want, reason, message)
			}
			return nil
		})
	}
	ready(metav1.ConditionTrue, "Connected", "as it should be")
	n.switchd.KillSwitchd()
	hosttest.Run(t, n.host, "ip", "link", "delete", "ovn0")
	ready(metav1.ConditionFalse, "NotRestored", "node-port: ovs-vswitchd has not made ovn0 yet")
	if code, body := get(a, "/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "[-]node-port") {
		t.Errorf("/healthz answers %d:\n%s", code, body)
	}
	n.switchd.StartSwitchd()
	ready(metav1.ConditionTrue, "Connected", "as it should be")
	// What the agent did not make, it does not make again.
	hosttest.Run(t, n.host, "ip", "link", "set", "eth0", "down")
	hosttest.Run(t, n.host, "ip", "address", "flush", "dev", "eth0")
	ready(metav1.ConditionFalse, "NotRestored", "settings: no interface has the node's address 192.0.2.1")
}

func TestWhateverIsDeletedOnALivingNodeComesBack(t *testing.T) {
	n := newDualNode(t)
	a, stop := n.start()
	want := n.steady()
	all := slices.Concat(n.deletions(), dependent)
	if len(all) < 60 {
		t.Fatalf("only %d deletions", len(all))
	}
	again := func() error {
		got, err := n.kept()
		if err != nil || got != want {
			return fmt.Errorf("%v; it is\n%s\nand was\n%s", err, difference(got, want), difference(want, got))
		}
		return nil
	}
	for _, d := range all {
		if t.Failed() {
			return // What follows would find what this one has left.
		}
		t.Run(d.name, func(t *testing.T) {
			n.t = t
			began := time.Now()
			d.do(n)
			hosttest.Eventually(t, again)
			t.Logf("restored after %v", time.Since(began).Round(time.Millisecond))
		})
	}
	n.t = t
	ready, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if err := a.Ready(ready); err != nil {
		t.Error(err)
	}
	// Each of them takes something away, or the above would prove nothing; and an agent that starts restores it.
	stop()
	n.remote = "unix:" + n.server.DataDir + "/sb.sock" // What was there is in the memory of the first agent only.
	for _, d := range all {
		if d.seen {
			continue
		}
		d.do(n)
		if got, err := n.kept(); err == nil && got == want {
			t.Errorf("%s takes nothing away", d.name)
		}
		_, stop := n.start()
		hosttest.Eventually(t, again)
		stop()
	}
}

// difference are the lines of one text that another has not, with their sections.
func difference(of, without string) string {
	lines := func(text string) []string {
		var out []string
		section := ""
		for _, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(line, "# ") {
				section = line
			}
			out = append(out, section+": "+line)
		}
		return out
	}
	other := lines(without)
	return strings.Join(slices.DeleteFunc(lines(of), func(line string) bool { return slices.Contains(other, line) }), "\n")
}
