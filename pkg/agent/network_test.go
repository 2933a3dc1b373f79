package agent

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

var compareAddresses = cmp.Options{
	cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }), cmp.Comparer(func(x, y netip.Addr) bool { return x == y }),
	cmp.AllowUnexported(network{}),
}

func prefixesOf(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestTheNetworkOfANodeIsThatOfTheDefaultVpc(t *testing.T) {
	subnet := func(name string, spec v1.SubnetSpec) *v1.Subnet {
		if spec.Vpc == "" {
			spec.Vpc = v1.DefaultVpc
		}
		return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	}
	subnets := []*v1.Subnet{
		subnet("join", v1.SubnetSpec{CIDRBlock: "100.64.0.0/16", Gateway: "100.64.0.1", Provider: v1.DefaultProvider}),
		subnet("pods", v1.SubnetSpec{CIDRBlock: "10.16.0.0/16,fd16::/64", NatOutgoing: true}),
		subnet("central", v1.SubnetSpec{CIDRBlock: "10.17.0.0/24", NatOutgoing: true, GatewayType: v1.GatewayCentralized, GatewayNode: "n2:192.0.2.2, n1:192.0.2.7",
			NatOutgoingPolicyRules: []v1.NatOutgoingPolicyRule{{Action: v1.NatOutgoingForward, Match: v1.NatOutgoingPolicyMatch{SrcIPs: "10.17.0.5,10.17.0.64/26", DstIPs: "198.51.100.0/24"}}}}),
		subnet("plain", v1.SubnetSpec{CIDRBlock: "10.15.0.0/24"}),
		subnet("tenant", v1.SubnetSpec{CIDRBlock: "10.0.0.0/24", Vpc: "vpc1", NatOutgoing: true}),
		subnet("underlay", v1.SubnetSpec{CIDRBlock: "172.16.0.0/24", Vlan: "v1", NatOutgoing: true}),
		subnet("routed-underlay", v1.SubnetSpec{CIDRBlock: "172.17.0.0/24", Vlan: "v1", LogicalGateway: true}),
		subnet("second-interface", v1.SubnetSpec{CIDRBlock: "10.99.0.0/24", Provider: "net1.default.ovn"}),
		subnet("mac-only", v1.SubnetSpec{Protocol: v1.ProtocolMac}),
	}
	chassis := []*v1.Chassis{{Spec: v1.ChassisSpec{NodeIPs: []string{"192.0.2.2", "fd02::2"}}}, {Spec: v1.ChassisSpec{NodeIPs: []string{"192.0.2.1"}}}}
	want := network{
		join:        ipam.Prefixes{V4: netip.MustParsePrefix("100.64.0.0/16")},
		gateway:     ipam.Addrs{V4: netip.MustParseAddr("100.64.0.1")},
		pods:        prefixesOf("10.15.0.0/24", "10.16.0.0/16", "10.17.0.0/24", "172.17.0.0/24", "fd16::/64"),
		centralized: prefixesOf("10.17.0.0/24"),
		translated: []nat.Subnet{
			{Name: "central", Prefixes: prefixesOf("10.17.0.0/24"), Sources: []netip.Addr{netip.MustParseAddr("192.0.2.7")},
				Rules: []nat.Rule{{From: prefixesOf("10.17.0.5/32", "10.17.0.64/26"), To: prefixesOf("198.51.100.0/24"), Forward: true}}},
			{Name: "pods", Prefixes: prefixesOf("10.16.0.0/16", "fd16::/64")},
		},
		nodes: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("fd02::2")},
	}
	if diff := cmp.Diff(want, networkOf(subnets, chassis, v1.DefaultVpc, v1.JoinSubnet, "n1"), compareAddresses); diff != "" {
		t.Error(diff)
	}
}

func TestMappingsOfOthersStay(t *testing.T) {
	for _, test := range []struct{ have, network, bridge, want string }{
		{"", "pn", "br-pn", "pn:br-pn"},
		{"", "pn", "", ""},
		{"physnet1:br-ex", "pn", "br-pn", "physnet1:br-ex,pn:br-pn"},
		{"pn:br-old,physnet1:br-ex", "pn", "br-pn", "pn:br-pn,physnet1:br-ex"},
		{"physnet1:br-ex,pn:br-pn", "pn", "", "physnet1:br-ex"},
		{"pn:br-pn", "pn", "br-pn", "pn:br-pn"},
	} {
		if got := parseMappings(test.have).with(test.network, test.bridge).String(); got != test.want {
			t.Errorf("%q with %s:%s: got %q, want %q", test.have, test.network, test.bridge, got, test.want)
		}
	}
}
