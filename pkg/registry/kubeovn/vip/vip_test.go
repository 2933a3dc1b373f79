package vip_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
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
		ip.NewResource(cfg), vip.NewResource(cfg))
	s4 := subnet("ovn-default", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.16.0.0/16", Gateway: "10.16.0.1", ExcludeIps: []string{"10.16.0.1"}})
	s4.Annotations = map[string]string{nb.RouterMACAnnotation: "00:00:00:11:22:33"}
	w.MustCreate(
		&v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "vpc1"}, Spec: v1.VpcSpec{Namespaces: []string{"default", "other"}}},
		s4,
		subnet("dual", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.17.0.0/24,fd00::/64", Gateway: "10.17.0.1,fd00::1"}),
		subnet("six", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "fd01::/64", Gateway: "fd01::1"}),
		subnet("mac", v1.SubnetSpec{Vpc: "vpc1", Protocol: v1.ProtocolMac}))
	return w
}

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func newVip(name string, spec v1.VipSpec) *v1.Vip {
	return &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

// aap is the Vip of the guide that pods carry.
func aap(name, subnet string) *v1.Vip {
	return newVip(name, v1.VipSpec{Subnet: subnet, Namespace: "default", Selector: []string{"app: aap1"}})
}

func bearer(name, subnet string, vips ...string) *v1.IP {
	pod, namespace, _ := strings.Cut(name, ".")
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{PodName: pod, Namespace: namespace, Subnet: subnet, Vips: vips}}
}

func stored(t testing.TB, w *kindtest.World, name string) *v1.Vip {
	t.Helper()
	o, ok := storage.Get[*v1.Vip](w, "vips", name)
	if !ok {
		t.Fatalf("vip %s does not exist", name)
	}
	return o
}

func mustContain(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestStatusIsCompleteWhenTheVipIsCreated(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name        string
		in          *v1.Vip
		v4, v6, mac string // mac "": any of those generated
	}{
		{"the next free address", newVip("vip-dynamic-01", v1.VipSpec{Subnet: "ovn-default"}), "10.16.0.2", "", ""},
		{"an address of one's choice", newVip("static-vip01", v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.121"}), "10.16.0.121", "", ""},
		{"both families", newVip("both", v1.VipSpec{Subnet: "dual", V6ip: "fd00::77"}), "10.17.0.2", "fd00::77", ""},
		{"IPv6", newVip("six", v1.VipSpec{Subnet: "six"}), "", "fd01::2", ""},
		{"a MAC of one's choice", newVip("mac", v1.VipSpec{Subnet: "six", MacAddress: "0a:00:00:00:00:01"}), "", "fd01::3", "0a:00:00:00:00:01"},
		{"the router's MAC for a load balancer", newVip("slr-01", v1.VipSpec{Subnet: "ovn-default", Type: v1.VipSwitchLB}), "10.16.0.3", "", "00:00:00:11:22:33"},
		{"and for another", newVip("slr-02", v1.VipSpec{Subnet: "ovn-default", Type: v1.VipSwitchLB}), "10.16.0.4", "", "00:00:00:11:22:33"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := w.Create(test.in); err != nil {
				t.Fatal(err)
			}
			got := stored(t, w, test.in.Name)
			if diff := cmp.Diff(test.in.Spec, got.Spec); diff != "" {
				t.Errorf("spec is the user's (-written +stored):\n%s", diff)
			}
			mac := test.mac
			if mac == "" {
				mac = got.Status.Mac
				if !strings.HasPrefix(mac, "00:00:00:") || mac != strings.ToUpper(mac) {
					t.Errorf("got MAC %q, want 00:00:00:XX:XX:XX", mac)
				}
			}
			want := v1.VipStatus{Ready: true, Type: test.in.Spec.Type, V4ip: test.v4, V6ip: test.v6, Mac: mac, Conditions: []metav1.Condition{{
				Type: "Ready", Status: metav1.ConditionTrue, ObservedGeneration: 1, LastTransitionTime: got.CreationTimestamp,
				Reason: "Assigned", Message: "the address is assigned",
			}}}
			if diff := cmp.Diff(want, got.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if rows := w.Rows("vips", got.Name); len(rows) > 0 {
				t.Errorf("a reserved address has rows: %v", rows)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVip("web", v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.50"}), bearer("aap-port.default", "ovn-default"),
		bearer("squatter", "ovn-default"))
	for _, test := range []struct {
		name string
		in   *v1.Vip
		want string
	}{
		{"a Subnet that does not exist", newVip("v", v1.VipSpec{Subnet: "none"}), `spec.subnet: Not found: "none"`},
		{"a Subnet without addresses", newVip("v", v1.VipSpec{Subnet: "mac"}), "have no addresses"},
		{"an address outside", newVip("v", v1.VipSpec{Subnet: "ovn-default", V4ip: "10.17.0.5"}),
			"spec.v4ip: Invalid value: \"10.17.0.5\": the vip 10.17.0.5 is not in the range of subnet ovn-default, cidr 10.16.0.0/16"},
		{"an address that is taken", newVip("v", v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.50"}), "10.16.0.50 is in use by Vip web"},
		{"an excluded address", newVip("v", v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.1"}), "10.16.0.1 is the gateway of subnet ovn-default"},
		{"a namespace that the Vpc does not admit", newVip("v", v1.VipSpec{Subnet: "ovn-default", Namespace: "foreign"}), "namespace 'foreign' is out of range to custom vpc 'vpc1'"},
		{"the name of an IP's port", aap("squatter", "ovn-default"), `logical switch port "squatter" is in use by IP squatter`},
		{"the port of a virtual machine", newVip("aap-port", v1.VipSpec{Subnet: "ovn-default", Type: v1.VipKubeHostVM, Namespace: "default"}),
			`logical switch port "aap-port.default" is in use by IP aap-port.default`},
		{"a MAC for a load balancer other than the router's", newVip("v", v1.VipSpec{Subnet: "ovn-default", Type: v1.VipSwitchLB, MacAddress: "00:00:00:00:00:01"}),
			`spec.macAddress: Invalid value: "00:00:00:00:00:01": a switch_lb_vip has the MAC of the subnet's router port, "00:00:00:11:22:33"`},
	} {
		t.Run(test.name, func(t *testing.T) { mustContain(t, w.Create(test.in), test.want) })
	}
	// A name that no port has is free for a reserved address.
	w.MustCreate(newVip("squatter", v1.VipSpec{Subnet: "ovn-default"}))
}

func TestTheVirtualPortOfTheGuide(t *testing.T) {
	w := newWorld(t)
	v := aap("aap-vip", "ovn-default")
	v.Spec.V4ip = "10.16.0.100"
	w.MustCreate(v)
	check := func(options ovsdb.Value) {
		t.Helper()
		want := []storage.Row{{
			Table: nb.LogicalSwitchPort, Key: vip.PortRow,
			Columns: ovsdb.Row{
				"name": `"aap-vip"`, "type": `"virtual"`, "addresses": ovsdb.Empty, "options": options,
				"external_ids": `["map",[["ls","ovn-default"],["vendor","kube-ovn"]]]`,
			},
			Parents: []storage.Parent{{Table: nb.LogicalSwitch, UUID: w.RowID("subnets", "ovn-default", nb.SwitchKey), Column: "ports"}},
		}}
		if diff := cmp.Diff(want, w.Rows("vips", "aap-vip")); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
	check(`["map",[["virtual-ip","10.16.0.100"]]]`)
	w.MustCreate(bearer("busybox01.default", "ovn-default", "aap-vip"), bearer("busybox.default", "ovn-default", "aap-vip"), bearer("else.default", "ovn-default"))
	check(`["map",[["virtual-ip","10.16.0.100"],["virtual-parents","busybox.default,busybox01.default"]]]`)
	if err := w.Delete("ips", "busybox.default"); err != nil {
		t.Fatal(err)
	}
	check(`["map",[["virtual-ip","10.16.0.100"],["virtual-parents","busybox01.default"]]]`)
}

func TestBothFamiliesHaveAVirtualPortEach(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(aap("both", "dual"), aap("six", "six"), bearer("a.default", "dual", "both"))
	type port struct{ Name, Options ovsdb.Value }
	ports := func(name string) map[string]port {
		out := map[string]port{}
		for _, row := range w.Rows("vips", name) {
			out[row.Key] = port{row.Columns["name"], row.Columns["options"]}
		}
		return out
	}
	want := map[string]port{
		vip.PortRow:   {`"both"`, `["map",[["virtual-ip","10.17.0.2"],["virtual-parents","a.default"]]]`},
		vip.PortRowV6: {`"both/v6"`, `["map",[["virtual-ip","fd00::2"],["virtual-parents","a.default"]]]`},
	}
	if diff := cmp.Diff(want, ports("both")); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]port{vip.PortRow: {`"six"`, `["map",[["virtual-ip","fd01::2"]]]`}}, ports("six")); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

func TestTheAddressOfAVirtualMachineHasAnOrdinaryPort(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVip("vm", v1.VipSpec{Subnet: "dual", Type: v1.VipKubeHostVM, Namespace: "default", MacAddress: "00:00:00:00:00:09"}))
	row, ok := w.Row("vips", "vm", vip.PortRow)
	if !ok {
		t.Fatal("there is no port")
	}
	want := ovsdb.Row{
		"name": `"vm.default"`, "type": `""`, "addresses": `"00:00:00:00:00:09 10.17.0.2 fd00::2"`, "options": ovsdb.Map(nil),
		"external_ids": `["map",[["ls","dual"],["vendor","kube-ovn"]]]`,
	}
	if diff := cmp.Diff(want, row.Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestAVipStaysWhatItsBearersNeed(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(aap("v", "ovn-default"), newVip("own", v1.VipSpec{Subnet: "ovn-default"}), bearer("a.default", "ovn-default", "v"))
	user := bearer("b.default", "ovn-default")
	user.Spec.Vip = "own"
	w.MustCreate(user)
	change := func(name string, f func(*v1.VipSpec)) error {
		return kindtest.Change(w, "vips", name, func(v *v1.Vip) { f(&v.Spec) })
	}
	mustContain(t, change("v", func(s *v1.VipSpec) { s.Namespace = "other" }), "spec.namespace: Invalid value: \"other\": the Vip is carried by IP a.default")
	if err := change("v", func(s *v1.VipSpec) { s.Selector = nil }); err != nil {
		t.Errorf("without a selector, every pod of the namespace may carry it: %v", err)
	}
	mustContain(t, change("own", func(s *v1.VipSpec) { s.Namespace, s.Selector = "default", []string{"a: b"} }), "vip 'own' is in use by IP b.default")
	if err := change("v", func(s *v1.VipSpec) { s.Selector = []string{"app: aap2"} }); err != nil {
		t.Error(err)
	}
	if got := stored(t, w, "v").Status.Selector; !cmp.Equal(got, []string{"app: aap2"}) {
		t.Errorf("got selector %v in status", got)
	}
	if got := stored(t, w, "own").Labels[v1.LabelIPReserved]; got != "b.default" {
		t.Errorf("got label %q, want the IP that uses the Vip", got)
	}
	if err := w.Delete("vips", "own"); err != nil {
		t.Fatal(err)
	}
	if stored(t, w, "own").DeletionTimestamp == nil {
		t.Error("a Vip in use is Terminating")
	}
	if err := w.Delete("ips", "b.default"); err != nil {
		t.Fatal(err)
	}
	if w.Get("vips", "own") != nil {
		t.Error("the Vip goes with the last that uses it")
	}
}

func TestASelectorMakesAReservedAddressOneThatPodsCarry(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVip("v", v1.VipSpec{Subnet: "ovn-default"}), newVip("x", v1.VipSpec{Subnet: "ovn-default"}), bearer("x", "ovn-default"))
	carry := func(v *v1.Vip) { v.Spec.Namespace, v.Spec.Selector = "default", []string{"app: aap1"} }
	if err := kindtest.Change(w, "vips", "v", carry); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.Row("vips", "v", vip.PortRow); !ok {
		t.Error("the Vip has no port")
	}
	mustContain(t, kindtest.Change(w, "vips", "x", carry), `logical switch port "x" is in use by IP x`)
}

// A Vip without a selector is for every pod of its namespace that names it. Until one does, its address may be a pod's own.
func TestAVipWithoutASelectorIsCarriedByPodsOfItsNamespace(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newVip("free", v1.VipSpec{Subnet: "ovn-default", Namespace: "default", V4ip: "10.16.0.100"}))
	if rows := w.Rows("vips", "free"); len(rows) > 0 {
		t.Errorf("got rows %v of a Vip that nobody carries", rows)
	}
	w.MustCreate(bearer("a.default", "ovn-default", "free"))
	row, ok := w.Row("vips", "free", vip.PortRow)
	if want := ovsdb.Value(`["map",[["virtual-ip","10.16.0.100"],["virtual-parents","a.default"]]]`); !ok || row.Columns["options"] != want {
		t.Errorf("got options %s, want %s", row.Columns["options"], want)
	}
	foreign := bearer("a.other", "ovn-default", "free")
	foreign.Spec.Namespace = "other"
	mustContain(t, w.Create(foreign), `the Vip is for pods of namespace "default", not of "other"`)
	mustContain(t, w.Create(bearer("b.default", "ovn-default", "nowhere")), `Not found: "nowhere"`)
	w.MustCreate(newVip("without", v1.VipSpec{Subnet: "ovn-default"}))
	mustContain(t, w.Create(bearer("b.default", "ovn-default", "without")), "in spec.namespace the namespace of the pods")

	user := bearer("user.default", "ovn-default")
	user.Spec.Vip = "free"
	mustContain(t, w.Create(user), "vip 'free' is in use by IP a.default")
	if err := w.Delete("ips", "a.default"); err != nil {
		t.Fatal(err)
	}
	w.MustCreate(user)
	mustContain(t, w.Create(bearer("a.default", "ovn-default", "free")), "vip 'free' is in use by IP user.default")
	if rows := w.Rows("vips", "free"); len(rows) > 0 {
		t.Errorf("got rows %v of a Vip that is a pod's own address", rows)
	}
}
