package vpc_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/chassis"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func externalConfig() kubeovn.Config {
	cfg := kubeovn.DefaultConfig()
	cfg.ExternalGatewaySwitch = "external204"
	return cfg
}

// newExternalWorld has the external network of the users' guide, and three gateways.
func newExternalWorld(t *testing.T) *kindtest.World {
	cfg := externalConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg), providernetwork.NewResource(cfg), vlan.NewResource(cfg),
		chassis.NewResource(cfg), ovneip.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	w.MustCreate(
		&v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "external204"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "vlan"}},
		&v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan204"}, Spec: v1.VlanSpec{ID: 204, Provider: "external204"}},
		&v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan205"}, Spec: v1.VlanSpec{ID: 205, Provider: "external204"}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "external204"}, Spec: v1.SubnetSpec{
			Protocol: v1.ProtocolIPv4, CIDRBlock: "10.5.204.0/24", Gateway: "10.5.204.254", Vlan: "vlan204", ExcludeIps: []string{"10.5.204.1..10.5.204.100"}}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "dual205"}, Spec: v1.SubnetSpec{CIDRBlock: "10.5.205.0/24,fd05::/64", Vlan: "vlan205"}})
	for _, name := range []string{"a", "b", "c"} {
		w.MustCreate(newChassis(name, true))
	}
	w.MustCreate(newChassis("worker", false))
	return w
}

func newChassis(name string, gateway bool) *v1.Chassis {
	return &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.ChassisSpec{ChassisID: "id-" + name, EncapIPs: []string{fmt.Sprintf("172.31.0.%d", name[0])}, ExternalGateway: gateway}}
}

func enableExternal(s *v1.VpcSpec) { s.EnableExternal = true }

func extra(names ...string) func(*v1.VpcSpec) {
	return func(s *v1.VpcSpec) { s.ExtraExternalSubnets = names }
}

func lspEip(name, subnet, v4 string) *v1.OvnEip {
	return &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnEipSpec{ExternalSubnet: subnet, Type: v1.OvnEipLsp, V4IP: v4}}
}

func storedVpc(w *kindtest.World, name string) *v1.Vpc {
	o, _ := storage.Get[*v1.Vpc](w, "vpcs", name)
	return o
}

// rowsByKey are the rows of an object with a prefix of the key, as text without column and parents.
func rowsByKey(w *kindtest.World, name, prefix string) map[string]string {
	out := map[string]string{}
	for _, row := range w.Rows("vpcs", name) {
		if strings.HasPrefix(row.Key, prefix) {
			out[row.Key] = kindtest.Text([]storage.Row{row})
		}
	}
	return out
}

// The manifests are those of the users' guide; so are the port, its address and the route.
func TestEnableExternalConnectsTheRouter(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(newVpc("vpc1", enableExternal, func(s *v1.VpcSpec) { s.Namespaces = []string{"vpc1"} }), newSubnet("vpc1-subnet1", "vpc1", "192.168.0.0/24"))
	eip, ok := storage.Get[*v1.OvnEip](w, "ovn-eips", "vpc1-external204")
	if !ok {
		t.Fatal("no OvnEip of type lrp")
	}
	if eip.Status.V4IP != "10.5.204.101" || eip.Spec.Type != v1.OvnEipLrp || !eip.Status.Ready {
		t.Errorf("address of the port: %+v", eip)
	}
	want := `Gateway_Chassis gateway/external204/id-a
  chassis_name: "id-a"
  name: "vpc1-external204_id-a"
  priority: A
  in Logical_Router_Port.gateway_chassis
Gateway_Chassis gateway/external204/id-b
  chassis_name: "id-b"
  name: "vpc1-external204_id-b"
  priority: B
  in Logical_Router_Port.gateway_chassis
Gateway_Chassis gateway/external204/id-c
  chassis_name: "id-c"
  name: "vpc1-external204_id-c"
  priority: C
  in Logical_Router_Port.gateway_chassis
Logical_Router router
  name: "vpc1"
  options: ["map",[["always_learn_from_arp_request","true"],["dynamic_neigh_routers","true"],["mac_binding_age_threshold","300"]]]
Logical_Router_Port external/external204
  mac: "MAC"
  name: "vpc1-external204"
  networks: "10.5.204.101/24"
  in Logical_Router.ports
Logical_Router_Static_Route route/policyDst//0.0.0.0/0/10.5.204.254
  ip_prefix: "0.0.0.0/0"
  nexthop: "10.5.204.254"
  policy: "dst-ip"
  in Logical_Router.static_routes
Logical_Switch_Port external-lsp/external204
  addresses: "router"
  name: "external204-vpc1"
  options: ["map",[["nat-addresses","router"],["router-port","vpc1-external204"]]]
  type: "router"
  in Logical_Switch.ports
`
	priorities := map[string]string{}
	for _, row := range w.Rows("vpcs", "vpc1") {
		if row.Table == nb.GatewayChassis {
			p, _ := row.Columns["priority"].AsInt()
			if p < 1 || p > 100 {
				t.Errorf("priority %d of %s", p, row.Key)
			}
			priorities[row.Columns["chassis_name"].AsString()] = fmt.Sprint(p)
		}
	}
	want = strings.NewReplacer("MAC", eip.Status.MacAddress, ": A", ": "+priorities["id-a"], ": B", ": "+priorities["id-b"], ": C", ": "+priorities["id-c"]).Replace(want)
	if diff := cmp.Diff(want, kindtest.Text(w.Rows("vpcs", "vpc1"))); diff != "" {
		t.Error(diff)
	}
	stored := storedVpc(w, "vpc1")
	if diff := cmp.Diff([]v1.StaticRoute{{Policy: v1.PolicyDst, CIDR: "0.0.0.0/0", NextHopIP: "10.5.204.254"}}, stored.Status.Routes); diff != "" {
		t.Error(diff)
	}
	if !stored.Status.EnableExternal || len(stored.Spec.StaticRoutes) > 0 {
		t.Errorf("status %+v, routes of the user %v", stored.Status, stored.Spec.StaticRoutes)
	}

	if err := w.Delete("ovn-eips", "vpc1-external204"); err != nil || w.Get("ovn-eips", "vpc1-external204") == nil {
		t.Errorf("the address vanished under the port: %v", err)
	}
	if err := kindtest.Change(w, "vpcs", "vpc1", func(o *v1.Vpc) { o.Spec.EnableExternal = false }); err != nil {
		t.Fatal(err)
	}
	if got := rowsByKey(w, "vpc1", "external"); len(got) > 0 || w.Get("ovn-eips", "vpc1-external204") != nil {
		t.Errorf("left behind: %v %v", got, w.Get("ovn-eips", "vpc1-external204"))
	}
	if s := storedVpc(w, "vpc1").Status; s.EnableExternal || len(s.Routes) > 0 {
		t.Errorf("status: %+v", s)
	}
}

func TestAnAddressOfTheUserIsUsed(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(&v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: "v-external204"}, Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: v1.OvnEipLrp, V4IP: "10.5.204.200"}},
		newVpc("v", enableExternal))
	if port, _ := w.Row("vpcs", "v", nb.ExternalPortKey("external204")); port.Columns["networks"] != ovsdb.String("10.5.204.200/24") {
		t.Errorf("port: %s", kindtest.Text([]storage.Row{port}))
	}
	if err := w.Delete("vpcs", "v"); err != nil {
		t.Fatal(err)
	}
	if w.Get("ovn-eips", "v-external204") == nil {
		t.Error("the user's address went with the Vpc")
	}
}

func TestFurtherExternalSubnetsAddNoDefaultRoute(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(newVpc("v", extra("dual205")))
	stored := storedVpc(w, "v")
	if diff := cmp.Diff([]string{"dual205"}, stored.Status.ExtraExternalSubnets); diff != "" || len(stored.Status.Routes) > 0 || stored.Status.EnableExternal {
		t.Errorf("%s %+v", diff, stored.Status)
	}
	if port, _ := w.Row("vpcs", "v", nb.ExternalPortKey("dual205")); port.Columns["networks"] != ovsdb.Strings("10.5.205.2/24", "fd05::2/64") {
		t.Errorf("port: %s", kindtest.Text([]storage.Row{port}))
	}
	if err := w.Delete("subnets", "dual205"); err != nil || w.Get("subnets", "dual205") == nil {
		t.Errorf("the external Subnet did not wait: %v", err)
	}
	if err := w.Delete("vpcs", "v"); err != nil || w.Get("subnets", "dual205") != nil || w.Get("ovn-eips", "v-dual205") != nil {
		t.Errorf("something outlived the Vpc: %v", err)
	}
}

func TestTheDefaultRouteFollowsTheGatewayAndYieldsToTheUsers(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(newVpc("v", enableExternal), newVpc("own", enableExternal, route("0.0.0.0/0", "10.0.1.254")))
	if err := kindtest.Change(w, "subnets", "external204", func(s *v1.Subnet) { s.Spec.Gateway = "10.5.204.253" }); err != nil {
		t.Fatal(err)
	}
	if routes := storedVpc(w, "v").Status.Routes; len(routes) != 1 || routes[0].NextHopIP != "10.5.204.253" {
		t.Errorf("routes: %v", routes)
	}
	got := slices.Collect(maps.Keys(rowsByKey(w, "own", "route/")))
	if diff := cmp.Diff([]string{"route/policyDst//0.0.0.0/0/10.0.1.254"}, got); diff != "" || len(storedVpc(w, "own").Status.Routes) > 0 {
		t.Errorf("a default route beside the user's: %s", diff)
	}
}

func TestAChassisThatComesOrGoesChangesItsOwnRowOnly(t *testing.T) {
	w := newExternalWorld(t)
	var before []map[string]string
	vpcs := []string{"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"}
	best := map[string]bool{}
	for _, name := range vpcs {
		w.MustCreate(newVpc(name, enableExternal))
		before = append(before, rowsByKey(w, name, ""))
		var top storage.Row
		for _, row := range w.Rows("vpcs", name) {
			if p, _ := row.Columns["priority"].AsInt(); row.Table == nb.GatewayChassis {
				if q, _ := top.Columns["priority"].AsInt(); p > q {
					top = row
				}
			}
		}
		best[top.Columns["chassis_name"].AsString()] = true
	}
	if len(best) != 3 {
		t.Errorf("8 Vpcs are spread over %v of 3 chassis", best)
	}
	w.MustCreate(newChassis("d", true))
	for i, name := range vpcs {
		now := rowsByKey(w, name, "")
		if _, found := now["gateway/external204/id-d"]; !found {
			t.Errorf("%s does not use the new chassis", name)
		}
		delete(now, "gateway/external204/id-d")
		if diff := cmp.Diff(before[i], now); diff != "" {
			t.Errorf("other rows of %s changed: %s", name, diff)
		}
	}
	if err := kindtest.Change(w, "chassis", "d", func(c *v1.Chassis) { c.Spec.ExternalGateway = false }); err != nil {
		t.Fatal(err)
	}
	for i, name := range vpcs {
		if diff := cmp.Diff(before[i], rowsByKey(w, name, "")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBfdWatchesTheGatewayNodes(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(lspEip("node1", "external204", "10.5.204.150"), lspEip("node2", "external204", "10.5.204.151"),
		newVpc("v", enableExternal, func(s *v1.VpcSpec) { s.EnableBfd = true }))
	id := func(peer string) string { return w.RowID("vpcs", "v", "bfd/external204/"+peer).String() }
	want := []v1.StaticRoute{
		{Policy: v1.PolicyDst, CIDR: "0.0.0.0/0", NextHopIP: "10.5.204.150", BfdID: id("10.5.204.150")},
		{Policy: v1.PolicyDst, CIDR: "0.0.0.0/0", NextHopIP: "10.5.204.151", BfdID: id("10.5.204.151")},
	}
	if diff := cmp.Diff(want, storedVpc(w, "v").Status.Routes); diff != "" || !storedVpc(w, "v").Status.EnableBfd {
		t.Error(diff)
	}
	session, _ := w.Row("vpcs", "v", "bfd/external204/10.5.204.150")
	if session.Columns["logical_port"] != ovsdb.String("v-external204") || session.Columns["dst_ip"] != ovsdb.String("10.5.204.150") {
		t.Errorf("session: %s", kindtest.Text([]storage.Row{session}))
	}
	first, _ := w.Row("vpcs", "v", "route/policyDst//0.0.0.0/0/10.5.204.150")
	if first.Columns["bfd"] != ovsdb.Ref(w.RowID("vpcs", "v", session.Key)) {
		t.Errorf("route: %s", kindtest.Text([]storage.Row{first}))
	}

	own := v1.StaticRoute{CIDR: "172.16.0.0/12", NextHopIP: "10.5.204.150", BfdID: id("10.5.204.150")}
	if err := kindtest.Change(w, "vpcs", "v", func(o *v1.Vpc) { o.Spec.StaticRoutes = []v1.StaticRoute{own} }); err != nil {
		t.Fatal(err)
	}
	if row, _ := w.Row("vpcs", "v", "route/policyDst//172.16.0.0/12/10.5.204.150"); row.Columns["bfd"] != ovsdb.Ref(w.RowID("vpcs", "v", session.Key)) {
		t.Errorf("the user's route: %s", kindtest.Text([]storage.Row{row}))
	}
	own.BfdID = "11111111-2222-4333-8444-555555555555"
	wantRefusal(t, kindtest.Change(w, "vpcs", "v", func(o *v1.Vpc) { o.Spec.StaticRoutes = []v1.StaticRoute{own} }), "spec.staticRoutes[0].bfdId", "status.routes")

	// Without its port a session would bring northd down.
	if err := kindtest.Change(w, "vpcs", "v", func(o *v1.Vpc) { o.Spec.EnableExternal = false }); err != nil {
		t.Fatal(err)
	}
	if got := rowsByKey(w, "v", "bfd/"); len(got) > 0 {
		t.Errorf("sessions without a port: %v", got)
	}
	if row, found := w.Row("vpcs", "v", "route/policyDst//172.16.0.0/12/10.5.204.150"); !found || row.Columns["bfd"] != ovsdb.Empty {
		t.Errorf("the user's route: %s", kindtest.Text([]storage.Row{row}))
	}
}

func TestExternalConnectionsAreRefusedWithTheReason(t *testing.T) {
	for _, test := range []struct {
		name   string
		before []storage.Object
		obj    storage.Object
		want   []string
	}{
		{"an external Subnet that does not exist", nil, newVpc("v", extra("nowhere")), []string{"spec.extraExternalSubnets[0]: Not found", "create a ProviderNetwork, a Vlan"}},
		{"an overlay as external Subnet", nil, newVpc("v", extra("ovn-default")), []string{"spec.extraExternalSubnets[0]", "it has no vlan"}},
		{"a Subnet of the Vpc with the external prefix", []storage.Object{newVpc("v", enableExternal)}, newSubnet("net", "v", "10.5.0.0/16"),
			[]string{"spec.cidrBlock", "subnet net cidr 10.5.0.0/16 is conflict with external subnet external204 cidr 10.5.204.0/24 of vpc v"}},
		{"an external Subnet whose prefix the Vpc has", []storage.Object{newVpc("v"), newSubnet("net", "v", "10.5.0.0/16")}, newVpc("v", enableExternal),
			[]string{"spec.enableExternal", "cidr 10.5.204.0/24 of subnet external204 overlaps with 10.5.0.0/16 of Subnet net in vpc v"}},
		{"an OvnEip of the port's name that is not for a port", []storage.Object{
			&v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: "v-external204"}, Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: v1.OvnEipNat}}},
			newVpc("v", enableExternal), []string{"spec.enableExternal", `OvnEip v-external204 is of type "nat"`, "of type lrp"}},
		{"a router port that a Subnet's port has", []storage.Object{newVpc("v"), newSubnet("x-external204", "v", "10.0.0.0/24")}, newVpc("v-x", enableExternal),
			[]string{"spec.enableExternal", `router port "v-x-external204"`, "Subnet x-external204"}},
		{"a Vpc that leaves", []storage.Object{newVpc("v", enableExternal)}, newVpc("v"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newExternalWorld(t)
			w.MustCreate(test.before...)
			write := w.Create
			if o, ok := test.obj.(*v1.Vpc); ok && w.Get("vpcs", o.Name) != nil {
				write = w.Update
			}
			wantRefusal(t, write(test.obj), test.want...)
		})
	}
	t.Run("the default external Subnet that does not exist", func(t *testing.T) {
		w := newWorld(t)
		wantRefusal(t, w.Create(newVpc("v", enableExternal)), "spec.enableExternal", "the default external subnet external (--external-gateway-switch) does not exist", "create a ProviderNetwork")
	})
	t.Run("an external Subnet without a free address leaves nothing behind", func(t *testing.T) {
		w := newExternalWorld(t)
		if err := kindtest.Change(w, "subnets", "external204", func(s *v1.Subnet) { s.Spec.ExcludeIps = []string{"10.5.204.1..10.5.204.254"} }); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, w.Create(newVpc("v", enableExternal)), "no address left in subnet external204")
		if w.Get("vpcs", "v") != nil {
			t.Error("the Vpc is there without its port")
		}
	})
}

func TestNextHopsInExternalSubnetsAreReached(t *testing.T) {
	w := newExternalWorld(t)
	s := vpc.NewStrategy(nil)
	s.View, s.External = func() storage.View { return w }, "external204"
	got := s.WarningsOnCreate(t.Context(), newVpc("v", enableExternal, route("172.16.0.0/12", "10.5.204.9"), route("172.32.0.0/12", "10.5.205.9")))
	if diff := cmp.Diff([]string{"spec.staticRoutes[1].nextHopIP: no subnet and no peering of vpc v holds 10.5.205.9; there is no way to it until one does"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAGatewayThatIsNotReadyComesAfterAllOthers(t *testing.T) {
	w := newExternalWorld(t)
	w.MustCreate(newVpc("vpc1", enableExternal))
	priority := func(chassis string) string {
		row, ok := w.Row("vpcs", "vpc1", "gateway/external204/id-"+chassis)
		if !ok {
			t.Fatalf("chassis %s is no gateway", chassis)
		}
		return string(row.Columns["priority"])
	}
	ready := func(status metav1.ConditionStatus) {
		t.Helper()
		err := kindtest.Change(w, "chassis", "a", func(c *v1.Chassis) {
			c.Status.Conditions = []metav1.Condition{{Type: v1.ChassisReady, Status: status}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := priority("a")
	ready(metav1.ConditionUnknown)
	if got := priority("a"); got != "0" || priority("b") == "0" {
		t.Errorf("got priority %s, and %s of one without an agent", got, priority("b"))
	}
	ready(metav1.ConditionTrue)
	if got := priority("a"); got != before {
		t.Errorf("got priority %s when it is back, want %s", got, before)
	}
}
