package subnet_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func TestUnderlaysHaveAPortToTheirVlan(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(
		newSubnet("external204", "", "10.5.204.0/24", func(s *spec) { s.Vlan, s.Gateway = "vlan204", "10.5.204.254" }),
		newSubnet("untagged", "v", "10.6.0.0/24", func(s *spec) { s.Vlan, s.LogicalGateway = "x", true }))
	want := `Logical_Switch switch
  name: "external204"
Logical_Switch_Port localnet
  addresses: "unknown"
  name: "localnet.external204"
  options: ["map",[["network_name","external204"]]]
  tag: 204
  tag_request: 204
  type: "localnet"
  in Logical_Switch.ports
`
	if diff := cmp.Diff(want, kindtest.Text(w.Rows("subnets", "external204"))); diff != "" {
		t.Error(diff)
	}
	row, found := w.Row("subnets", "untagged", "localnet")
	if !found || row.Columns["tag"] != ovsdb.Empty || row.Columns["tag_request"] != ovsdb.Empty {
		t.Errorf("port of an untagged Vlan: %s", kindtest.Text([]storage.Row{row}))
	}
	if port, found := w.Row("subnets", "untagged", nb.RouterPortKey); !found || port.Columns["networks"] != ovsdb.String("10.6.0.1/24") {
		t.Errorf("router port with a logical gateway: %s", kindtest.Text([]storage.Row{port}))
	}
	vlan, _ := storage.Get[*v1.Vlan](w, "vlans", "vlan204")
	if diff := cmp.Diff([]string{"external204"}, vlan.Status.Subnets); diff != "" {
		t.Error(diff)
	}

	for _, resource := range []string{"vlans", "provider-networks"} {
		name := map[string]string{"vlans": "vlan204", "provider-networks": "external204"}[resource]
		if err := w.Delete(resource, name); err != nil || w.Get(resource, name) == nil {
			t.Errorf("%s did not wait for what refers to it: %v", resource, err)
		}
	}
	if err := w.Delete("subnets", "external204"); err != nil {
		t.Fatal(err)
	}
	if w.Get("vlans", "vlan204") != nil {
		t.Error("the Vlan outlived its last Subnet")
	}
}

func TestAnInterconnectedUnderlayHasAnAddressOfTheRouter(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("overlay", "v", "10.0.1.0/24"),
		newSubnet("phys", "v", "10.5.0.0/24", func(s *spec) {
			s.Vlan, s.U2OInterconnection, s.Gateway, s.Vips = "vlan204", true, "10.5.0.254", []string{"10.5.0.1"}
		}))
	stored, _ := storage.Get[*v1.Subnet](w, "subnets", "phys")
	if got := stored.Status; got.U2OInterconnectionIP != "10.5.0.2" || got.U2OInterconnectionMAC != nb.RouterMAC(stored) || got.U2OInterconnectionVPC != "v" {
		t.Errorf("status: %q %q %q", got.U2OInterconnectionIP, got.U2OInterconnectionMAC, got.U2OInterconnectionVPC)
	}
	wantRefusal(t, w.Create(newSubnet("again", "v", "10.5.0.0/24", func(s *spec) { s.Vlan = "x"; s.LogicalGateway = true })), "is conflict with subnet phys")
	if err := kindtest.Change(w, "subnets", "phys", func(s *v1.Subnet) { s.Status.U2OInterconnectionIP = "10.5.0.9"; s.Spec.Private = true }); err != nil {
		t.Fatal(err)
	}
	w.MustCreate(newSubnet("later", "v", "10.0.2.0/24"))
	got := kindtest.Text(w.Rows("subnets", "phys"))
	for _, line := range []string{
		`networks: "10.5.0.2/24"`, `name: "localnet.phys"`, `name: "phys-v"`,
		"Logical_Router_Policy u2o/overlay/ip4\n  action: \"allow\"\n  match: \"ip4.src == 10.5.0.0/24 && ip4.dst == {10.0.1.0/24, 10.0.2.0/24, 10.5.0.0/24}\"\n  priority: 31000\n",
		"Logical_Router_Policy u2o/physical/ip4\n  action: \"reroute\"\n  match: \"ip4.src == 10.5.0.0/24\"\n  nexthops: \"10.5.0.254\"\n  priority: 29400\n",
		// What no route is for is dropped before policies are looked at.
		`route_table: "u2o/phys"`, `nexthop: "10.5.0.254"`, `ip_prefix: "0.0.0.0/0"`, `["route_table","u2o/phys"]`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("missing %s\nin\n%s", line, got)
		}
	}
	change := func(f func(*spec)) error {
		return kindtest.Change(w, "subnets", "phys", func(s *v1.Subnet) { f(&s.Spec) })
	}
	wantRefusal(t, change(func(s *spec) { s.U2OInterconnectionIP = "10.5.0.7" }), "spec.u2oInterconnectionIP", "the router has 10.5.0.2")
	if err := change(func(s *spec) { s.U2OFeatures = &v1.U2OFeatures{OverlayOnlyRouting: true} }); err != nil {
		t.Fatal(err)
	}
	// The interfaces' gateway is the router: what is not for overlays goes on to the physical gateway, before any policy for nodes.
	if row, found := w.Row("subnets", "phys", "u2o/physical/ip4"); !found || row.Columns["priority"] != ovsdb.Int(30050) || row.Columns["nexthops"] != ovsdb.Strings("10.5.0.254") {
		t.Errorf("packets that are not for overlays do not get to the physical gateway: %s", kindtest.Text([]storage.Row{row}))
	}
	if err := change(func(s *spec) { s.U2OInterconnection = false }); err != nil {
		t.Fatal(err)
	}
	stored, _ = storage.Get[*v1.Subnet](w, "subnets", "phys")
	if _, found := w.Row("subnets", "phys", nb.RouterPortKey); found || stored.Status.U2OInterconnectionIP != "" {
		t.Errorf("the router is still there: %q", stored.Status.U2OInterconnectionIP)
	}
}

func TestDHCPNamesTheRouterOfAnInterconnectedUnderlay(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("phys", "v", "10.5.0.0/24", func(s *spec) {
		s.Vlan, s.U2OInterconnection, s.Gateway, s.U2OInterconnectionIP, s.EnableDHCP = "vlan204", true, "10.5.0.1", "10.5.0.2", true
	}))
	router := func() string {
		row, _ := w.Row("subnets", "phys", nb.DHCPv4Key)
		return string(row.Columns["options"])
	}
	if got := router(); !strings.Contains(got, `["router","10.5.0.2"]`) {
		t.Errorf("interconnected: %s", got)
	}
	if err := kindtest.Change(w, "subnets", "phys", func(s *v1.Subnet) { s.Spec.U2OInterconnection, s.Spec.U2OInterconnectionIP = false, "" }); err != nil {
		t.Fatal(err)
	}
	if got := router(); !strings.Contains(got, `["router","10.5.0.1"]`) {
		t.Errorf("no longer interconnected: %s", got)
	}
}
