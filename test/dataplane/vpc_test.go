package dataplane

import (
	"testing"

	"github.com/northbound-ovn/northbound/test/testbed"
)

func TestSubnetsOfAVpcReachEachOther(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net2")
	s.Reach(a, b.V4(), "b sees "+a.V4())
	s.Reach(b, a.V6(), "a sees "+b.V6())
}

func TestVpcsWithTheSamePrefixAreIsolated(t *testing.T) {
	s := bed.Begin(t)
	s.Sample("vpc.yaml")
	s.Sample("vpc-subnets.yaml")
	first, second := testbed.At("10.0.1.5"), testbed.At("10.0.1.6")
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1", first), s.Pod(s.Hosts[1], "b.ns1", "net1", second)
	x, y := s.Pod(s.Hosts[0], "x.ns2", "net2", first), s.Pod(s.Hosts[1], "y.ns2", "net2", second)
	s.Reach(a, b.V4(), "b sees "+a.V4())
	s.Reach(x, y.V4(), "y sees "+x.V4())
	c := s.Pod(s.Hosts[2], "c.ns1", "net1")
	s.NotReach(x, c.V4())
}

func TestPrivateSubnetsAdmitWhomTheyName(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	s.Apply(`{kind: Subnet, metadata: {name: net3}, spec: {vpc: v1, cidrBlock: "10.0.3.0/24,fd00:3::/64"}}`)
	a, a2 := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "a2.ns1", "net1")
	b, c := s.Pod(s.Hosts[1], "b.ns1", "net2"), s.Pod(s.Hosts[2], "c.ns1", "net3")
	s.Reach(b, a.V4(), "a sees "+b.V4())
	s.Reach(c, a.V4(), "a sees "+c.V4())
	s.Patch("Subnet", "net1", `{"spec":{"private":true,"allowSubnets":["10.0.2.0/24","fd00:2::/64"]}}`)
	s.NotReach(c, a.V4())
	s.NotReach(c, a.V6())
	s.Reach(b, a.V4(), "a sees "+b.V4())
	s.Reach(b, a.V6(), "a sees "+b.V6())
	s.Reach(a2, a.V4(), "a sees "+a2.V4())
	s.Reach(a2, a.V6(), "a sees "+a2.V6())
	s.Patch("Subnet", "net1", `{"spec":{"private":false}}`)
	s.Reach(c, a.V4(), "a sees "+c.V4())
}

func TestAccessRulesOfASubnet(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net2")
	s.Reach(b, a.V4(), "a sees "+b.V4())
	s.Patch("Subnet", "net1", `{"spec":{"acls":[
		{"direction":"to-lport","priority":1010,"match":"ip4.src == 10.0.2.0/24 && tcp.dst == 80","action":"allow-related"},
		{"direction":"to-lport","priority":1009,"match":"ip4.src == 10.0.2.0/24 && tcp.dst == 22","action":"reject"},
		{"direction":"to-lport","priority":1008,"match":"ip4.src == 10.0.2.0/24","action":"drop"}]}}`)
	s.Expect(b, "ping "+a.V4(), "silence")
	s.Expect(b, "udp "+a.V4()+":80", "silence")
	s.Expect(b, "tcp "+a.V4()+":22", "refused")
	s.Expect(b, "tcp "+a.V4()+":80", "a sees "+b.V4())
	s.Reach(b, a.V6(), "a sees "+b.V6())
}

// Stations behind a pod that forwards: what routes are for.
func TestRoutesOfAVpc(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net2")
	g1, g2 := s.Pod(s.Hosts[1], "g1.ns1", "net1", testbed.Forwarding), s.Pod(s.Hosts[2], "g2.ns1", "net1", testbed.Forwarding)
	for _, g := range []*testbed.Pod{g1, g2} {
		check(t, g.AddAddress("198.51.100.1/32"))
	}
	const there = "198.51.100.1"
	routes := func(list string) { s.Patch("Vpc", "v1", `{"spec":{"staticRoutes":[`+list+`]}}`) }
	policies := func(list string) { s.Patch("Vpc", "v1", `{"spec":{"policyRoutes":[`+list+`]}}`) }
	route := func(cidr, hop, more string) string {
		return `{"cidr":"` + cidr + `","nextHopIP":"` + hop + `"` + more + `}`
	}
	policy := func(priority, match, action string) string {
		return `{"priority":` + priority + `,"match":"` + match + `","action":` + action + `}`
	}
	s.NotReach(b, there)

	s.Run("by destination", func(s *testbed.Scenario) {
		routes(route("198.51.100.0/24", g1.V4(), ""))
		s.Reach(b, there, "g1 sees "+b.V4())
		s.Reach(a, there, "g1 sees "+a.V4())
	})
	s.Run("by source", func(s *testbed.Scenario) {
		routes(route("10.0.2.0/24", g2.V4(), `,"policy":"policySrc"`))
		s.Reach(b, there, "g2 sees "+b.V4())
		s.NotReach(a, there)
	})
	s.Run("several next hops", func(s *testbed.Scenario) {
		routes(route("198.51.100.0/24", g1.V4(), `,"ecmpMode":"ecmp-symmetric-reply"`) + "," + route("198.51.100.0/24", g2.V4(), `,"ecmpMode":"ecmp-symmetric-reply"`))
		s.ExpectAnswers(b, "tcp "+there+":80", 16, "g1 sees "+b.V4(), "g2 sees "+b.V4())
	})
	s.Run("a table of a Subnet", func(s *testbed.Scenario) {
		s.Patch("Subnet", "net2", `{"spec":{"routeTable":"rtb1"}}`)
		routes(route("198.51.100.0/24", g2.V4(), `,"routeTable":"rtb1"`))
		s.Reach(b, there, "g2 sees "+b.V4())
		s.NotReach(a, there)
		s.Patch("Subnet", "net2", `{"spec":{"routeTable":""}}`)
	})
	routes("")
	s.Run("policy that reroutes", func(s *testbed.Scenario) {
		routes(route("0.0.0.0/0", g1.V4(), ""))
		policies(policy("10", "ip4.src==10.0.2.0/24", `"reroute","nextHopIP":"`+g2.V4()+`"`))
		s.Reach(b, there, "g2 sees "+b.V4())
		s.Reach(a, there, "g1 sees "+a.V4())
	})
	s.Run("policy with several next hops", func(s *testbed.Scenario) {
		policies(policy("10", "ip4.dst==198.51.100.0/24", `"reroute","nextHopIP":"`+g1.V4()+","+g2.V4()+`"`))
		s.ExpectAnswers(b, "tcp "+there+":80", 16, "g1 sees "+b.V4(), "g2 sees "+b.V4())
	})
	s.Run("policy that drops", func(s *testbed.Scenario) {
		policies(policy("11", "ip4.src==10.0.2.0/24 && ip4.dst==198.51.100.0/24", `"drop"`))
		s.NotReach(b, there)
		s.Reach(a, there, "g1 sees "+a.V4())
		s.Reach(b, a.V4(), "a sees "+b.V4())
	})
}

func TestPeersReachEachOther(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(`
kind: Vpc
metadata: {name: left}
---
kind: Vpc
metadata: {name: right}
---
kind: Subnet
metadata: {name: net-left}
spec: {vpc: left, cidrBlock: "10.0.1.0/24,fd00:1::/64"}
---
kind: Subnet
metadata: {name: net-right}
spec: {vpc: right, cidrBlock: "10.0.2.0/24,fd00:2::/64"}
`)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net-left"), s.Pod(s.Hosts[1], "b.ns1", "net-right")
	s.NotReach(a, b.V4())
	s.Patch("Vpc", "left", `{"spec":{"vpcPeerings":[{"remoteVpc":"right","localConnectIP":"169.254.0.1/30,fd00:fe::1/64"}],
		"staticRoutes":[{"cidr":"10.0.2.0/24","nextHopIP":"169.254.0.2"},{"cidr":"fd00:2::/64","nextHopIP":"fd00:fe::2"}]}}`)
	s.Patch("Vpc", "right", `{"spec":{"vpcPeerings":[{"remoteVpc":"left","localConnectIP":"169.254.0.2/30,fd00:fe::2/64"}],
		"staticRoutes":[{"cidr":"10.0.1.0/24","nextHopIP":"169.254.0.1"},{"cidr":"fd00:1::/64","nextHopIP":"fd00:fe::1"}]}}`)
	s.Reach(a, b.V4(), "b sees "+a.V4())
	s.Reach(b, a.V4(), "a sees "+b.V4())
	s.Reach(a, b.V6(), "b sees "+a.V6())
	s.Patch("Vpc", "right", `{"spec":{"vpcPeerings":[],"staticRoutes":[]}}`)
	s.NotReach(a, b.V4())
}
