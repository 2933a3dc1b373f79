package dataplane

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/test/testbed"
)

// twoSubnets are a Vpc with two Subnets of both families.
const twoSubnets = `
kind: Vpc
metadata: {name: v1}
---
kind: Subnet
metadata: {name: net1}
spec: {vpc: v1, cidrBlock: "10.0.1.0/24,fd00:1::/64"}
---
kind: Subnet
metadata: {name: net2}
spec: {vpc: v1, cidrBlock: "10.0.2.0/24,fd00:2::/64"}
`

func TestLoadBalancersOfAVpc(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net1")
	c := s.Pod(s.Hosts[2], "c.ns1", "net2")
	backends := `endpoints: [` + a.V4() + `, ` + b.V4() + `], ports: [{name: web, port: 8888, targetPort: 80, protocol: TCP}, {name: web-udp, port: 8888, targetPort: 80, protocol: UDP}]`
	annotations := `annotations: {ovn.kubernetes.io/vpc: v1}`

	// An address outside all Subnets, from another Subnet and from that of the back ends.
	s.Apply(`{kind: SwitchLBRule, metadata: {name: spread, ` + annotations + `}, spec: {vip: 1.1.1.1, namespace: ns1, ` + backends + `}}`)
	for _, network := range []string{"tcp", "udp"} {
		s.ExpectAnswers(c, network+" 1.1.1.1:8888", 16, "a sees "+c.V4(), "b sees "+c.V4())
		s.ExpectAnswers(a, network+" 1.1.1.1:8888", 16, "a sees 1.1.1.1", "b sees "+a.V4()) // to itself by the load balancer
	}
	// A port that no rule has is nobody's.
	s.Expect(c, "tcp 1.1.1.1:8889", "silence")

	// A client stays with its back end.
	s.Apply(`{kind: SwitchLBRule, metadata: {name: sticky, ` + annotations + `}, spec: {vip: 1.1.1.2, sessionAffinity: ClientIP, namespace: ns1, ` + backends + `}}`)
	s.ExpectAnswers(c, "tcp 1.1.1.2:8888", 16, firstAnswer(t, c, "tcp 1.1.1.2:8888"))

	// An address within a Subnet.
	s.Apply(`{kind: Vip, metadata: {name: front}, spec: {subnet: net1, type: switch_lb_vip, v4ip: 10.0.1.100}}`)
	s.Apply(`{kind: SwitchLBRule, metadata: {name: inside, ` + annotations + `}, spec: {vip: 10.0.1.100, namespace: ns1, ` + backends + `}}`)
	d := s.Pod(s.Hosts[2], "d.ns1", "net1")
	s.ExpectAnswers(c, "tcp 10.0.1.100:8888", 16, "a sees "+c.V4(), "b sees "+c.V4())
	s.ExpectAnswers(d, "tcp 10.0.1.100:8888", 16, "a sees "+d.V4(), "b sees "+d.V4())

	// Other Vpcs have nothing of it.
	s.Apply(`{kind: Vpc, metadata: {name: v2}}`)
	s.Apply(`{kind: Subnet, metadata: {name: net3}, spec: {vpc: v2, cidrBlock: 10.0.1.0/24}}`)
	s.Expect(s.Pod(s.Hosts[0], "e.ns1", "net3"), "tcp 1.1.1.1:8888", "silence")

	// A back end that refuses connections gets none any more, until it takes them again.
	check(t, b.StopServing())
	s.ExpectAnswers(c, "tcp 1.1.1.1:8888", 16, "a sees "+c.V4())
	check(t, b.Serve())
	s.ExpectAnswers(c, "tcp 1.1.1.1:8888", 16, "a sees "+c.V4(), "b sees "+c.V4())
}

func TestLoadBalancersOfIPv6(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net1")
	c := s.Pod(s.Hosts[2], "c.ns1", "net2")
	s.Apply(`{kind: Vip, metadata: {name: front}, spec: {subnet: net1, type: switch_lb_vip, v6ip: "fd00:1::100"}}`)
	for name, vip := range map[string]string{"outside": "fd00:99::1", "inside": "fd00:1::100"} {
		s.Apply(`{kind: SwitchLBRule, metadata: {name: ` + name + `, annotations: {ovn.kubernetes.io/vpc: v1}}, spec: {vip: "` + vip +
			`", namespace: ns1, endpoints: ["` + a.V6() + `", "` + b.V6() + `"], ports: [{port: 8888, targetPort: 80}]}}`)
		s.ExpectAnswers(c, "tcp ["+vip+"]:8888", 16, "a sees "+c.V6(), "b sees "+c.V6())
	}
	if s.Version() == "23.03" {
		return // whose routers answer no neighbour solicitations for addresses in LSP.options:arp_proxy: clients beside them do not find them
	}
	d := s.Pod(s.Hosts[2], "d.ns1", "net1")
	s.ExpectAnswers(d, "tcp [fd00:1::100]:8888", 16, "a sees "+d.V6(), "b sees "+d.V6())
}

// A rule of both families with two back ends, and one of each family: a client stays with one, and not all of them choose the same.
func TestAffinityOfBothFamilies(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a := s.Pod(s.Hosts[0], "a.ns1", "net1")
	b := s.Pod(s.Hosts[1], "b.ns1", "net1")
	backends := map[string]string{"1.1.2.1": a.V4() + `", "` + b.V4(), "fd00:98::1": a.V6() + `", "` + b.V6()}
	backends["1.1.2.2,fd00:98::2"] = backends["1.1.2.1"] + `", "` + backends["fd00:98::1"]
	number := 0
	for vip, endpoints := range backends {
		number++
		s.Apply(fmt.Sprintf(`{kind: SwitchLBRule, metadata: {name: sticky-%d, annotations: {ovn.kubernetes.io/logical_router: v1}}, spec: {vip: "%s", `+
			`sessionAffinity: ClientIP, namespace: ns1, endpoints: ["%s"], ports: [{port: 8888, targetPort: 80, protocol: TCP}]}}`, number, vip, endpoints))
	}
	var clients []*testbed.Pod
	for i := range 8 {
		clients = append(clients, s.Pod(s.Hosts[2], fmt.Sprintf("c%d.ns1", i), "net2", func(ip *v1.IP) {
			ip.Spec.MacAddress = fmt.Sprintf("00:00:00:aa:00:%02x", i+1)
			ip.Spec.IPAddress = fmt.Sprintf("10.0.2.%d,fd00:2::%x", i+10, i+10)
		}))
	}
	s.Settle()
	for _, probe := range []string{"tcp 1.1.2.1:8888", "tcp 1.1.2.2:8888", "tcp [fd00:98::1]:8888", "tcp [fd00:98::2]:8888"} {
		var chosen []string
		for _, c := range clients {
			first := firstAnswer(t, c, probe)
			s.ExpectAnswers(c, probe, 6, first)
			if name, _, _ := strings.Cut(first, " "); !slices.Contains(chosen, name) {
				chosen = append(chosen, name)
			}
		}
		slices.Sort(chosen)
		if want := []string{"a", "b"}; !slices.Equal(chosen, want) {
			t.Errorf("%s: %d clients have the back ends %q, want %q", probe, len(clients), chosen, want)
		}
	}
}
