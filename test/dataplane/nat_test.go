package dataplane

import (
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/test/testbed"
)

// somewhere is an address in the Internet.
const (
	somewhere  = "203.0.113.1"
	somewhere6 = "2001:db8::1"
)

// The users' guide to external addresses: its manifests, its pods, and what it says that works.
func TestExternalAddressesOfTheGuide(t *testing.T) {
	s := bed.Begin(t)
	s.Sample("ovn-external-network.yaml")
	s.Sample("ovn-vpc.yaml")
	// The guide's Vips name no pods; pods whose port security is on, as it is here, carry only those that name them.
	for _, vip := range []string{"test-fip-vip", "test-dnat-vip"} {
		s.Apply(`{kind: Vip, metadata: {name: ` + vip + `}, spec: {subnet: vpc1-subnet1, namespace: vpc1, selector: ["app: vip"]}}`)
	}
	first := s.Pod(s.Hosts[1], "vpc-1-busybox01.vpc1", "vpc1-subnet1")
	second := s.Pod(s.Hosts[0], "vpc-1-busybox02.vpc1", "vpc1-subnet1")
	third := s.Pod(s.Hosts[0], "vpc-1-busybox03.vpc1", "vpc1-subnet1", testbed.Carrying("test-fip-vip", "test-dnat-vip"))
	fourth := s.Pod(s.Hosts[2], "vpc-1-busybox04.vpc1", "vpc1-subnet1")

	// 2.1 An address for a pod, in both directions.
	s.NotReach(first, somewhere)
	s.Sample("ovn-fip.yaml")
	eip, _ := s.EIP("eip-static")
	s.Reach(s.Internet, eip, "vpc-1-busybox01 sees 10.5.204.254")
	s.Expect(first, "tcp 203.0.113.1:80", "internet sees "+eip)

	// 2.2 An address for a Vip that a pod has besides its own.
	vip, _ := s.Vip("test-fip-vip")
	check(t, third.AddAddress(vip+"/24"))
	check(t, third.Announce(vip))
	s.Apply(`{kind: OvnEip, metadata: {name: eip-for-vip}, spec: {externalSubnet: external204, type: nat}}`)
	s.Apply(`{kind: OvnFip, metadata: {name: eip-for-vip}, spec: {ovnEip: eip-for-vip, ipType: vip, ipName: test-fip-vip}}`)
	eip, _ = s.EIP("eip-for-vip")
	s.Expect(s.Internet, "ping "+eip, "pong")
	s.Expect(s.Internet, "tcp "+eip+":80", "vpc-1-busybox03 sees 10.5.204.254")
	s.Expect(third, "tcp 203.0.113.1:80 from "+vip, "internet sees "+eip)

	// 3.1 One address for all pods of a Subnet, 3.2 one for a single pod, whose own rule wins.
	s.NotReach(fourth, somewhere)
	s.Sample("ovn-snat-subnet.yaml")
	shared, _ := s.EIP("snat-for-subnet-in-vpc")
	s.Expect(fourth, "ping "+somewhere, "pong")
	s.Expect(fourth, "tcp 203.0.113.1:80", "internet sees "+shared)
	s.Expect(second, "tcp 203.0.113.1:80", "internet sees "+shared)
	s.Sample("ovn-snat-pod.yaml")
	own, _ := s.EIP("snat-for-pod-vpc-ip")
	s.Expect(second, "tcp 203.0.113.1:80", "internet sees "+own)
	s.Expect(fourth, "tcp 203.0.113.1:80", "internet sees "+shared)

	// 4.1 A port of an address for a pod, 4.2 for a Vip.
	vip, _ = s.Vip("test-dnat-vip")
	check(t, third.AddAddress(vip+"/24"))
	check(t, third.Announce(vip))
	s.Apply(`{kind: OvnEip, metadata: {name: eip-dnat}, spec: {externalSubnet: external204, type: nat}}`)
	s.Apply(`{kind: OvnDnatRule, metadata: {name: eip-dnat}, spec: {ovnEip: eip-dnat, ipName: vpc-1-busybox01.vpc1, protocol: tcp, internalPort: "22", externalPort: "22"}}`)
	s.Apply(`{kind: OvnDnatRule, metadata: {name: dnat-vip}, spec: {ovnEip: eip-dnat, ipType: vip, ipName: test-dnat-vip, protocol: udp, internalPort: "80", externalPort: "8888"}}`)
	eip, _ = s.EIP("eip-dnat")
	s.Expect(s.Internet, "tcp "+eip+":22", "vpc-1-busybox01 sees 10.5.204.254")
	s.Expect(s.Internet, "udp "+eip+":8888", "vpc-1-busybox03 sees 10.5.204.254")
	s.Expect(fourth, "tcp "+eip+":22", "vpc-1-busybox01 sees "+fourth.V4())

	// A rule that goes leaves what others do.
	s.Delete("OvnFip", "eip-static")
	s.Expect(first, "tcp 203.0.113.1:80", "internet sees "+shared)
	s.Expect(s.Internet, "tcp "+eip+":22", "vpc-1-busybox01 sees 10.5.204.254")
}

// dualExternal is an external network of both families, and a Vpc that is connected with it.
const dualExternal = `
kind: ProviderNetwork
metadata: {name: external204}
spec: {defaultInterface: rack}
---
kind: Vlan
metadata: {name: vlan204}
spec: {id: 204, provider: external204}
---
kind: Subnet
metadata: {name: external204}
spec: {vlan: vlan204, cidrBlock: "10.5.204.0/24,fd00:5:204::/64", gateway: "10.5.204.254,fd00:5:204::fe"}
---
kind: Vpc
metadata: {name: v1}
spec: {enableExternal: true}
---
kind: Subnet
metadata: {name: net1}
spec: {vpc: v1, cidrBlock: "192.168.0.0/24,fd00:168::/64"}
`

func TestAddressesOfBothFamiliesAreTranslated(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(dualExternal)
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[1], "b.ns1", "net1")
	s.Apply(`{kind: OvnEip, metadata: {name: fip}, spec: {type: nat}}`)
	s.Apply(`{kind: OvnEip, metadata: {name: snat}, spec: {type: nat}}`)
	s.Apply(`{kind: OvnFip, metadata: {name: fip}, spec: {ovnEip: fip, ipName: a.ns1}}`)
	s.Apply(`{kind: OvnSnatRule, metadata: {name: snat}, spec: {ovnEip: snat, vpcSubnet: net1}}`)
	s.Apply(`{kind: OvnDnatRule, metadata: {name: dnat}, spec: {ovnEip: snat, ipName: b.ns1, protocol: tcp, internalPort: "80", externalPort: "8080"}}`)
	s.Apply(`{kind: OvnDnatRule, metadata: {name: dnat-udp}, spec: {ovnEip: snat, ipName: b.ns1, protocol: udp, internalPort: "80", externalPort: "8080"}}`)
	fip, fip6 := s.EIP("fip")
	snat, snat6 := s.EIP("snat")
	s.Reach(s.Internet, fip, "a sees 10.5.204.254")
	s.Reach(s.Internet, fip6, "a sees fd00:5:204::fe")
	s.Expect(a, "tcp 203.0.113.1:80", "internet sees "+fip)
	s.Expect(a, "tcp [2001:db8::1]:80", "internet sees "+fip6)
	s.Expect(b, "tcp 203.0.113.1:80", "internet sees "+snat)
	s.Expect(b, "tcp [2001:db8::1]:80", "internet sees "+snat6)
	for _, network := range []string{"tcp", "udp"} {
		s.Expect(s.Internet, network+" "+snat+":8080", "b sees 10.5.204.254")
		s.Expect(s.Internet, network+" ["+snat6+"]:8080", "b sees fd00:5:204::fe")
	}
	// From within, by an address from outside.
	s.Expect(b, "tcp "+fip+":80", "a sees "+snat)
}

func TestDistributedFloatingAddressesLeaveOnTheHostOfThePod(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(dualExternal)
	for _, h := range s.Hosts {
		p := s.Pod(h, "on-"+h.Name+".ns1", "net1")
		s.Apply(`{kind: OvnEip, metadata: {name: fip-` + h.Name + `}, spec: {type: nat}}`)
		s.Apply(`{kind: OvnFip, metadata: {name: fip-` + h.Name + `}, spec: {type: distributed, ovnEip: fip-` + h.Name + `, ipName: ` + p.IP.Name + `}}`)
		fip, fip6 := s.EIP("fip-" + h.Name)
		s.Reach(s.Internet, fip, p.Name+" sees 10.5.204.254")
		s.Reach(s.Internet, fip6, p.Name+" sees fd00:5:204::fe")
		s.Expect(p, "tcp 203.0.113.1:80", "internet sees "+fip)
		s.Expect(p, "tcp [2001:db8::1]:80", "internet sees "+fip6)
		if got := s.CableOf(s.Internet, fip); got != h.Name {
			t.Errorf("packets of %s leave at host %q, want %s", p.Name, got, h.Name)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// firstAnswer is the answer to a probe that may need some attempts.
func firstAnswer(t *testing.T, from testbed.Asker, probe string) string {
	t.Helper()
	for deadline := time.Now().Add(testbed.Patience); time.Now().Before(deadline); {
		answer, err := from.Ask(t.Context(), probe)
		check(t, err)
		if answer != testbed.Silence {
			return answer
		}
	}
	t.Fatalf("%s: %s: silence", from, probe)
	return ""
}
