package subnet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func newWorld(t testing.TB) *kindtest.World {
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg), ip.NewResource(cfg), vlan.NewResource(cfg), providernetwork.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	w.MustCreate(newVpc("v"), newProvider("external204"), newVlan("vlan204", 204), newVlan("x", 0))
	return w
}

func newProvider(name string) *v1.ProviderNetwork {
	return &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "vlan"}}
}

func newVlan(name string, id int32) *v1.Vlan {
	return &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VlanSpec{ID: id, Provider: "external204"}}
}

func newVpc(name string, change ...func(*v1.VpcSpec)) *v1.Vpc {
	o := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, c := range change {
		c(&o.Spec)
	}
	return o
}

func newSubnet(name, vpc, cidr string, change ...func(*v1.SubnetSpec)) *v1.Subnet {
	o := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr}}
	for _, c := range change {
		c(&o.Spec)
	}
	return o
}

func newIP(name, subnet, address string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{Subnet: subnet, IPAddress: address, V4IPAddress: address}}
}

func wantRefusal(t *testing.T, err error, texts ...string) {
	t.Helper()
	if len(texts) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !apierrors.IsInvalid(err) {
		t.Fatalf("got %v, want a refusal with %q", err, texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v\nwant it to say %q", err, text)
		}
	}
}

type spec = v1.SubnetSpec

func TestCreateIsRefusedWithTheReason(t *testing.T) {
	egress := func(gateway string, table int32) func(*spec) {
		return func(s *spec) {
			s.ExternalEgressGateway, s.PolicyRoutingPriority, s.PolicyRoutingTableID = gateway, 1001, table
		}
	}
	underlay := func(s *spec) { s.Vlan = "vlan204"; s.Vpc = "" }
	external := func(s *spec) { s.Provider = "ovn-vpc-external-network.kube-system"; s.Vpc = "" }
	for _, test := range []struct {
		name   string
		before []storage.Object
		subnet *v1.Subnet
		want   []string // nil: accepted
	}{
		{"the same prefix in two Vpcs", []storage.Object{newVpc("w"), newSubnet("net1", "w", "10.0.1.0/24")}, newSubnet("net2", "v", "10.0.1.0/24"), nil},
		{"the default prefix in a Vpc of its own", nil, newSubnet("net", "v", "10.16.0.0/16"), nil},
		{"the service range in a Vpc of its own", nil, newSubnet("net", "v", "10.96.0.0/16"), nil},
		{"an external network of another plugin", nil, newSubnet("ovn-vpc-external-network", "", "192.168.0.0/24", external, func(s *spec) { s.Gateway = "192.168.0.1"; s.ExcludeIps = []string{"192.168.0.1..192.168.0.10"} }), nil},
		{"an underlay with its own gateway", nil, newSubnet("external204", "", "10.5.204.0/24", underlay, func(s *spec) { s.Gateway = "10.5.204.254"; s.ExcludeIps = []string{"10.5.204.1..10.5.204.100"} }), nil},
		{"an underlay beside an overlay with the same prefix", []storage.Object{newSubnet("net", "v", "10.5.204.0/24")}, newSubnet("external204", "", "10.5.204.0/24", underlay), nil},
		{"a Vlan that does not exist", nil, newSubnet("b", "", "10.5.0.0/16", func(s *spec) { s.Vlan = "nowhere" }), []string{"spec.vlan: Not found", "create the Vlan first"}},
		{"an interconnected overlay", nil, newSubnet("b", "v", "10.5.0.0/16", func(s *spec) { s.U2OInterconnection = true }), []string{"spec.u2oInterconnection", "only an underlay"}},
		{"an interconnection at the gateway", nil, newSubnet("b", "v", "10.5.0.0/16", underlay, func(s *spec) { s.Vpc, s.U2OInterconnection, s.U2OInterconnectionIP = "v", true, "10.5.0.1" }),
			[]string{"spec.u2oInterconnectionIP", "conflicts with subnet gateway"}},
		{"an interconnection whose prefix an overlay has", []storage.Object{newSubnet("a", "v", "10.5.0.0/24")},
			newSubnet("b", "v", "10.5.0.0/16", underlay, func(s *spec) { s.Vpc, s.U2OInterconnection = "v", true }), []string{"is conflict with subnet a"}},
		{"interfaces without addresses", nil, newSubnet("l2", "v", "", func(s *spec) { s.Protocol = v1.ProtocolMac }), nil},

		{"an equal prefix in the Vpc", []storage.Object{newSubnet("a", "v", "10.0.1.0/24")}, newSubnet("b", "v", "10.0.1.0/24"), []string{"spec.cidrBlock", "subnet b cidr 10.0.1.0/24 is conflict with subnet a cidr 10.0.1.0/24"}},
		{"a prefix within another", []storage.Object{newSubnet("a", "v", "10.0.0.0/16")}, newSubnet("b", "v", "10.0.1.0/24"), []string{"is conflict with subnet a cidr 10.0.0.0/16"}},
		{"a prefix around others", []storage.Object{newSubnet("a", "v", "10.0.1.0/24"), newSubnet("c", "v", "10.0.9.0/24")}, newSubnet("b", "v", "10.0.0.0/16"), []string{"subnet a cidr 10.0.1.0/24", "subnet c cidr 10.0.9.0/24"}},
		{"one of two families overlaps", []storage.Object{newSubnet("a", "v", "10.0.1.0/24,fd00::/64")}, newSubnet("b", "v", "10.0.2.0/24,fd00::/80"), []string{"subnet b cidr fd00::/80 is conflict with subnet a cidr fd00::/64"}},
		{"a logical gateway brings an underlay into the Vpc", []storage.Object{newSubnet("a", "v", "10.0.1.0/24")}, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Vlan = "x"; s.LogicalGateway = true }), []string{"is conflict with subnet a"}},
		{"two underlays on one Vlan", []storage.Object{newSubnet("a", "", "10.5.0.0/16", underlay)}, newSubnet("b", "", "10.5.204.0/24", underlay), []string{"is conflict with subnet a"}},
		{"two ranges of one provider", []storage.Object{newSubnet("a", "", "10.5.0.0/16", external)}, newSubnet("b", "", "10.5.204.0/24", external), []string{"is conflict with subnet a"}},
		{"the nodes' network in the default Vpc", nil, newSubnet("b", "", "100.64.1.0/24"), []string{"is conflict with subnet join cidr 100.64.0.0/16"}},
		{"the service range in the default Vpc", nil, newSubnet("b", "", "10.100.0.0/16"), []string{"is conflict with the service range 10.96.0.0/12"}},
		{"a Subnet of a peer", []storage.Object{newVpc("p", func(s *v1.VpcSpec) {
			s.VpcPeerings = []v1.VpcPeering{{RemoteVpc: "q", LocalConnectIP: "169.254.0.1/30"}}
		}),
			newVpc("q", func(s *v1.VpcSpec) {
				s.VpcPeerings = []v1.VpcPeering{{RemoteVpc: "p", LocalConnectIP: "169.254.0.2/30"}}
			}), newSubnet("a", "p", "10.0.1.0/24")},
			newSubnet("b", "q", "10.0.0.0/16"), []string{"subnet b cidr 10.0.0.0/16 is conflict with subnet a cidr 10.0.1.0/24 of peer vpc p"}},
		{"the link to a peer", []storage.Object{newVpc("p", func(s *v1.VpcSpec) {
			s.VpcPeerings = []v1.VpcPeering{{RemoteVpc: "q", LocalConnectIP: "169.254.0.1/30"}}
		})},
			newSubnet("b", "p", "169.254.0.0/16"), []string{"is conflict with prefix 169.254.0.0/30 of a peering of vpc p"}},

		{"host bits", nil, newSubnet("b", "v", "10.0.1.7/24"), []string{"spec.cidrBlock", "write 10.0.1.0/24"}},
		{"no prefix", nil, newSubnet("b", "v", ""), []string{"spec.cidrBlock: Required", "protocol: Mac"}},
		{"a protocol that contradicts", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Protocol = v1.ProtocolIPv6 }), []string{"spec.protocol", "is IPv4"}},
		{"a name that begins with a digit", nil, newSubnet("1b", "v", "10.0.1.0/24"), []string{"metadata.name", "digit"}},
		{"a gateway outside", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Gateway = "10.0.2.1" }), []string{"spec.gateway", "gateway 10.0.2.1 is not in cidr 10.0.1.0/24", "10.0.1.1"}},
		{"a gateway that is the broadcast address", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Gateway = "10.0.1.255" }), []string{"spec.gateway", "broadcast address"}},
		{"an exclusion outside", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.ExcludeIps = []string{"10.0.1.9", "10.0.1.250..10.0.2.3"} }), []string{"spec.excludeIps[1]", "not in cidr"}},
		{"an exclusion that is no range", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.ExcludeIps = []string{"10.0.1.9..10.0.1.1"} }), []string{"10.0.1.9..10.0.1.1 in excludeIps is not a valid ip range", "write 10.0.1.1..10.0.1.9"}},
		{"an mtu below that of IPv6", nil, newSubnet("b", "v", "fd00::/64", func(s *spec) { s.Mtu = 1000 }), []string{"spec.mtu", "subnet b mtu 1000 is below the IPv6 minimum 1280"}},
		{"translation and an egress gateway", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.NatOutgoing = true; s.ExternalEgressGateway = "192.0.2.1" }),
			[]string{"conflict configuration: natOutgoing and externalEgressGateway", "spec.policyRoutingPriority", "spec.policyRoutingTableID"}},
		{"an egress gateway in the Subnet", nil, newSubnet("b", "v", "10.0.1.0/24", egress("10.0.1.9", 1001)), []string{"spec.externalEgressGateway", "10.0.1.9 is in cidr 10.0.1.0/24"}},
		{"an egress gateway that no host is", nil, newSubnet("b", "v", "10.0.1.0/24", egress("224.0.0.9", 1001)), []string{"spec.externalEgressGateway", "224.0.0.9 is", "must be a router beside the nodes"}},
		{"an egress gateway of the other family", nil, newSubnet("b", "v", "10.0.1.0/24", egress("fd02::8", 1001)), []string{"spec.externalEgressGateway", "address family is conflict"}},
		{"the agents' routing table", nil, newSubnet("b", "v", "10.0.1.0/24", egress("192.0.2.8", v1.AnswersTable)), []string{"spec.policyRoutingTableID", "of the node agents"}},
		{"the routing table default", nil, newSubnet("b", "v", "10.0.1.0/24", egress("192.0.2.8", 253)), []string{"spec.policyRoutingTableID", `"default"`}},
		{"the routing table main", nil, newSubnet("b", "v", "10.0.1.0/24", egress("192.0.2.8", 254)), []string{"spec.policyRoutingTableID", `"main"`}},
		{"the routing table local", nil, newSubnet("b", "v", "10.0.1.0/24", egress("192.0.2.8", 255)), []string{"spec.policyRoutingTableID", `"local"`}},
		{"a routing table with another gateway", []storage.Object{newSubnet("a", "v", "10.0.1.0/24", egress("192.0.2.8", 1001))},
			newSubnet("b", "v", "10.0.2.0/24", egress("192.0.2.7", 1001)), []string{"spec.policyRoutingTableID", "subnet a has gateway 192.0.2.8 in this table"}},
		{"a routing table with the same gateway", []storage.Object{newSubnet("a", "v", "10.0.1.0/24", egress("192.0.2.8", 1001))},
			newSubnet("b", "v", "10.0.2.0/24", egress("192.0.2.8", 1001)), nil},
		{"a routing table with a gateway of the other family", []storage.Object{newSubnet("a", "v", "10.0.1.0/24", egress("192.0.2.8", 1001))},
			newSubnet("b", "v", "fd00:2::/64", egress("fd02::8", 1001)), nil},
		{"an access rule that OVN does not read", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) {
			s.Acls = []v1.ACL{{Direction: "in", Priority: 40000, Match: "ip4 &&", Action: "permit"}}
		}),
			[]string{"spec.acls[0].direction", "spec.acls[0].priority", "spec.acls[0].match", "column 7", "spec.acls[0].action"}},
		{"DHCP options without a value", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.DHCPv4Options = "lease_time" }), []string{"spec.dhcpV4Options", "name=value"}},

		{"a Vpc that does not exist", nil, newSubnet("b", "nowhere", "10.0.1.0/24"), []string{`spec.vpc: Not found: "nowhere"`}},
		{"the name of its Vpc", nil, newSubnet("v", "v", "10.0.1.0/24"), []string{"subnet v and vpc v cannot have the same name"}},
		{"the name of another Vpc", []storage.Object{newVpc("w")}, newSubnet("w", "v", "10.0.1.0/24"), []string{"subnet w and vpc w cannot have the same name"}},
		{"a namespace that the Vpc does not admit", []storage.Object{newVpc("w", func(s *v1.VpcSpec) { s.Namespaces = []string{"ns1"} })}, newSubnet("b", "w", "10.0.1.0/24", func(s *spec) { s.Namespaces = []string{"ns1", "ns2"} }),
			[]string{"spec.namespaces[1]", "namespace 'ns2' is out of range to custom vpc 'w'"}},
		{"a namespace that is bound to another Vpc", []storage.Object{newVpc("w"), newSubnet("a", "w", "10.0.1.0/24", func(s *spec) { s.Namespaces = []string{"ns1"} })},
			newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Namespaces = []string{"ns1"} }), []string{"namespace 'ns1' is bound to subnet a of vpc 'w'"}},
		{"a namespace that is bound to an underlay, too", []storage.Object{newSubnet("a", "", "10.0.1.0/24", underlay, func(s *spec) { s.Namespaces = []string{"ns1"} })},
			newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Namespaces = []string{"ns1"} }), nil},
		{"a second default", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Default = true }), []string{"spec.default", "subnet ovn-default is the default already"}},
		{"a router port that another Subnet has", []storage.Object{newVpc("a"), newVpc("a-b"), newSubnet("b-c", "a", "10.0.1.0/24")}, newSubnet("c", "a-b", "10.0.2.0/24"), []string{`router port "a-b-c"`, "Subnet b-c"}},
		{"a vip that is the gateway", nil, newSubnet("b", "v", "10.0.1.0/24", func(s *spec) { s.Vips = []string{"10.0.1.1"} }), []string{"spec.vips[0]", "10.0.1.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(test.before...)
			wantRefusal(t, w.Create(test.subnet), test.want...)
		})
	}
}

func TestDefaultsAreWrittenOut(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("dual", "v", "fd00::/64,10.0.1.0/24", func(s *spec) { s.ExcludeIps = []string{"10.0.1.250..10.0.1.255"} }), newSubnet("plain", "", "10.32.0.0/16"))
	dual, _ := storage.Get[*v1.Subnet](w, "subnets", "dual")
	want := v1.SubnetSpec{Vpc: "v", Provider: "ovn", Protocol: v1.ProtocolDual, CIDRBlock: "fd00::/64,10.0.1.0/24", Gateway: "10.0.1.1,fd00::1",
		ExcludeIps: []string{"10.0.1.250..10.0.1.255"}}
	if diff := cmp.Diff(want, dual.Spec); diff != "" {
		t.Error(diff)
	}
	plain, _ := storage.Get[*v1.Subnet](w, "subnets", "plain")
	if plain.Spec.Vpc != "ovn-cluster" || plain.Spec.GatewayType != v1.GatewayDistributed || !slices.Equal(plain.Spec.ExcludeIps, []string{"10.32.0.1"}) {
		t.Errorf("in the default Vpc: %+v", plain.Spec)
	}
}

func TestRowsOfASubnet(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.1.0/24,fd00::/64", func(s *spec) {
		s.EnableDHCP, s.EnableIPv6RA, s.Private, s.EnableMulticastSnoop = true, true, true, true
		s.AllowSubnets, s.RouteTable, s.Vips = []string{"10.0.2.0/24"}, "rtb1", []string{"10.0.1.9"}
		s.Acls = []v1.ACL{{Direction: v1.ACLFromLport, Priority: 5, Match: "tcp", Action: "allow-related"}}
	}))
	stored, _ := storage.Get[*v1.Subnet](w, "subnets", "net")
	mac := nb.RouterMAC(stored)
	if !strings.HasPrefix(mac, "00:00:00:") || strings.ToUpper(mac) != mac {
		t.Errorf("MAC %q", mac)
	}
	got := kindtest.Text(w.Rows("subnets", "net"))
	for _, line := range []string{
		"  action: \"allow-related\"\n  direction: \"from-lport\"\n  match: \"tcp\"\n  priority: 5\n  in Logical_Switch.acls",
		`match: "ip"`, "priority: 1000", "priority: 3000", `match: "ip4.src == 100.64.0.0/16"`, `match: "ip4.src == 10.0.1.0/24 && ip4.dst == 10.0.1.0/24"`,
		`match: "(ip4.src == 10.0.1.0/24 && ip4.dst == 10.0.2.0/24) || (ip4.src == 10.0.2.0/24 && ip4.dst == 10.0.1.0/24)"`,
		"DHCP_Options dhcpv4\n  cidr: \"10.0.1.0/24\"\n  options: [\"map\",[[\"lease_time\",\"3600\"],[\"mtu\",\"1400\"],[\"router\",\"10.0.1.1\"],[\"server_id\",\"169.254.0.254\"],[\"server_mac\",\"MAC\"]]]",
		"DHCP_Options dhcpv6\n  cidr: \"fd00::/64\"\n  options: [\"map\",[[\"server_id\",\"MAC\"]]]",
		"Logical_Router_Port lrp\n  ipv6_ra_configs: [\"map\",[[\"address_mode\",\"dhcpv6_stateful\"],[\"max_interval\",\"30\"],[\"min_interval\",\"5\"],[\"mtu\",\"1400\"],[\"send_periodic\",\"true\"]]]\n" +
			"  mac: \"MAC\"\n  name: \"v-net\"\n  networks: [\"set\",[\"10.0.1.1/24\",\"fd00::1/64\"]]\n  options: [\"map\",[[\"route_table\",\"rtb1\"]]]\n  in Logical_Router.ports",
		"Logical_Switch switch\n  name: \"net\"\n  other_config: [\"map\",[[\"mcast_eth_src\",\"MAC\"],[\"mcast_ip4_src\",\"10.0.1.1\"],[\"mcast_querier\",\"true\"],[\"mcast_snoop\",\"true\"]]]",
		"Logical_Switch_Port lsp\n  addresses: \"router\"\n  name: \"net-v\"\n  options: [\"map\",[[\"router-port\",\"v-net\"]]]\n  type: \"router\"\n  in Logical_Switch.ports",
		"Logical_Switch_Port vip/10.0.1.9\n  name: \"net-vip-10.0.1.9\"\n  options: [\"map\",[[\"virtual-ip\",\"10.0.1.9\"]]]\n  type: \"virtual\"\n  in Logical_Switch.ports",
	} {
		if line = strings.ReplaceAll(line, "MAC", mac); !strings.Contains(got, line) {
			t.Errorf("missing %s\nin\n%s", line, got)
		}
	}
	if status := stored.Status; status.DHCPv4OptionsUUID != w.RowID("subnets", "net", nb.DHCPv4Key).String() {
		t.Errorf("dhcpV4OptionsUUID %q", status.DHCPv4OptionsUUID)
	}
}

func TestSubnetsWithoutARouterPort(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(
		newSubnet("underlay", "", "10.5.204.0/24", func(s *spec) { s.Vlan = "vlan204" }),
		newSubnet("external", "", "192.168.0.0/24", func(s *spec) { s.Provider = "ext.kube-system" }),
		newSubnet("l2", "v", "", func(s *spec) { s.Protocol = v1.ProtocolMac }))
	for name, want := range map[string][]string{"underlay": {"localnet", nb.SwitchKey}, "external": nil, "l2": {nb.SwitchKey}} {
		var got []string
		for _, row := range w.Rows("subnets", name) {
			got = append(got, row.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %s: %s", name, diff)
		}
	}
}

func TestTheRouterMACStays(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.1.0/24"))
	before, _ := w.Row("subnets", "net", nb.RouterPortKey)
	// A client that sends its own manifest again knows nothing of the annotation.
	if err := w.Update(newSubnet("net", "v", "10.0.1.0/24", func(s *spec) { s.Private = true })); err != nil {
		t.Fatal(err)
	}
	after, _ := w.Row("subnets", "net", nb.RouterPortKey)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	seen := map[ovsdb.Value]bool{}
	for i := range 50 {
		name := fmt.Sprintf("n%d", i)
		w.MustCreate(newSubnet(name, "v", fmt.Sprintf("10.1.%d.0/24", i)))
		row, _ := w.Row("subnets", name, nb.RouterPortKey)
		if seen[row.Columns["mac"]] {
			t.Errorf("MAC %s twice", row.Columns["mac"])
		}
		seen[row.Columns["mac"]] = true
	}
	taken, _ := storage.Get[*v1.Subnet](w, "subnets", "net")
	greedy := newSubnet("greedy", "v", "10.2.0.0/24")
	greedy.Annotations = map[string]string{nb.RouterMACAnnotation: nb.RouterMAC(taken)}
	w.MustCreate(greedy)
	if got, _ := storage.Get[*v1.Subnet](w, "subnets", "greedy"); nb.RouterMAC(got) == nb.RouterMAC(taken) {
		t.Error("a MAC that is taken was accepted")
	}
}

func TestChangesLeaveNoAddressBehind(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*spec)
		want   []string
	}{
		{"growing", func(s *spec) { s.CIDRBlock = "10.0.0.0/22" }, nil},
		{"a second family", func(s *spec) { s.CIDRBlock = "10.0.1.0/24,fd00::/64"; s.Protocol = "" }, nil},
		{"growing into another Subnet", func(s *spec) { s.CIDRBlock = "10.0.0.0/16" }, []string{"is conflict with subnet other"}},
		{"shrinking", func(s *spec) { s.CIDRBlock = "10.0.1.0/29" },
			[]string{"spec.cidrBlock", "10.0.1.11 (IP p1), 10.0.1.12 (IP p2), 10.0.1.13 (IP p3), 10.0.1.14 (IP p4), 10.0.1.15 (IP p5) and 2 more"}},
		{"shrinking so that an address becomes the broadcast address", func(s *spec) { s.CIDRBlock = "10.0.1.0/28" }, []string{"10.0.1.15 (IP p5)"}},
		{"moving", func(s *spec) { s.CIDRBlock, s.Gateway, s.ExcludeIps = "10.9.0.0/24", "", nil }, []string{"10.0.1.11 (IP p1)"}},
		{"the gateway to an address in use", func(s *spec) { s.Gateway = "10.0.1.12" }, []string{"spec.gateway", "10.0.1.12 is in use by IP p2"}},
		{"the gateway that interfaces send to", func(s *spec) { s.Gateway = "10.0.1.99" }, []string{"spec.gateway", "10.0.1.11 (IP p1) sends to 10.0.1.1"}},
		{"a gateway of a second family", func(s *spec) { s.CIDRBlock, s.Protocol, s.Gateway = "10.0.1.0/24,fd00::/64", "", "10.0.1.1,fd00::99" }, nil},
		{"another Vpc", func(s *spec) { s.Vpc = "ovn-cluster" }, []string{"spec.vpc", "subnet net stays in vpc v"}},
		{"a Vlan", func(s *spec) { s.Vlan = "x" }, []string{"spec.vlan", "cannot be changed"}},
		{"the provider of a further interface", func(s *spec) { s.Provider = "ovn-nad.default.ovn" }, nil},
		{"a provider without ports", func(s *spec) { s.Provider = "x.y" }, []string{"spec.provider", "10.0.1.11 by IP p1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(newSubnet("net", "v", "10.0.1.0/24"), newSubnet("other", "v", "10.0.128.0/24"))
			for i := 1; i <= 7; i++ {
				w.MustCreate(newIP(fmt.Sprintf("p%d", i), "net", fmt.Sprintf("10.0.1.%d", 10+i)))
			}
			err := kindtest.Change(w, "subnets", "net", func(s *v1.Subnet) { test.change(&s.Spec) })
			wantRefusal(t, err, test.want...)
		})
	}
}

func TestTheGatewayMayChangeWhileNobodySendsToIt(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.1.0/24"))
	if err := kindtest.Change(w, "subnets", "net", func(s *v1.Subnet) { s.Spec.Gateway = "10.0.1.99" }); err != nil {
		t.Error(err)
	}
}

func TestARefusalNamesEveryWrongField(t *testing.T) {
	w := newWorld(t)
	err := w.Create(newSubnet("b", "v", "10.0.1.0/24", func(s *spec) {
		s.Protocol, s.Mtu, s.GatewayType, s.Gateway = "IPX", 70000, "elsewhere", "10.0.2.1"
		s.ExternalEgressGateway, s.Vips = "10.0.1.999", []string{"10.9.9.9"}
	}))
	wantRefusal(t, err, "spec.protocol", "spec.mtu", "spec.gatewayType", "spec.gateway", "spec.externalEgressGateway", "spec.vips[0]")
	if err != nil && strings.Contains(err.Error(), "spec.excludeIps") {
		t.Errorf("blames the gateway twice: %v", err)
	}
}

func TestUsageIsCountedInTheSnapshot(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.1.0/29", func(s *spec) { s.ExcludeIps = []string{"10.0.1.5"} }))
	w.MustCreate(newIP("p1", "net", "10.0.1.2"), newIP("p2", "net", "10.0.1.3"))
	s, _ := storage.Get[*v1.Subnet](w, "subnets", "net")
	got := []any{s.Status.V4UsingIPs, s.Status.V4AvailableIPs, s.Status.V4UsingIPRange, s.Status.V4AvailableIPRange, s.Status.V6AvailableIPs}
	if diff := cmp.Diff([]any{count.OfInt(2), count.OfInt(2), "10.0.1.2-10.0.1.3", "10.0.1.4,10.0.1.6", count.Count{}}, got); diff != "" {
		t.Error(diff)
	}
	table, err := subnet.Table(func() storage.View { return w }).ConvertToTable(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{"net", "ovn", "v", "", "IPv4", "10.0.1.0/29", false, false, false, "", int64(2), int64(2), int64(0), int64(0), `["10.0.1.5"]`, ""}
	cells := table.Rows[0].Cells
	if diff := cmp.Diff(want, cells[:len(want)]); diff != "" || len(cells) != len(want)+1 {
		t.Errorf("got %d cells, want an age after these: %s", len(cells), diff)
	}
	if len(table.ColumnDefinitions) != len(cells) {
		t.Errorf("%d columns for %d cells", len(table.ColumnDefinitions), len(cells))
	}
}

// The generation counts changes that a client asked for, not what the server completes.
func TestSendingTheOwnManifestAgainIsNoChange(t *testing.T) {
	w := newWorld(t)
	manifest := newSubnet("net", "v", "10.0.1.0/24", func(s *spec) { s.Gateway = "10.0.1.7" })
	w.MustCreate(manifest)
	stored, _ := storage.Get[*v1.Subnet](w, "subnets", "net")
	again := newSubnet("net", "v", "10.0.1.0/24")
	again.Spec.ExcludeIps = nil
	strategy := subnet.NewStrategy(nil)
	strategy.PrepareForUpdate(t.Context(), again, stored)
	if diff := cmp.Diff(stored.Spec, again.Spec); diff != "" || again.Generation != stored.Generation {
		t.Errorf("generation %d, was %d: %s", again.Generation, stored.Generation, diff)
	}
}
