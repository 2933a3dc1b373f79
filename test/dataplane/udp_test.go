package dataplane

import (
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/test/testbed"
)

// A client of UDP that keeps its socket is one connection for OVN, which must follow its rule: each step takes away what the
// connection led to, and the client gets answers again although it never pauses.
func TestUDPClientsFollowTheirRuleWithOneSocket(t *testing.T) {
	for _, family := range []struct {
		name, vip string
		of        func(*testbed.Pod) string
	}{
		{"IPv4", "1.1.1.1", (*testbed.Pod).V4},
		{"IPv6", "fd00:99::1", (*testbed.Pod).V6},
	} {
		t.Run(family.name, func(t *testing.T) {
			s := bed.Begin(t)
			s.Apply(twoSubnets)
			a, b, c := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net1"), s.Pod(s.Hosts[2], "c.ns1", "net2")
			s.Apply(`{kind: SwitchLBRule, metadata: {name: udp, annotations: {ovn.kubernetes.io/vpc: v1}}, spec: {vip: "` + family.vip +
				`", namespace: ns1, endpoints: ["` + family.of(a) + `"], ports: [{name: u, port: 80, targetPort: 80, protocol: UDP}]}}`)
			flow := s.Flow(&c.Station, family.vip, 10*time.Millisecond)
			follows := func(what string) {
				t.Helper()
				began := time.Now()
				s.AwaitAnswer(flow)
				t.Logf("%s: answers after %v", what, time.Since(began).Round(time.Millisecond))
			}

			check(t, a.StopServing())
			s.Patch("SwitchLBRule", "udp", `{"spec":{"endpoints":["`+family.of(b)+`"]}}`)
			follows("another back end")

			// Nobody listens at 81, and then the rule leads elsewhere.
			s.Patch("SwitchLBRule", "udp", `{"spec":{"ports":[{"name":"u","port":80,"targetPort":81,"protocol":"UDP"}]}}`)
			s.Settle()
			s.Patch("SwitchLBRule", "udp", `{"spec":{"ports":[{"name":"u","port":80,"targetPort":22,"protocol":"UDP"}]}}`)
			follows("another port of the back end")
		})
	}
}
