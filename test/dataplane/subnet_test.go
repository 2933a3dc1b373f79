package dataplane

import "testing"

func TestPodsOfOneSubnetReachEachOtherAcrossHosts(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(`
kind: Vpc
metadata: {name: v1}
---
kind: Subnet
metadata: {name: net1}
spec: {vpc: v1, cidrBlock: "10.0.1.0/24,fd00:1::/64"}
`)
	a, b, c := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net1"), s.Pod(s.Hosts[0], "c.ns1", "net1")
	s.Reach(a, b.V4(), "b sees "+a.V4())
	s.Reach(b, a.V6(), "a sees "+b.V6())
	s.Reach(c, a.V4(), "a sees "+c.V4())
}
