package vpc_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func newWorld(t *testing.T) *kindtest.World {
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	return w
}

func newVpc(name string, change ...func(*v1.VpcSpec)) *v1.Vpc {
	o := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, c := range change {
		c(&o.Spec)
	}
	return o
}

func newSubnet(name, vpc, cidr string) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr}}
}

func peering(remote, ip string) func(*v1.VpcSpec) {
	return func(s *v1.VpcSpec) {
		s.VpcPeerings = append(s.VpcPeerings, v1.VpcPeering{RemoteVpc: remote, LocalConnectIP: ip})
	}
}

func route(cidr, hop string) func(*v1.VpcSpec) {
	return func(s *v1.VpcSpec) {
		s.StaticRoutes = append(s.StaticRoutes, v1.StaticRoute{CIDR: cidr, NextHopIP: hop})
	}
}

func policyRoute(p v1.PolicyRoute) func(*v1.VpcSpec) {
	return func(s *v1.VpcSpec) { s.PolicyRoutes = append(s.PolicyRoutes, p) }
}

// wantRefusal holds an error to be a 422 that says all of the texts; none: to be nil.
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

func TestShapeOfAVpc(t *testing.T) {
	for _, test := range []struct {
		name string
		vpc  *v1.Vpc
		want []string
	}{
		{"the routes and policies of the users' guide are right", newVpc("test-vpc-1", route("0.0.0.0/0", "10.0.1.254"),
			func(s *v1.VpcSpec) {
				s.StaticRoutes = append(s.StaticRoutes, v1.StaticRoute{CIDR: "172.31.0.0/24", NextHopIP: "10.0.1.253", Policy: v1.PolicySrc, RouteTable: "rtb1"})
			},
			policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250", Priority: 11}),
			policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteReroute, Match: "ip4.src==10.0.1.0/24", NextHopIP: "10.0.1.252", Priority: 10})), nil},
		{"an address stands for its host route", newVpc("v", route("192.0.2.1", "10.0.1.254")), nil},
		{"several next hops share a prefix", newVpc("v", route("0.0.0.0/0", "10.0.1.1"), route("0.0.0.0/0", "10.0.1.2")), nil},
		{"host bits in a route", newVpc("v", route("10.1.2.3/24", "10.0.1.1")), []string{"spec.staticRoutes[0].cidr", "write 10.1.2.0/24"}},
		{"a route without a prefix", newVpc("v", route("", "10.0.1.1")), []string{"spec.staticRoutes[0].cidr: Required"}},
		{"a next hop of another family", newVpc("v", route("10.1.0.0/24", "fd00::1")), []string{"spec.staticRoutes[0].nextHopIP", "same family as cidr 10.1.0.0/24"}},
		{"the same route twice", newVpc("v", route("10.1.0.0/24", "10.0.1.1"), func(s *v1.VpcSpec) {
			s.StaticRoutes = append(s.StaticRoutes, v1.StaticRoute{CIDR: "10.1.0.0/24", NextHopIP: "10.0.1.1", Policy: v1.PolicyDst})
		}), []string{"spec.staticRoutes[1]", "the same route as spec.staticRoutes[0]"}},
		{"a route policy that does not exist", newVpc("v", func(s *v1.VpcSpec) {
			s.StaticRoutes = []v1.StaticRoute{{CIDR: "10.1.0.0/24", NextHopIP: "10.0.1.1", Policy: "dst", ECMPMode: "round", BfdID: "x", RouteTable: "a b"}}
		}), []string{"spec.staticRoutes[0].policy", "spec.staticRoutes[0].ecmpMode", "spec.staticRoutes[0].bfdId", "spec.staticRoutes[0].routeTable"}},
		{"a match that OVN does not read", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip4.src == #"})),
			[]string{"spec.policyRoutes[0].match", "column 12: unexpected character"}},
		{"a priority out of range", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip4", Priority: 32768})),
			[]string{"spec.policyRoutes[0].priority", "0 to 32767"}},
		{"reroute without a next hop", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteReroute, Match: "ip4"})), []string{"spec.policyRoutes[0].nextHopIP: Required"}},
		{"drop with a next hop", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip4", NextHopIP: "10.0.0.1"})), []string{"spec.policyRoutes[0].nextHopIP", "has no next hop"}},
		{"next hops of two families", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteReroute, Match: "ip", NextHopIP: "10.0.0.1,fd00::1"})), []string{"different families"}},
		{"the same policy twice", newVpc("v", policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip4"}), policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteAllow, Match: "ip4"})),
			[]string{"spec.policyRoutes[1]", "only one of them could act"}},
		{"a peering with itself", newVpc("v", peering("v", "169.254.0.1/30")), []string{"spec.vpcPeerings[0].remoteVpc", "no link to itself"}},
		{"two peerings with one Vpc", newVpc("v", peering("w", "169.254.0.1/30"), peering("w", "169.254.1.1/30")), []string{"spec.vpcPeerings[1].remoteVpc: Duplicate"}},
		{"links that overlap", newVpc("v", peering("w", "169.254.0.1/30"), peering("x", "169.254.0.2/24")), []string{"spec.vpcPeerings[1].localConnectIP", "a prefix of its own"}},
		{"the network address of a link", newVpc("v", peering("w", "169.254.0.0/30")), []string{"network address", "write 169.254.0.1/30"}},
		{"a link without room", newVpc("v", peering("w", "169.254.0.1/32")), []string{"no room", "write 169.254.0.1/31"}},
		{"a namespace that cannot exist", newVpc("v", func(s *v1.VpcSpec) { s.Namespaces = []string{"a_b", "c", "c"} }), []string{"spec.namespaces[0]", "spec.namespaces[2]: Duplicate"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := vpc.NewStrategy(nil)
			s.PrepareForCreate(t.Context(), test.vpc)
			errs := s.Validate(t.Context(), test.vpc)
			wantRefusal(t, kubeovn.Invalid("Vpc", test.vpc.Name, errs), test.want...)
		})
	}
}

func TestRowsOfAVpc(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("vpc1", route("0.0.0.0/0", "10.0.1.254"),
		func(s *v1.VpcSpec) {
			s.StaticRoutes = append(s.StaticRoutes, v1.StaticRoute{CIDR: "172.31.0.0/24", NextHopIP: "10.0.1.253", Policy: v1.PolicySrc, RouteTable: "rtb1", ECMPMode: "ecmp-symmetric-reply"})
		},
		policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteReroute, Match: "ip4.src==10.0.1.0/24", NextHopIP: "10.0.1.252,10.0.1.251", Priority: 10})))
	want := `Logical_Router router
  name: "vpc1"
  options: ["map",[["always_learn_from_arp_request","false"],["dynamic_neigh_routers","true"],["mac_binding_age_threshold","300"]]]
Logical_Router_Policy policy/10/de7a0969b1d3d472
  action: "reroute"
  match: "ip4.src==10.0.1.0/24"
  nexthops: ["set",["10.0.1.251","10.0.1.252"]]
  priority: 10
  in Logical_Router.policies
Logical_Router_Static_Route route/policyDst//0.0.0.0/0/10.0.1.254
  ip_prefix: "0.0.0.0/0"
  nexthop: "10.0.1.254"
  policy: "dst-ip"
  in Logical_Router.static_routes
Logical_Router_Static_Route route/policySrc/rtb1/172.31.0.0/24/10.0.1.253
  ip_prefix: "172.31.0.0/24"
  nexthop: "10.0.1.253"
  options: ["map",[["ecmp_symmetric_reply","true"]]]
  policy: "src-ip"
  route_table: "rtb1"
  in Logical_Router.static_routes
`
	if diff := cmp.Diff(want, kindtest.Text(w.Rows("vpcs", "vpc1"))); diff != "" {
		t.Error(diff)
	}
}

func TestAChangeOfOneRouteLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("v", route("10.1.0.0/24", "10.0.1.1"), route("10.2.0.0/24", "10.0.1.1")))
	before := w.Rows("vpcs", "v")
	if err := kindtest.Change(w, "vpcs", "v", func(o *v1.Vpc) {
		o.Spec.StaticRoutes = append([]v1.StaticRoute{{CIDR: "10.3.0.0/24", NextHopIP: "10.0.1.1"}}, o.Spec.StaticRoutes[1])
	}); err != nil {
		t.Fatal(err)
	}
	keys := map[string]storage.Row{}
	for _, row := range w.Rows("vpcs", "v") {
		keys[row.Key] = row
	}
	for _, row := range before {
		now, ok := keys[row.Key]
		if isGone := row.Columns["ip_prefix"] == ovsdb.String("10.1.0.0/24"); isGone == ok {
			t.Errorf("row %s: still there %v", row.Key, ok)
		} else if ok {
			if diff := cmp.Diff(row, now); diff != "" {
				t.Errorf("row %s changed: %s", row.Key, diff)
			}
		}
	}
}

func TestPeersAreConnectedWhenBothNameEachOther(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("a", peering("b", "169.254.0.1/30")))
	if _, found := w.Row("vpcs", "a", "peer/b"); found {
		t.Error("a port to a Vpc that does not exist")
	}
	w.MustCreate(newVpc("b", peering("a", "169.254.0.2/30")))
	for _, side := range []struct{ vpc, remote, network string }{{"a", "b", "169.254.0.1/30"}, {"b", "a", "169.254.0.2/30"}} {
		row, found := w.Row("vpcs", side.vpc, "peer/"+side.remote)
		if !found {
			t.Fatalf("no port of %s", side.vpc)
		}
		if row.Columns["name"] != ovsdb.String(side.vpc+"-"+side.remote) || row.Columns["peer"] != ovsdb.String(side.remote+"-"+side.vpc) ||
			row.Columns["networks"] != ovsdb.String(side.network) {
			t.Errorf("port of %s: %s", side.vpc, kindtest.Text([]storage.Row{row}))
		}
		stored, _ := storage.Get[*v1.Vpc](w, "vpcs", side.vpc)
		if diff := cmp.Diff([]string{side.remote}, stored.Status.VpcPeerings); diff != "" {
			t.Errorf("status of %s: %s", side.vpc, diff)
		}
	}
	a, _ := w.Row("vpcs", "a", "peer/b")
	b, _ := w.Row("vpcs", "b", "peer/a")
	if a.Columns["mac"] == b.Columns["mac"] {
		t.Errorf("both sides have the MAC %s", a.Columns["mac"])
	}
	if err := w.Delete("vpcs", "b"); err != nil {
		t.Fatal(err)
	}
	if _, found := w.Row("vpcs", "a", "peer/b"); found {
		t.Error("the port to a deleted Vpc stayed")
	}
}

func TestRelationsOfAVpc(t *testing.T) {
	for _, test := range []struct {
		name   string
		before []storage.Object
		vpc    *v1.Vpc
		want   []string
	}{
		{"the name of a Subnet", []storage.Object{newVpc("v"), newSubnet("net", "v", "10.0.0.0/24")}, newVpc("net"),
			[]string{"subnet net and vpc net cannot have the same name"}},
		{"a default Subnet that comes later", nil, newVpc("v", func(s *v1.VpcSpec) { s.DefaultSubnet = "later" }), nil},
		{"a default Subnet of another Vpc", nil, newVpc("v", func(s *v1.VpcSpec) { s.DefaultSubnet = "ovn-default" }),
			[]string{"spec.defaultSubnet", "subnet ovn-default is not in vpc v"}},
		{"peers whose Subnets overlap", []storage.Object{newVpc("a", peering("b", "169.254.0.1/30")), newVpc("b"), newSubnet("neta", "a", "10.0.0.0/16"), newSubnet("netb", "b", "10.0.7.0/24")},
			newVpc("b", peering("a", "169.254.0.2/30")), []string{"spec.vpcPeerings[0].remoteVpc", "subnet netb cidr 10.0.7.0/24 is conflict with subnet neta cidr 10.0.0.0/16 of vpc a"}},
		{"overlap with a Vpc that names this one, unasked", []storage.Object{newVpc("a", peering("b", "169.254.0.1/30")), newVpc("b"), newSubnet("neta", "a", "10.0.0.0/16"), newSubnet("netb", "b", "10.0.7.0/24")},
			newVpc("b"), nil},
		{"peers in different prefixes", []storage.Object{newVpc("a", peering("b", "169.254.0.1/30"))}, newVpc("b", peering("a", "169.254.1.2/30")),
			[]string{"spec.vpcPeerings[0].localConnectIP", "vpc a connects with 169.254.0.1/30"}},
		{"peers with one address", []storage.Object{newVpc("a", peering("b", "169.254.0.1/30"))}, newVpc("b", peering("a", "169.254.0.1/30")), []string{"vpc a has the address 169.254.0.1"}},
		{"peers without a family in common", []storage.Object{newVpc("a", peering("b", "169.254.0.1/30"))}, newVpc("b", peering("a", "fd00::1/64")), []string{"no family in common"}},
		{"a link that overlaps with an own Subnet", []storage.Object{newVpc("v"), newSubnet("net", "v", "10.9.0.0/24")}, newVpc("v", peering("b", "10.9.0.9/30")),
			[]string{"spec.vpcPeerings[0].localConnectIP", "cidr 10.9.0.0/24 of subnet net"}},
		{"a link whose port name a Subnet's port has", []storage.Object{newVpc("a"), newSubnet("b-c", "a", "10.0.0.0/24")}, newVpc("a-b", peering("c", "169.254.0.1/30")),
			[]string{"spec.vpcPeerings[0].remoteVpc", `router port "a-b-c"`}},
		{"a namespace that a Subnet is bound to is taken away", []storage.Object{newVpc("v", func(s *v1.VpcSpec) { s.Namespaces = []string{"ns1", "ns2"} }),
			&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "net"}, Spec: v1.SubnetSpec{Vpc: "v", CIDRBlock: "10.0.0.0/24", Namespaces: []string{"ns1"}}}},
			newVpc("v", func(s *v1.VpcSpec) { s.Namespaces = []string{"ns2"} }), []string{"spec.namespaces", "subnet net is bound to namespace 'ns1'"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(test.before...)
			write := w.Create
			if w.Get("vpcs", test.vpc.Name) != nil {
				write = w.Update
			}
			wantRefusal(t, write(test.vpc), test.want...)
		})
	}
}

func TestStatusNamesSubnetsAndTheDefault(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("v", func(s *v1.VpcSpec) { s.DefaultSubnet = "n2" }), newSubnet("n2", "v", "10.0.2.0/24"), newSubnet("n1", "v", "10.0.1.0/24"))
	stored, _ := storage.Get[*v1.Vpc](w, "vpcs", "v")
	got := stored.Status
	if !got.Standby || got.Default || got.Router != "v" || got.DefaultLogicalSwitch != "n2" || len(got.Conditions) != 1 || got.Conditions[0].Status != metav1.ConditionTrue {
		t.Errorf("status: %+v", got)
	}
	if diff := cmp.Diff([]string{"n1", "n2"}, got.Subnets); diff != "" {
		t.Error(diff)
	}
	cluster, _ := storage.Get[*v1.Vpc](w, "vpcs", "ovn-cluster")
	if diff := cmp.Diff([]string{"join", "ovn-default"}, cluster.Status.Subnets); diff != "" || !cluster.Status.Default || cluster.Status.DefaultLogicalSwitch != "ovn-default" {
		t.Errorf("%s %+v", diff, cluster.Status)
	}
	if err := w.Delete("vpcs", "v"); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(newSubnet("late", "v", "10.0.3.0/24")); err == nil {
		t.Error("a Subnet joined a Vpc that is being deleted")
	}
	for _, name := range []string{"n1", "n2"} {
		if err := w.Delete("subnets", name); err != nil {
			t.Fatal(err)
		}
	}
	if w.Get("vpcs", "v") != nil {
		t.Error("the deleted Vpc outlived its last Subnet")
	}
}

func TestWarningsNameWhatHasNoEffectYet(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("v"), newSubnet("net", "v", "10.0.1.0/24"))
	s := vpc.NewStrategy(nil)
	s.View = func() storage.View { return w }
	got := s.WarningsOnCreate(t.Context(), newVpc("v", route("0.0.0.0/0", "10.0.1.254"), route("10.9.0.0/16", "10.0.2.1"), route("10.8.0.0/16", "169.254.0.2"), peering("b", "169.254.0.1/30"),
		policyRoute(v1.PolicyRoute{Action: v1.PolicyRouteDrop, Match: "ip6.src == 10.0.0.1"})))
	want := []string{
		`spec.policyRoutes[0].match: ip6.src has 128 bits: "10.0.0.1" is compared as a number, not as an IPv4 address`,
		"spec.staticRoutes[1].nextHopIP: no subnet and no peering of vpc v holds 10.0.2.1; there is no way to it until one does",
		"spec.vpcPeerings[0].remoteVpc: vpc b does not exist yet",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTableHasKubeOVNsColumns(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVpc("v", func(s *v1.VpcSpec) { s.Namespaces = []string{"ns1", "ns2"} }), newSubnet("n1", "v", "10.0.1.0/24"))
	obj, _ := storage.Get[*v1.Vpc](w, "vpcs", "v")
	table, err := vpc.Table(nil).ConvertToTable(t.Context(), obj, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range table.ColumnDefinitions {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"Name", "EnableExternal", "EnableBfd", "Standby", "Subnets", "ExtraExternalSubnets", "Namespaces", "DefaultSubnet", "Age"}, names); diff != "" {
		t.Error(diff)
	}
	cells := table.Rows[0].Cells
	if diff := cmp.Diff([]any{"v", false, false, true, `["n1"]`, "[]", `["ns1","ns2"]`, ""}, cells[:8]); diff != "" {
		t.Error(diff)
	}
}
