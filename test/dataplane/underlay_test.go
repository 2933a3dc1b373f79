package dataplane

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnderlaySubnetsAreInTheirVlan(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(`
kind: ProviderNetwork
metadata: {name: external204}
spec: {defaultInterface: rack}
---
kind: Vlan
metadata: {name: vlan100}
spec: {id: 100, provider: external204}
---
kind: Vlan
metadata: {name: vlan0}
spec: {id: 0, provider: external204}
---
kind: Subnet
metadata: {name: tagged}
spec: {vlan: vlan100, cidrBlock: "10.100.0.0/24,fd00:100::/64", gateway: "10.100.0.254,fd00:100::fe"}
---
kind: Subnet
metadata: {name: untagged}
spec: {vlan: vlan0, cidrBlock: 10.101.0.0/24, gateway: 10.101.0.254}
`)
	// The physical routers of both networks. The Internet is in a third VLAN.
	router := s.Outside("router", 100, "10.100.0.254/24", "fd00:100::fe/64")
	plain := s.Outside("plain", 0, "10.101.0.254/24")
	a, b := s.Pod(s.Hosts[0], "a.ns1", "tagged"), s.Pod(s.Hosts[1], "b.ns1", "tagged")
	c := s.Pod(s.Hosts[2], "c.ns1", "untagged")
	s.Reach(a, b.V4(), "b sees "+a.V4())
	s.Reach(a, "10.100.0.254", "router sees "+a.V4())
	s.Reach(router, b.V4(), "b sees 10.100.0.254")
	s.Reach(router, b.V6(), "b sees fd00:100::fe")
	s.Reach(c, "10.101.0.254", "plain sees "+c.V4())
	s.Reach(plain, c.V4(), "c sees 10.101.0.254")

	// An address of the tagged network in the untagged one is nobody's.
	check(t, plain.AddAddress("10.100.0.253/24"))
	s.Expect(plain, "ping "+a.V4()+" from 10.100.0.253", "silence")
	s.Expect(a, "ping 10.100.0.253", "silence")
}

// The gateway of the interfaces, and the router that DHCP names, are what the server answers: the address of the Vpc's router. The
// physical gateway knows no way to overlays.
func TestInterconnectedUnderlaysReachTheOverlayAndThePhysicalNetwork(t *testing.T) {
	for _, test := range []struct{ name, features string }{
		{"the router knows nodes", ""}, {"the router forwards for overlays only", ", u2oFeatures: {overlayOnlyRouting: true}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := bed.Begin(t)
			s.Apply(`
kind: ProviderNetwork
metadata: {name: external204}
spec: {defaultInterface: rack}
---
kind: Vlan
metadata: {name: vlan100}
spec: {id: 100, provider: external204}
---
kind: Vpc
metadata: {name: v1}
---
kind: Subnet
metadata: {name: overlay}
spec: {vpc: v1, cidrBlock: "10.0.1.0/24,fd00:1::/64"}
---
kind: Subnet
metadata: {name: underlay}
spec: {vpc: v1, vlan: vlan100, cidrBlock: "10.100.0.0/24,fd00:100::/64", gateway: "10.100.0.254,fd00:100::fe", u2oInterconnection: true, enableDHCP: true` + test.features + `}
`)
			subnet, err := s.API.Subnets().Get(t.Context(), "underlay", metav1.GetOptions{})
			check(t, err)
			if got := subnet.Status.U2OInterconnectionIP; got != "10.100.0.1,fd00:100::1" {
				t.Errorf("address of the router: %s", got)
			}
			router := s.Outside("router", 100, "10.100.0.254/24", "198.51.100.1/32", "fd00:100::fe/64", "2001:db8:100::1/128")
			over, under := s.Pod(s.Hosts[0], "over.ns1", "overlay"), s.Pod(s.Hosts[1], "under.ns1", "underlay")
			if got := leaseV4(t, s.Unconfigured(s.Hosts[2], "dhcp.ns1", "underlay")).Router(); len(got) != 1 || got[0].String() != "10.100.0.1" {
				t.Errorf("DHCP names the router %v, want 10.100.0.1", got)
			}
			s.Reach(over, under.V4(), "under sees "+over.V4())
			s.Reach(over, under.V6(), "under sees "+over.V6())
			s.Reach(under, over.V4(), "over sees "+under.V4())
			s.Reach(under, over.V6(), "over sees "+under.V6())
			s.Reach(under, "10.100.0.254", "router sees "+under.V4())
			s.Reach(under, "198.51.100.1", "router sees "+under.V4())
			s.Reach(under, "2001:db8:100::1", "router sees "+under.V6())
			s.Reach(router, under.V4(), "under sees 10.100.0.254")
		})
	}
}
