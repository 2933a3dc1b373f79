package egress_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/chassis"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovnnat"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var resources = []string{"chassis", "ips", "ovn-fips", "subnets", "vpcs"}

// newWorld is an installation with both address families.
func newWorld(t *testing.T, objects ...storage.Object) *kindtest.World {
	cfg := kubeovn.DefaultConfig()
	cfg.DefaultSubnetCIDR.V6 = netip.MustParsePrefix("fd00:10:16::/64")
	cfg.NodeSwitchCIDR.V6 = netip.MustParsePrefix("fd00:100:64::/64")
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg), chassis.NewResource(cfg), ip.NewResource(cfg), vip.NewResource(cfg),
		ovneip.NewResource(cfg), ovnnat.NewFipResource(cfg), providernetwork.NewResource(cfg), vlan.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	w.MustCreate(objects...)
	return w
}

func node(n int) *v1.Chassis {
	return &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", n)}, Spec: v1.ChassisSpec{ChassisID: fmt.Sprintf("id%d", n),
		EncapIPs: []string{fmt.Sprintf("172.31.0.%d", n)}, NodeIPs: []string{fmt.Sprintf("172.31.0.%d", n), fmt.Sprintf("fd31::%d", n)}}}
}

func port(n int) *v1.IP {
	name := fmt.Sprintf("node-%d", n)
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: v1.NodePort(name)}, Spec: v1.IPSpec{Subnet: "join", NodeName: name,
		IPAddress: fmt.Sprintf("100.64.0.%d,fd00:100:64::%d", 10+n, 10+n)}}
}

func pod(name, subnet, node string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name + ".ns"}, Spec: v1.IPSpec{PodName: name, Namespace: "ns", Subnet: subnet, NodeName: node}}
}

func newSubnet(name, cidr string, change ...func(*v1.SubnetSpec)) *v1.Subnet {
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: "ovn-cluster", CIDRBlock: cidr}}
	for _, c := range change {
		c(&s.Spec)
	}
	return s
}

func centralized(nodes string) func(*v1.SubnetSpec) {
	return func(s *v1.SubnetSpec) { s.GatewayType, s.GatewayNode = v1.GatewayCentralized, nodes }
}

// policies are the policies of all objects, as ovn-nbctl lr-policy-list shows them, the highest first.
func policies(w *kindtest.World) []string {
	var out []string
	for _, resource := range resources {
		for o := range w.List(resource) {
			for _, row := range w.Rows(resource, o.GetName()) {
				if row.Table != nb.RouterPolicy {
					continue
				}
				text := func(column string) string { return strings.Join(row.Columns[column].AsStrings(), " ") }
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", row.Columns["priority"], text("match"), text("action"), text("nexthops"))))
			}
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

func routes(w *kindtest.World) []string {
	var out []string
	for _, row := range w.Rows("vpcs", "ovn-cluster") {
		if row.Table == nb.StaticRoute {
			out = append(out, strings.TrimPrefix(row.Key, "route/"))
		}
	}
	return out
}

// members are the ports in the group of a node.
func members(w *kindtest.World, node string) []string {
	group := w.RowID("chassis", node, "node-group")
	var out []string
	for o := range w.List("ips") {
		for _, row := range w.Rows("ips", o.GetName()) {
			for _, p := range row.Parents {
				if p.Table == nb.PortGroup && p.UUID == group {
					out = append(out, o.GetName())
				}
			}
		}
	}
	return out
}

func want[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var ofSubnets = []string{
	"31000 ip6.dst == fd00:10:16::/64 allow",
	"31000 ip6.dst == fd00:100:64::/64 allow",
	"31000 ip4.dst == 100.64.0.0/16 allow",
	"31000 ip4.dst == 10.16.0.0/16 allow",
}

func TestPodsLeaveAtTheirNodes(t *testing.T) {
	w := newWorld(t)
	want(t, "routes", []string{"policyDst//0.0.0.0/0/100.64.0.1", "policyDst//::/0/fd00:100:64::1"}, routes(w))
	want(t, "policies without nodes", ofSubnets, policies(w))

	w.MustCreate(node(1))
	want(t, "policies for a node without a port", ofSubnets, policies(w))
	w.MustCreate(port(1), pod("a", "ovn-default", "node-1"), pod("b", "ovn-default", "node-2"), pod("reserved", "ovn-default", ""))
	ofNode := []string{
		"30000 ip6.dst == fd31::1 reroute fd00:100:64::11",
		"30000 ip4.dst == 172.31.0.1 reroute 100.64.0.11",
		"29000 ip6.src == $node.node_1_ip6 reroute fd00:100:64::11",
		"29000 ip4.src == $node.node_1_ip4 reroute 100.64.0.11",
	}
	want(t, "policies", slices.Concat(ofSubnets, ofNode), policies(w))
	want(t, "pods of the node", []string{"a.ns"}, members(w, "node-1"))

	w.MustCreate(node(2))
	want(t, "pods that were there before their node", []string{"b.ns"}, members(w, "node-2"))
	must(t, w.Delete("chassis", "node-2"))
	want(t, "parents of a pod without a node", 1, len(w.Rows("ips", "b.ns")[0].Parents))

	must(t, w.Delete("ips", "node-node-1"))
	want(t, "policies without the port", ofSubnets, policies(w))
}

func TestACentralizedSubnetLeavesAtTheFirstGatewayThatIsReady(t *testing.T) {
	w := newWorld(t, node(1), node(2), port(1), port(2), newSubnet("c", "10.20.0.0/24", centralized("node-2:172.31.0.2, node-1")), pod("a", "c", "node-1"))
	gateway := func() (active string, from string) {
		s, _ := storage.Get[*v1.Subnet](w, "subnets", "c")
		for _, p := range policies(w) {
			if strings.Contains(p, "ip4.src == 10.20.0.0/24") {
				from = p
			}
		}
		return s.Status.ActivateGateway, from
	}
	expect := func(what, active, from string) {
		t.Helper()
		gotActive, gotFrom := gateway()
		want(t, what, []string{active, from}, []string{gotActive, gotFrom})
	}
	ready := func(name string, status metav1.ConditionStatus) {
		t.Helper()
		must(t, kindtest.Change(w, "chassis", name, func(c *v1.Chassis) {
			meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: v1.ChassisReady, Status: status, Reason: "Test"})
		}))
	}
	expect("both without agents", "node-2", "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.12")
	want(t, "pods of the node", nil, members(w, "node-1"))
	ready("node-2", metav1.ConditionUnknown)
	expect("after the first is lost", "node-1", "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.11")
	ready("node-2", metav1.ConditionTrue)
	expect("after the first is back", "node-2", "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.12")
	must(t, kindtest.Change(w, "subnets", "c", func(s *v1.Subnet) { s.Spec.EnableEcmp = true }))
	expect("both at once", "node-2,node-1", "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.11 100.64.0.12")
	must(t, w.Delete("ips", "node-node-2"))
	expect("after the port of one is gone", "node-1", "29000 ip4.src == 10.20.0.0/24 reroute 100.64.0.11")
	must(t, w.Delete("chassis", "node-1"))
	expect("without any", "", "")
	must(t, kindtest.Change(w, "subnets", "c", func(s *v1.Subnet) { s.Spec.GatewayType = v1.GatewayDistributed }))
	w.MustCreate(node(1))
	want(t, "pods of the node when the Subnet is distributed", []string{"a.ns"}, members(w, "node-1"))
}

func TestGatewaysAreSelectedByTheLabelsOfChassis(t *testing.T) {
	w := newWorld(t, node(1), port(1), newSubnet("c", "10.20.0.0/24", centralized(""), func(s *v1.SubnetSpec) {
		s.GatewayNodeSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"gateway": "yes"}}}
	}))
	active := func() string {
		s, _ := storage.Get[*v1.Subnet](w, "subnets", "c")
		return s.Status.ActivateGateway
	}
	want(t, "without the label", "", active())
	must(t, kindtest.Change(w, "chassis", "node-1", func(c *v1.Chassis) { c.Labels = map[string]string{"gateway": "yes"} }))
	want(t, "with the label", "node-1", active())
}

func TestEveryRouteTableHasADefaultRouteUnlessTheUserMadeOne(t *testing.T) {
	w := newWorld(t, newSubnet("t", "10.20.0.0/24", func(s *v1.SubnetSpec) { s.RouteTable = "blue" }))
	want(t, "routes", []string{"policyDst//0.0.0.0/0/100.64.0.1", "policyDst//::/0/fd00:100:64::1", "policyDst/blue/0.0.0.0/0/100.64.0.1", "policyDst/blue/::/0/fd00:100:64::1"}, routes(w))
	must(t, kindtest.Change(w, "vpcs", "ovn-cluster", func(v *v1.Vpc) {
		v.Spec.StaticRoutes = []v1.StaticRoute{
			{CIDR: "0.0.0.0/0", NextHopIP: "100.64.0.1"},
			{CIDR: "::/0", NextHopIP: "fd00:10:16::99", RouteTable: "blue"},
			{CIDR: "10.99.0.0/16", NextHopIP: "10.16.0.99"},
			{CIDR: "10.99.0.0/16", NextHopIP: "10.16.0.98"},
		}
	}))
	want(t, "routes with those of the user", []string{"policyDst//0.0.0.0/0/100.64.0.1", "policyDst//10.99.0.0/16/10.16.0.98", "policyDst//10.99.0.0/16/10.16.0.99",
		"policyDst//::/0/fd00:100:64::1", "policyDst/blue/0.0.0.0/0/100.64.0.1", "policyDst/blue/::/0/fd00:10:16::99"}, routes(w))
	if !slices.Contains(policies(w), "29800 ip4.dst == 10.99.0.0/16 allow") {
		t.Errorf("packets for a route of the user leave at a node: %q", policies(w))
	}
	v, _ := storage.Get[*v1.Vpc](w, "vpcs", "ovn-cluster")
	want(t, "derived routes in the status", 2, len(v.Status.Routes))
}

// Its packets have to pass the router's external port, where they are translated.
func TestWhatIsTranslatedDoesNotLeaveAtItsNode(t *testing.T) {
	w := newWorld(t, node(1), port(1),
		&v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "physnet"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}},
		&v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "untagged"}, Spec: v1.VlanSpec{Provider: "physnet"}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "external"}, Spec: v1.SubnetSpec{CIDRBlock: "10.5.204.0/24", Gateway: "10.5.204.254", Vlan: "untagged"}})
	must(t, kindtest.Change(w, "vpcs", "ovn-cluster", func(v *v1.Vpc) { v.Spec.EnableExternal = true }))
	w.MustCreate(
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "a.ns"}, Spec: v1.IPSpec{PodName: "a", Namespace: "ns", Subnet: "ovn-default", NodeName: "node-1", IPAddress: "10.16.0.9,fd00:10:16::9"}},
		&v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: "eip"}, Spec: v1.OvnEipSpec{ExternalSubnet: "external", Type: v1.OvnEipNat}},
		&v1.OvnFip{ObjectMeta: metav1.ObjectMeta{Name: "fip"}, Spec: v1.OvnFipSpec{OvnEip: "eip", IPName: "a.ns"}})
	if got := policies(w); !slices.Contains(got, "29500 ip4.src == 10.16.0.9 allow") {
		t.Errorf("got policies %q", got)
	}
	want(t, "routes", []string{"policyDst//0.0.0.0/0/10.5.204.254", "policyDst//::/0/fd00:100:64::1"}, routes(w))
	must(t, w.Delete("ovn-fips", "fip"))
	for _, p := range policies(w) {
		if strings.HasPrefix(p, "29500") {
			t.Errorf("the rule is gone, its policy is not: %s", p)
		}
	}
}

func TestOtherVpcsHaveNothingOfIt(t *testing.T) {
	w := newWorld(t, node(1), port(1), &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "v"}}, newSubnet("s", "10.20.0.0/24", func(s *v1.SubnetSpec) { s.Vpc = "v" }), pod("a", "s", "node-1"))
	for _, row := range slices.Concat(w.Rows("vpcs", "v"), w.Rows("subnets", "s")) {
		if row.Table == nb.StaticRoute || row.Table == nb.RouterPolicy {
			t.Errorf("got row %s", row.Key)
		}
	}
	want(t, "pods of the node", nil, members(w, "node-1"))
}

func TestAddressesOfAnotherSubnetAreNoNodePort(t *testing.T) {
	w := newWorld(t, node(1), &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "node-node-1"}, Spec: v1.IPSpec{Subnet: "ovn-default", NodeName: "node-1"}})
	want(t, "policies", ofSubnets, policies(w))
	ip, _ := storage.Get[*v1.IP](w, "ips", "node-node-1")
	if addrs, err := ipam.ParseAddrs(ip.Spec.IPAddress); err != nil || !addrs.V4.IsValid() {
		t.Errorf("got %q, %v", ip.Spec.IPAddress, err)
	}
}
