package ip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// newWorld holds Subnets and Vpcs as given: what their own kinds do with them is not under test here.
func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t,
		storage.NewResource("vpcs", "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{}),
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{}),
		NewResource(cfg), vip.NewResource(cfg))
	w.MustCreate(
		&v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "vpc1"}, Spec: v1.VpcSpec{Namespaces: []string{"ns1", "ns2"}}},
		subnet("s4", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1"}),
		subnet("dual", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.1.0/24,fd00::/64", Gateway: "10.0.1.1,fd00::1", EnableDHCP: true}),
		subnet("join", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "100.64.0.0/16", Gateway: "100.64.0.1"}),
		subnet("mac", v1.SubnetSpec{Vpc: "vpc1", Protocol: v1.ProtocolMac}),
		subnet("macvlan", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "172.16.0.0/24", Gateway: "172.16.0.1", Provider: "macvlan.default"}),
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1.VipSpec{Subnet: "s4", V4ip: "10.0.0.100", MacAddress: "00:00:00:AA:AA:AA"}},
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "aap"}, Spec: v1.VipSpec{Subnet: "s4", V4ip: "10.0.0.101", Namespace: "ns1", Selector: []string{"app: a"}}},
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "aap6"}, Spec: v1.VipSpec{Subnet: "dual", V4ip: "10.0.1.101", V6ip: "fd00::101", Namespace: "ns1", Selector: []string{"app: a"}}},
	)
	return w
}

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func podIP(name string, spec v1.IPSpec) *v1.IP {
	spec.PodName, spec.Namespace, _ = strings.Cut(name, ".")
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func stored(t testing.TB, w *kindtest.World, name string) *v1.IP {
	t.Helper()
	o, ok := storage.Get[*v1.IP](w, "ips", name)
	if !ok {
		t.Fatalf("ip %s does not exist", name)
	}
	return o
}

func mustContain(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestPlanCompletesSpec(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name         string
		in           *v1.IP
		v4, v6, v4v6 string
		mac          string // "" when any
	}{
		{"the next free address", podIP("a.ns1", v1.IPSpec{Subnet: "s4"}), "10.0.0.2", "", "10.0.0.2", ""},
		{"an address of one's choice in ipAddress", podIP("b.ns1", v1.IPSpec{Subnet: "s4", IPAddress: "10.0.0.77"}), "10.0.0.77", "", "10.0.0.77", ""},
		{"in the field of the family, with a MAC as written", podIP("c.ns1", v1.IPSpec{Subnet: "s4", V4IPAddress: "10.0.0.78", MacAddress: "0a:00:00:00:00:0b"}), "10.0.0.78", "", "10.0.0.78", "0a:00:00:00:00:0b"},
		{"both families", podIP("d.ns1", v1.IPSpec{Subnet: "dual"}), "10.0.1.2", "fd00::2", "10.0.1.2,fd00::2", ""},
		{"one family of one's choice, the other the next", podIP("e.ns1", v1.IPSpec{Subnet: "dual", V6IPAddress: "fd00::77"}), "10.0.1.3", "fd00::77", "10.0.1.3,fd00::77", ""},
		{"the address and the MAC of a Vip", podIP("f.ns1", v1.IPSpec{Subnet: "s4", Vip: "own"}), "10.0.0.100", "", "10.0.0.100", "00:00:00:AA:AA:AA"},
		{"a MAC alone", podIP("g.ns1", v1.IPSpec{Subnet: "mac"}), "", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := w.Create(test.in); err != nil {
				t.Fatal(err)
			}
			got := stored(t, w, test.in.Name).Spec
			if test.mac != "" && got.MacAddress != test.mac || got.MacAddress == "" {
				t.Errorf("got MAC %q, want %q", got.MacAddress, test.mac)
			}
			if diff := cmp.Diff([]string{test.v4, test.v6, test.v4v6}, []string{got.V4IPAddress, got.V6IPAddress, got.IPAddress}); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(podIP("user.ns1", v1.IPSpec{Subnet: "s4", Vip: "own"}))
	for _, test := range []struct {
		name string
		in   *v1.IP
		want string
	}{
		{"a Subnet that does not exist", podIP("a.ns1", v1.IPSpec{Subnet: "none"}), `spec.subnet: Not found: "none"`},
		{"a namespace that the Vpc does not admit", podIP("a.ns3", v1.IPSpec{Subnet: "s4"}), "spec.namespace: Invalid value: \"ns3\": namespace 'ns3' is out of range to custom vpc 'vpc1'"},
		{"an address that a Vip has", podIP("a.ns1", v1.IPSpec{Subnet: "s4", V4IPAddress: "10.0.0.100"}), "spec.v4IpAddress: Invalid value: \"10.0.0.100\": 10.0.0.100 is in use by Vip own"},
		{"a MAC that a Vip has", podIP("a.ns1", v1.IPSpec{Subnet: "s4", MacAddress: "00:00:00:aa:aa:aa"}), "MAC 00:00:00:aa:aa:aa is in use by Vip own"},
		{"the name of a Vip's port", podIP("aap", v1.IPSpec{Subnet: "s4"}), `metadata.name: Invalid value: "aap": logical switch port "aap" is in use by Vip aap`},
		{"a Vip that another IP uses", podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vip: "own"}), "spec.vip: Invalid value: \"own\": vip 'own' is in use by IP user.ns1"},
		{"a Vip of another Subnet", podIP("a.ns1", v1.IPSpec{Subnet: "dual", Vip: "own"}), "the Vip is in subnet s4, not in dual"},
		{"a carried Vip as one's own", podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vip: "aap"}), "the Vip is not a reserved address"},
		{"a reserved Vip as a carried one", podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vips: []string{"own"}}), "spec.vips[0]"},
		{"a carried Vip of another Subnet", podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vips: []string{"aap", "aap6"}}), "spec.vips[1]: Invalid value: \"aap6\": the Vip is in subnet dual, not in s4"},
		{"a carried Vip of another namespace", podIP("a.ns2", v1.IPSpec{Subnet: "s4", Vips: []string{"aap"}}), `the Vip is for pods of namespace "ns1", not of "ns2"`},
		{"a Vip that does not exist", podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vips: []string{"none"}}), `spec.vips[0]: Not found: "none"`},
	} {
		t.Run(test.name, func(t *testing.T) { mustContain(t, w.Create(test.in), test.want) })
	}
}

func TestAVipIsUsedOnceAndOnlyWithItsOwnAddress(t *testing.T) {
	w := newWorld(t)
	mustContain(t, w.Create(podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vip: "own", V4IPAddress: "10.0.0.9"})), "the address of Vip own is 10.0.0.100")
	mustContain(t, w.Create(podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vip: "own", MacAddress: "00:00:00:00:00:09"})), "the MAC of Vip own is 00:00:00:AA:AA:AA")
	w.MustCreate(podIP("a.ns1", v1.IPSpec{Subnet: "s4", Vip: "own", V4IPAddress: "10.0.0.100", MacAddress: "00:00:00:aa:aa:aa"}))
	own, _ := storage.Get[*v1.Vip](w, "vips", "own")
	if got := own.Labels[v1.LabelIPReserved]; got != "a.ns1" {
		t.Errorf("the Vip says that %q uses it, want a.ns1", got)
	}
	if err := w.Delete("ips", "a.ns1"); err != nil {
		t.Fatal(err)
	}
	w.MustCreate(podIP("b.ns1", v1.IPSpec{Subnet: "s4", Vip: "own"}))
	mustContain(t, w.Create(podIP("c.ns1", v1.IPSpec{Subnet: "s4", V4IPAddress: "10.0.0.100"})), "in use by Vip own")
}

// port returns the columns of an IP's port.
func port(t *testing.T, w *kindtest.World, name string) ovsdb.Row {
	t.Helper()
	row, ok := w.Row("ips", name, PortRow)
	if !ok {
		t.Fatalf("ip %s has no port", name)
	}
	if len(row.Parents) != 1 || row.Parents[0].UUID != w.RowID("subnets", stored(t, w, name).Spec.Subnet, nb.SwitchKey) || row.Parents[0].Column != "ports" {
		t.Errorf("port of %s hangs on %v", name, row.Parents)
	}
	return row.Columns
}

func TestRows(t *testing.T) {
	w := newWorld(t)
	gateway := podIP("gateway.ns1", v1.IPSpec{Subnet: "s4", MacAddress: "00:00:00:00:00:06"})
	gateway.Annotations = map[string]string{v1.AnnotationPortSecurity: "false"}
	w.MustCreate(
		podIP("a.ns1", v1.IPSpec{Subnet: "s4", MacAddress: "00:00:00:00:00:01", Vips: []string{"aap"}}),
		podIP("b.ns1", v1.IPSpec{Subnet: "dual", MacAddress: "00:00:00:00:00:02", Vips: []string{"aap6"}}),
		podIP("c.ns1", v1.IPSpec{Subnet: "mac", MacAddress: "00:00:00:00:00:03"}),
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "node-n1"}, Spec: v1.IPSpec{Subnet: "s4", MacAddress: "00:00:00:00:00:04", NodeName: "n1"}},
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "node-n2"}, Spec: v1.IPSpec{Subnet: "join", MacAddress: "00:00:00:00:00:05", NodeName: "n2"}},
		gateway,
	)
	for _, test := range []struct {
		name string
		want ovsdb.Row
	}{
		{"a.ns1", ovsdb.Row{
			"name": `"a.ns1"`, "addresses": `"00:00:00:00:00:01 10.0.0.2"`, "port_security": `"00:00:00:00:00:01 10.0.0.2 10.0.0.101"`,
			"external_ids":   `["map",[["ls","s4"],["pod","ns1/a"],["vendor","kube-ovn"],["vips","10.0.0.101"]]]`,
			"dhcpv4_options": ovsdb.Empty, "dhcpv6_options": ovsdb.Empty,
		}},
		{"b.ns1", ovsdb.Row{
			"name": `"b.ns1"`, "addresses": `"00:00:00:00:00:02 10.0.1.2 fd00::2"`, "port_security": `"00:00:00:00:00:02 10.0.1.2 fd00::2 10.0.1.101 fd00::101"`,
			"external_ids":   `["map",[["ls","dual"],["pod","ns1/b"],["vendor","kube-ovn"],["vips","10.0.1.101,fd00::101"]]]`,
			"dhcpv4_options": ovsdb.Ref(w.RowID("subnets", "dual", nb.DHCPv4Key)), "dhcpv6_options": ovsdb.Ref(w.RowID("subnets", "dual", nb.DHCPv6Key)),
		}},
		{"c.ns1", ovsdb.Row{
			"name": `"c.ns1"`, "addresses": `"00:00:00:00:00:03"`, "port_security": `"00:00:00:00:00:03"`,
			"external_ids":   `["map",[["ls","mac"],["pod","ns1/c"],["vendor","kube-ovn"]]]`,
			"dhcpv4_options": ovsdb.Empty, "dhcpv6_options": ovsdb.Empty,
		}},
		{"node-n1", ovsdb.Row{
			"name": `"node-n1"`, "addresses": `"00:00:00:00:00:04 10.0.0.3"`, "port_security": `"00:00:00:00:00:04 10.0.0.3"`,
			"external_ids":   `["map",[["ls","s4"],["vendor","kube-ovn"]]]`,
			"dhcpv4_options": ovsdb.Empty, "dhcpv6_options": ovsdb.Empty,
		}},
		// A node's port, through which all that the node forwards comes and goes.
		{"node-n2", ovsdb.Row{
			"name": `"node-n2"`, "addresses": `"00:00:00:00:00:05 100.64.0.2"`, "port_security": `"00:00:00:00:00:05"`,
			"external_ids":   `["map",[["ls","join"],["vendor","kube-ovn"]]]`,
			"dhcpv4_options": ovsdb.Empty, "dhcpv6_options": ovsdb.Empty,
		}},
		{"gateway.ns1", ovsdb.Row{
			"name": `"gateway.ns1"`, "addresses": `"00:00:00:00:00:06 10.0.0.4"`, "port_security": `"00:00:00:00:00:06"`,
			"external_ids":   `["map",[["ls","s4"],["pod","ns1/gateway"],["vendor","kube-ovn"]]]`,
			"dhcpv4_options": ovsdb.Empty, "dhcpv6_options": ovsdb.Empty,
		}},
	} {
		if diff := cmp.Diff(test.want, port(t, w, test.name)); diff != "" {
			t.Errorf("port of %s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestAnInterfaceOfAnotherPluginHasNoPort(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(podIP("a.ns1", v1.IPSpec{Subnet: "macvlan"}))
	if rows := w.Rows("ips", "a.ns1"); len(rows) > 0 {
		t.Errorf("got rows %v", rows)
	}
	if got := stored(t, w, "a.ns1").Spec.IPAddress; got != "172.16.0.2" {
		t.Errorf("got address %q, want 172.16.0.2", got)
	}
}

func TestPortSecurityFollowsTheVipsThatAreCarried(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(podIP("a.ns1", v1.IPSpec{Subnet: "s4", MacAddress: "00:00:00:00:00:01"}))
	carry := func(vips ...string) error {
		return kindtest.Change(w, "ips", "a.ns1", func(ip *v1.IP) { ip.Spec.Vips = vips })
	}
	if err := carry("aap"); err != nil {
		t.Fatal(err)
	}
	if got, want := port(t, w, "a.ns1")["port_security"], ovsdb.String("00:00:00:00:00:01 10.0.0.2 10.0.0.101"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	mustContain(t, carry("aap", "aap6"), "spec.vips[1]")
	if err := carry(); err != nil {
		t.Fatal(err)
	}
	if got, want := port(t, w, "a.ns1")["port_security"], ovsdb.String("00:00:00:00:00:01 10.0.0.2"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
