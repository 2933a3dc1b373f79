package vpc_test

import (
	"net/netip"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// via is a static route and a rerouting policy to a next hop, each alone.
func via(hop string) map[string]func(*v1.VpcSpec) {
	all, family := "0.0.0.0/0", "ip4"
	if netip.MustParseAddr(hop).Is6() {
		all, family = "::/0", "ip6"
	}
	return map[string]func(*v1.VpcSpec){
		"spec.staticRoutes[0].nextHopIP": route(all, hop),
		"spec.policyRoutes[0].nextHopIP": policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteReroute, Match: family, NextHopIP: hop, Priority: 5}),
	}
}

func newUnderlay(name, vpc, cidr, gateway string, change func(*v1.SubnetSpec)) *v1.Subnet {
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr, Gateway: gateway, Vlan: "vlan204"}}
	change(&s.Spec)
	return s
}

// networks is a Vpc with one network of each sort that its router has a port in.
func networks(t *testing.T) *kindtest.World {
	w := newExternalWorld(t)
	w.MustCreate(newVpc("v", enableExternal, peering("w", "169.254.0.5/30,fd00:9::5/64")),
		newSubnet("dual", "v", "10.0.1.0/24,fd00:1::/64"), newSubnet("pair", "v", "10.0.2.0/31"),
		newUnderlay("logical", "v", "10.7.0.0/24", "10.7.0.254", func(s *v1.SubnetSpec) { s.LogicalGateway = true }),
		newUnderlay("u2o", "v", "10.8.0.0/24", "10.8.0.1", func(s *v1.SubnetSpec) { s.U2OInterconnection, s.U2OInterconnectionIP = true, "10.8.0.2" }))
	return w
}

func TestNextHopsThatNoRouterHasAreRefused(t *testing.T) {
	const own = "the address of the router itself"
	for hop, role := range map[string]string{
		// Of every network: the router's own addresses, the first one and the last one.
		"10.0.1.0": "the network address in subnet dual", "10.0.1.1": own + " in subnet dual", "10.0.1.255": "the broadcast address in subnet dual",
		"fd00:1::": "the subnet-router anycast address in subnet dual", "fd00:1::1": own + " in subnet dual",
		"10.0.2.0":    own + " in subnet pair",
		"10.7.0.0":    "the network address in subnet logical",
		"10.7.0.254":  own + " in subnet logical",
		"10.8.0.2":    own + " in subnet u2o",
		"10.8.0.255":  "the broadcast address in subnet u2o",
		"169.254.0.4": "the network address of 169.254.0.4/30 (spec.vpcPeerings[0].localConnectIP)",
		"169.254.0.5": own + " (spec.vpcPeerings[0].localConnectIP)", "fd00:9::5": own + " (spec.vpcPeerings[0].localConnectIP)",
		"169.254.0.7": "the broadcast address of 169.254.0.4/30",
		"10.5.204.0":  "the network address in the external subnet external204", "10.5.204.101": own + " in the external subnet external204",
		"10.5.204.255": "the broadcast address in the external subnet external204",
		// Of no network.
		"0.0.0.0": `an address of "this network"`, "0.1.2.3": `an address of "this network"`, "127.0.0.1": "a loopback address", "224.0.0.5": "a multicast address",
		"239.255.255.255": "a multicast address", "255.255.255.255": "the broadcast address", "::": "the unspecified address", "::1": "the loopback address", "ff02::1": "a multicast address",
	} {
		for field, change := range via(hop) {
			w := networks(t)
			wantRefusal(t, kindtest.Change(w, "vpcs", "v", func(v *v1.Vpc) { change(&v.Spec) }), field, "is "+role, "write the address of another router")
		}
	}
	// All others are admitted: hosts, the physical gateways, addresses of no network, and of link-local ones.
	for _, hop := range []string{"10.0.1.2", "10.0.1.254", "fd00:1::2", "fd00:1::ffff:ffff:ffff:ffff", "10.0.2.1", "10.7.0.1", "10.8.0.1", "169.254.0.6", "fd00:9::6",
		"10.5.204.254", "192.0.2.1", "192.0.2.255", "2001:db8::1", "fe80::1", "169.254.9.9", "100.64.0.1"} {
		for _, change := range via(hop) {
			w := networks(t)
			if err := kindtest.Change(w, "vpcs", "v", func(v *v1.Vpc) { change(&v.Spec) }); err != nil {
				t.Errorf("next hop %s: %v", hop, err)
			}
		}
	}
}

// A route may be there before its Subnet: then the Subnet is refused that would make its next hop one of the router itself.
func TestASubnetDoesNotTakeANextHopForTheRouter(t *testing.T) {
	for hop, role := range map[string]string{"10.0.1.0": "the network address", "10.0.1.1": "the address of the router itself", "10.0.1.255": "the broadcast address",
		"fd00:1::": "the subnet-router anycast address", "fd00:1::1": "the address of the router itself", "10.0.1.9": "", "fd00:1::9": ""} {
		for field, change := range via(hop) {
			w := newWorld(t)
			w.MustCreate(newVpc("v", change))
			err := w.Create(newSubnet("dual", "v", "10.0.1.0/24,fd00:1::/64"))
			if role == "" {
				wantRefusal(t, err)
				wantRefusal(t, kindtest.Change(w, "subnets", "dual", func(s *v1.Subnet) { s.Spec.Gateway = "10.0.1.9,fd00:1::9" }),
					"spec.gateway", hop+" would be the address of the router itself, but vpc v sends to it ("+field+")")
				continue
			}
			wantRefusal(t, err, "spec.gateway", hop+" would be "+role+", but vpc v sends to it ("+field+")")
		}
	}
}

func TestWhatWasAdmittedBeforeIsNotRefusedAgain(t *testing.T) {
	w := networks(t)
	stored := storedVpc(w, "v").DeepCopy()
	stored.Spec.StaticRoutes = []v1.StaticRoute{{CIDR: "0.0.0.0/0", NextHopIP: "10.0.1.1", Policy: v1.PolicyDst}}
	plan := vpc.NewResource(externalConfig())
	changed := stored.DeepCopy()
	changed.Spec.Namespaces = []string{"ns"}
	if err := plan.PlanWrite(w, stored, changed); err != nil {
		t.Errorf("a route that is as it was: %v", err)
	}
}

// Users write the default Vpc's default route themselves, by the gateway of the nodes' Subnet, where policies choose the node.
func TestTheDefaultVpcMaySendToTheNodes(t *testing.T) {
	w := newWorld(t)
	if err := kindtest.Change(w, "vpcs", "ovn-cluster", func(v *v1.Vpc) { route("0.0.0.0/0", "100.64.0.1")(&v.Spec) }); err != nil {
		t.Error(err)
	}
}

// A route to nowhere is admitted with a warning, since manifests may bring it before its Subnet.
func TestARouteToNowhereIsAWarning(t *testing.T) {
	w := newWorld(t)
	for field, change := range via("192.168.9.1") {
		v := newVpc("v", change)
		s := vpc.NewStrategy(nil)
		s.View = func() storage.View { return w }
		want := field + ": no subnet and no peering of vpc v holds 192.168.9.1; there is no way to it until one does"
		if got := s.WarningsOnCreate(t.Context(), v); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	}
}
