package dataplane

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/test/testbed"
)

func TestTrafficGoesOnWhenAGatewayFails(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(dualExternal)
	s.Apply(`{kind: OvnEip, metadata: {name: snat}, spec: {type: nat}}`)
	s.Apply(`{kind: OvnSnatRule, metadata: {name: snat}, spec: {ovnEip: snat, vpcSubnet: net1}}`)
	eip, _ := s.EIP("snat")
	s.Expect(s.Pod(s.Hosts[0], "probe.ns1", "net1"), "tcp 203.0.113.1:80", "internet sees "+eip)
	active := s.CableOf(s.Internet, eip)
	gateway := s.Hosts[slices.IndexFunc(s.Hosts, func(h *testbed.Host) bool { return h.Name == active })]
	other := s.Hosts[slices.IndexFunc(s.Hosts, func(h *testbed.Host) bool { return h.Name != active })]
	p := s.Pod(other, "p.ns1", "net1")

	flow := s.Flow(&p.Station, "10.5.204.254", 10*time.Millisecond)
	mend := s.Cut(gateway)
	s.AwaitAnswer(flow)
	outcome := flow.Stop()
	t.Logf("%s lost its cables: %d of %d packets lost, the longest outage %v", active, outcome.Lost, outcome.Sent, outcome.Outage.Round(time.Millisecond))
	s.Expect(p, "tcp 203.0.113.1:80", "internet sees "+eip)
	if now := s.CableOf(s.Internet, eip); now == active || now == "" {
		t.Errorf("the address is at the cable of %q, which was %s before", now, active)
	}

	flow = s.Flow(&p.Station, "10.5.204.254", 10*time.Millisecond)
	mend()
	s.Eventually(func() error {
		if now := s.CableOf(s.Internet, eip); now != active {
			return fmt.Errorf("the address is at the cable of %q", now)
		}
		return nil
	})
	s.AwaitAnswer(flow)
	outcome = flow.Stop()
	t.Logf("%s has its cables again: %d of %d packets lost, the longest outage %v", active, outcome.Lost, outcome.Sent, outcome.Outage.Round(time.Millisecond))

	// A node that is to be no gateway any more is none.
	s.Patch("Chassis", active, `{"spec":{"externalGateway":false}}`)
	t.Cleanup(func() { s.Patch("Chassis", active, `{"spec":{"externalGateway":true}}`) })
	s.Eventually(func() error {
		if now := s.CableOf(s.Internet, eip); now == active || now == "" {
			return fmt.Errorf("the address is at the cable of %q", now)
		}
		return nil
	})
	s.Expect(p, "tcp 203.0.113.1:80", "internet sees "+eip)
}

func TestTrafficGoesOnAfterASwitchCrashes(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net2")
	s.Reach(a, b.V4(), "b sees "+a.V4())
	for _, h := range s.Hosts[:2] {
		flow := s.Flow(&a.Station, b.V4(), 10*time.Millisecond)
		s.Crash(h)
		s.AwaitAnswer(flow)
		outcome := flow.Stop()
		t.Logf("the switch of %s crashed: %d of %d packets lost, the longest outage %v", h.Name, outcome.Lost, outcome.Sent, outcome.Outage.Round(time.Millisecond))
		s.Reach(a, b.V4(), "b sees "+a.V4())
	}
}

// A change of one entry of a list is one row, and nobody notices it who is not meant.
func TestUpdatesDoNotDisturbOtherTraffic(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net2")
	routes := func(number int) string {
		list := make([]string, number)
		for i := range list {
			list[i] = fmt.Sprintf(`{"cidr":"172.%d.%d.0/24","nextHopIP":%q}`, 16+i/250, i%250, b.V4())
		}
		return `{"spec":{"staticRoutes":[` + strings.Join(list, ",") + `]}}`
	}
	acls := func(rejected string) string {
		return `{"spec":{"acls":[{"direction":"to-lport","priority":1003,"match":"ip4.src == 10.0.2.0/24 && udp.dst == 80","action":"allow-related"},` + rejected +
			`{"direction":"to-lport","priority":1001,"match":"ip4.src == 10.0.2.0/24","action":"drop"}]}}`
	}
	s.Patch("Vpc", "v1", routes(1000))
	s.Patch("Subnet", "net1", acls(""))
	s.Settle()
	for _, step := range []struct {
		name, kind, object, patch string
		changed                   string // tables of the rows that differ; parents hold a reference to each child
	}{
		{"one more of 1,000 static routes", "Vpc", "v1", routes(1001), "Logical_Router Logical_Router_Static_Route"},
		{"one static route fewer", "Vpc", "v1", routes(1000), "Logical_Router Logical_Router_Static_Route"},
		{"one more access rule", "Subnet", "net1", acls(`{"direction":"to-lport","priority":1002,"match":"tcp.dst == 22","action":"drop"},`), "ACL Logical_Switch"},
		{"another action of an access rule", "Subnet", "net1", acls(`{"direction":"to-lport","priority":1002,"match":"tcp.dst == 22","action":"reject"},`), "ACL"},
		{"one access rule fewer", "Subnet", "net1", acls(""), "ACL Logical_Switch"},
	} {
		flow := s.Flow(&b.Station, a.V4(), 2*time.Millisecond)
		before := s.Rows()
		s.Patch(step.kind, step.object, step.patch)
		after := s.Rows()
		s.Settle()
		s.AwaitAnswer(flow)
		if outcome := flow.Stop(); outcome.Lost > 0 {
			t.Errorf("%s: %d of %d packets lost, the longest outage %v", step.name, outcome.Lost, outcome.Sent, outcome.Outage)
		} else {
			t.Logf("%s: none of %d packets lost", step.name, outcome.Sent)
		}
		if got := strings.Join(changedTables(before, after), " "); got != step.changed {
			t.Errorf("%s: changed a row each of %s, want %s", step.name, got, step.changed)
		}
	}
}

// changedTables names the table of each row that is not the same, ascending.
func changedTables(before, after map[string]string) []string {
	var tables []string
	for row, content := range after {
		if before[row] != content {
			tables = append(tables, strings.Fields(row)[0])
		}
	}
	for row := range before {
		if after[row] == "" {
			tables = append(tables, strings.Fields(row)[0])
		}
	}
	slices.Sort(tables)
	return tables
}
