package ovnnat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovnnat"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

const fips, snats, dnats = ovnnat.FipResource, ovnnat.SnatResource, ovnnat.DnatResource

func TestRowsOfFips(t *testing.T) {
	for _, test := range []struct {
		name string
		spec v1.OvnFipSpec
		want string
	}{
		{"the pod of the guide", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "vpc-1-busybox01.vpc1"}, `
NAT nat4
  external_ip: "10.5.204.101"
  logical_ip: "192.168.0.2"
  type: "dnat_and_snat"
  in Logical_Router.nat
`},
		{"the Vip of the guide", v1.OvnFipSpec{OvnEip: "eip-static", IPType: v1.IPTypeVip, IPName: "test-fip-vip"}, `
NAT nat4
  external_ip: "10.5.204.101"
  logical_ip: "192.168.0.3"
  type: "dnat_and_snat"
  in Logical_Router.nat
`},
		{"an address", v1.OvnFipSpec{OvnEip: "eip-static", Vpc: "vpc1", V4IP: "192.168.0.77"}, `
NAT nat4
  external_ip: "10.5.204.101"
  logical_ip: "192.168.0.77"
  type: "dnat_and_snat"
  in Logical_Router.nat
`},
		{"on the node of the pod, both families", v1.OvnFipSpec{OvnEip: "eip-dual", IPName: "dual.vpc1", Type: "distributed"}, `
NAT nat4
  external_ip: "10.5.205.1"
  external_mac: "MAC"
  logical_ip: "192.168.1.2"
  logical_port: "dual.vpc1"
  type: "dnat_and_snat"
  in Logical_Router.nat
NAT nat6
  external_ip: "2001:db8::2"
  external_mac: "MAC"
  logical_ip: "fd00::2"
  logical_port: "dual.vpc1"
  type: "dnat_and_snat"
  in Logical_Router.nat
`},
		{"the family that both have", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "dual.vpc1", Type: "centralized"}, `
NAT nat4
  external_ip: "10.5.204.101"
  logical_ip: "192.168.1.2"
  type: "dnat_and_snat"
  in Logical_Router.nat
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(fip("f", test.spec))
			mac := stored[*v1.OvnEip](t, w, ovneip.Resource, test.spec.OvnEip).Status.MacAddress
			got := strings.ReplaceAll(kindtest.Text(w.Rows(fips, "f")), mac, "MAC")
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if parent := w.Rows(fips, "f")[0].Parents[0]; parent.UUID != w.RowID("vpcs", "vpc1", "router") {
				t.Errorf("the row is not in the router of vpc1: %v", parent)
			}
		})
	}
}

func TestRowsOfSnatRules(t *testing.T) {
	for _, test := range []struct {
		name string
		spec v1.OvnSnatRuleSpec
		want []string // external -> logical
	}{
		{"a Subnet", v1.OvnSnatRuleSpec{OvnEip: "eip-static", VpcSubnet: "vpc1-subnet1"}, []string{`"10.5.204.101" "192.168.0.0/24"`}},
		{"a pod", v1.OvnSnatRuleSpec{OvnEip: "eip-static", IPName: "vpc-1-busybox01.vpc1"}, []string{`"10.5.204.101" "192.168.0.2"`}},
		{"a prefix", v1.OvnSnatRuleSpec{OvnEip: "eip-static", Vpc: "vpc1", V4IPCidr: "192.168.0.128/25"}, []string{`"10.5.204.101" "192.168.0.128/25"`}},
		{"an address", v1.OvnSnatRuleSpec{OvnEip: "eip-dual", Vpc: "vpc1", V6IPCidr: "fd00::9"}, []string{`"2001:db8::2" "fd00::9"`}},
		{"a Subnet of both families", v1.OvnSnatRuleSpec{OvnEip: "eip-dual", VpcSubnet: "vpc1-dual"},
			[]string{`"10.5.205.1" "192.168.1.0/24"`, `"2001:db8::2" "fd00::/64"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(snat("s", test.spec))
			var got []string
			for _, row := range w.Rows(snats, "s") {
				if row.Columns["type"] != `"snat"` {
					t.Errorf("got type %s", row.Columns["type"])
				}
				got = append(got, string(row.Columns["external_ip"]+" "+row.Columns["logical_ip"]))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRowsOfDnatRules(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(dnat("tcp", "eip-static", "vpc-1-busybox01.vpc1", "tcp", "22"), dnat("udp", "eip-dual", "dual.vpc1", "udp", "53"))
	want := `Load_Balancer lb
  name: "tcp"
  protocol: "tcp"
  vips: ["map",[["10.5.204.101:22","192.168.0.2:22"]]]
  in Logical_Router.load_balancer
  in Logical_Switch.load_balancer
  in Logical_Switch.load_balancer
`
	if diff := cmp.Diff(want, kindtest.Text(w.Rows(dnats, "tcp"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	row, _ := w.Row(dnats, "udp", ovnnat.LoadBalancerRow)
	if got, want := string(row.Columns["vips"]), `["map",[["10.5.205.1:53","192.168.1.2:22"],["[2001:db8::2]:53","[fd00::2]:22"]]]`; got != want {
		t.Errorf("got vips %s, want %s", got, want)
	}
	if got := string(row.Columns["options"]); got != `["map",[["ct_flush","true"]]]` {
		t.Errorf("got options %s", got)
	}
	for _, p := range row.Parents[1:] {
		if p.UUID == w.RowID("subnets", "vpc2-subnet1", "switch") {
			t.Error("the load balancer is on a switch of another Vpc")
		}
	}
}

func TestAStoredRuleIsInEffect(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(dnat("eip-dnat", "eip-static", "vpc-1-busybox01.vpc1", "tcp", "22"), fip("f", v1.OvnFipSpec{OvnEip: "eip-dual", IPName: "dual.vpc1"}),
		snat("s", v1.OvnSnatRuleSpec{OvnEip: "eip2", VpcSubnet: "vpc1-subnet1"}))
	d := stored[*v1.OvnDnatRule](t, w, dnats, "eip-dnat")
	want := v1.OvnDnatRuleStatus{Ready: true, Vpc: "vpc1", V4Eip: "10.5.204.101", V4IP: "192.168.0.2", ExternalPort: "22", InternalPort: "22",
		Protocol: "tcp", IPName: "vpc-1-busybox01.vpc1", Conditions: d.Status.Conditions}
	if diff := cmp.Diff(want, d.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{v1.LabelEipV4: "10.5.204.101", v1.LabelDnatExternalPort: "22"}, d.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	f := stored[*v1.OvnFip](t, w, fips, "f")
	if diff := cmp.Diff(map[string]string{v1.LabelEipV4: "10.5.205.1", v1.LabelEipV6: "2001.db8..2"}, f.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for eip, want := range map[string]string{"eip-static": "dnat", "eip-dual": "fip", "eip2": "snat"} {
		if got := stored[*v1.OvnEip](t, w, ovneip.Resource, eip).Status.Nat; got != want {
			t.Errorf("%s is used for %q, want %q", eip, got, want)
		}
	}
	if err := w.Delete(dnats, "eip-dnat"); err != nil {
		t.Fatal(err)
	}
	if got := stored[*v1.OvnEip](t, w, ovneip.Resource, "eip-static").Status.Nat; got != "" {
		t.Errorf("an address without rules is used for %q", got)
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(dnat("eip-dnat", "eip-static", "vpc-1-busybox01.vpc1", "tcp", "22"),
		fip("eip-for-vip", v1.OvnFipSpec{OvnEip: "eip2", IPType: v1.IPTypeVip, IPName: "test-fip-vip"}),
		snat("s", v1.OvnSnatRuleSpec{OvnEip: "eip-static", VpcSubnet: "vpc1-subnet1"}))
	check := func(got printed, header, cells string) {
		t.Helper()
		if got.Header != header {
			t.Errorf("got header %q, want %q", got.Header, header)
		}
		if got.Cells != cells {
			t.Errorf("got cells %q, want %q", got.Cells, cells)
		}
	}
	check(print(t, ovnnat.Fip.Table(nil), w.Get(fips, "eip-for-vip")), "NAME VPC V4EIP V4IP READY IPTYPE IPNAME",
		"eip-for-vip vpc1 10.5.204.102 192.168.0.3 true vip test-fip-vip")
	check(print(t, ovnnat.Dnat.Table(nil), w.Get(dnats, "eip-dnat")), "NAME EIP PROTOCOL V4EIP V4IP INTERNALPORT EXTERNALPORT IPNAME READY",
		"eip-dnat eip-static tcp 10.5.204.101 192.168.0.2 22 22 vpc-1-busybox01.vpc1 true")
	check(print(t, ovnnat.Snat.Table(nil), w.Get(snats, "s")), "NAME VPC V4EIP V4IPCIDR READY", "s vpc1 10.5.204.101 192.168.0.0/24 true")
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	lrp := eip("vpc1-external204", "external204")
	lrp.Spec.Type = v1.OvnEipLrp
	w.MustCreate(lrp)
	for _, test := range []struct {
		name string
		in   storage.Object
		want string
	}{
		{"an address that does not exist", fip("x", v1.OvnFipSpec{OvnEip: "none", IPName: "vpc-1-busybox01.vpc1"}),
			`spec.ovnEip: Not found: "none": create the OvnEip first`},
		{"an IP that does not exist", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "none.vpc1"}), `spec.ipName: Not found: "none.vpc1": create the IP first`},
		{"a Vip that is named as an IP", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "test-fip-vip"}), "there is a Vip test-fip-vip, which spec.ipType vip would name"},
		{"a Vip that does not exist", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", IPType: v1.IPTypeVip, IPName: "v"}), `spec.ipName: Not found: "v": create the Vip first`},
		{"a Subnet that does not exist", snat("x", v1.OvnSnatRuleSpec{OvnEip: "eip-static", VpcSubnet: "s"}), `spec.vpcSubnet: Not found: "s": create the Subnet first`},
		{"an underlay", snat("x", v1.OvnSnatRuleSpec{OvnEip: "eip-static", VpcSubnet: "external204"}), "no Vpc's router reaches the subnet"},
		{"a Vpc that does not exist", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", Vpc: "v", V4IP: "192.168.0.9"}), `spec.vpc: Not found: "v": create the Vpc first`},
		{"a Vpc without external network", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "in.inner"}),
			"OvnEip eip-static is in the external subnet external204, with which vpc inner is not connected: set spec.enableExternal of the Vpc"},
		{"a Vpc with another external network", fip("x", v1.OvnFipSpec{OvnEip: "eip-dual", IPName: "other.vpc2"}),
			"external subnet dual204, with which vpc vpc2 is not connected: add it to spec.extraExternalSubnets of the Vpc"},
		{"the address of a router", fip("x", v1.OvnFipSpec{OvnEip: "vpc1-external204", IPName: "vpc-1-busybox01.vpc1"}), "is of type lrp: NAT rules need one of type nat"},
		{"an address outside the Vpc", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", Vpc: "vpc1", V4IP: "172.16.0.9"}),
			`spec.v4Ip: Invalid value: "172.16.0.9": 172.16.0.9 does not lie in a subnet of vpc vpc1`},
		{"a prefix wider than a Subnet", snat("x", v1.OvnSnatRuleSpec{OvnEip: "eip-static", Vpc: "vpc1", V4IPCidr: "192.168.0.0/16"}), "does not lie in a subnet of vpc vpc1"},
		{"a family that the address does not have", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", Vpc: "vpc1", V6IP: "fd00::9"}),
			"the address is 10.5.204.101, of another address family than fd00::9"},
		{"one family of two", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", Vpc: "vpc1", V4IP: "192.168.1.9", V6IP: "fd00::9"}), "of another address family"},
		{"a Vpc that is not the pod's", dnat2("x", "vpc2"), "spec.vpc: Invalid value: \"vpc2\": IP vpc-1-busybox01.vpc1 is in vpc vpc1"},
		{"a node for an address without interface", fip("x", v1.OvnFipSpec{OvnEip: "eip-static", IPType: v1.IPTypeVip, IPName: "test-fip-vip", Type: "distributed"}),
			"spec.type: Invalid value: \"distributed\": there is no interface on whose node 192.168.0.3 could be translated"},
	} {
		t.Run(test.name, func(t *testing.T) { mustContain(t, w.Create(test.in), test.want) })
	}
}

func dnat2(name, vpc string) *v1.OvnDnatRule {
	d := dnat(name, "eip-static", "vpc-1-busybox01.vpc1", "tcp", "22")
	d.Spec.Vpc = vpc
	return d
}

func TestSharing(t *testing.T) {
	subnetRule := func(name, eip string) *v1.OvnSnatRule {
		return snat(name, v1.OvnSnatRuleSpec{OvnEip: eip, VpcSubnet: "vpc1-subnet1"})
	}
	podRule := func(name string) *v1.OvnFip {
		return fip(name, v1.OvnFipSpec{OvnEip: "eip-static", IPName: "vpc-1-busybox01.vpc1"})
	}
	ssh := func(name, protocol, port string) *v1.OvnDnatRule {
		return dnat(name, "eip-static", "vpc-1-busybox01.vpc1", protocol, port)
	}
	for _, test := range []struct {
		name   string
		first  storage.Object
		second storage.Object
		want   string // "" when they may share
	}{
		{"two FIPs", podRule("a"), podRule("b"), "eip-static is in use by OvnFip a: a FIP has its address alone"},
		{"SNAT beside a FIP", podRule("a"), subnetRule("b", "eip-static"), "in use by OvnFip a"},
		{"DNAT beside a FIP", podRule("a"), ssh("b", "tcp", "22"), "in use by OvnFip a"},
		{"a FIP beside SNAT", subnetRule("a", "eip-static"), podRule("b"), "in use by OvnSnatRule a"},
		{"a FIP beside DNAT", ssh("a", "tcp", "22"), podRule("b"), "in use by OvnDnatRule a"},
		{"two SNATs", subnetRule("a", "eip-static"), subnetRule("b", "eip-static"), ""},
		{"SNAT and DNAT", subnetRule("a", "eip-static"), ssh("b", "tcp", "22"), ""},
		{"two ports", ssh("a", "tcp", "22"), ssh("b", "tcp", "2"), ""},
		{"two protocols", ssh("a", "tcp", "53"), ssh("b", "udp", "53"), ""},
		{"one port twice", ssh("a", "tcp", "22"), ssh("b", "tcp", "22"), "in use by OvnDnatRule a: it forwards tcp port 22 already"},
		{"two Vpcs", subnetRule("a", "eip-static"), snat("b", v1.OvnSnatRuleSpec{OvnEip: "eip-static", VpcSubnet: "vpc2-subnet1"}),
			"in use by OvnSnatRule a: all rules of an address are of one router, here of vpc1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(test.first)
			if test.want == "" {
				w.MustCreate(test.second)
			} else {
				mustContain(t, w.Create(test.second), test.want)
			}
		})
	}
}

func TestChangesOfARuleUpdateItsRows(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(fip("f", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "vpc-1-busybox01.vpc1"}), dnat("d", "eip-dual", "dual.vpc1", "tcp", "22"))
	if err := kindtest.Change(w, fips, "f", func(f *v1.OvnFip) { f.Spec.OvnEip, f.Spec.IPName = "eip2", "dual.vpc1" }); err != nil {
		t.Fatal(err)
	}
	rows := w.Rows(fips, "f")
	if len(rows) != 1 || rows[0].Key != "nat4" || rows[0].Columns["external_ip"] != `"10.5.204.102"` || rows[0].Columns["logical_ip"] != `"192.168.1.2"` {
		t.Errorf("got rows\n%s", kindtest.Text(rows))
	}
	for eip, want := range map[string]string{"eip-static": "", "eip2": "fip"} {
		if got := stored[*v1.OvnEip](t, w, ovneip.Resource, eip).Status.Nat; got != want {
			t.Errorf("%s is used for %q, want %q", eip, got, want)
		}
	}
	mustContain(t, kindtest.Change(w, fips, "f", func(f *v1.OvnFip) { f.Spec.OvnEip = "eip-dual" }), "in use by OvnDnatRule d")
	// A rule is not in its own way.
	if err := kindtest.Change(w, dnats, "d", func(d *v1.OvnDnatRule) { d.Spec.InternalPort = "2222" }); err != nil {
		t.Error(err)
	}
}

func TestSnatFollowsItsSubnet(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(snat("s", v1.OvnSnatRuleSpec{OvnEip: "eip2", VpcSubnet: "vpc1-subnet1"}))
	if err := kindtest.Change(w, "subnets", "vpc1-subnet1", func(s *v1.Subnet) { s.Spec.CIDRBlock = "192.168.0.0/25" }); err != nil {
		t.Fatal(err)
	}
	if got := w.Rows(snats, "s")[0].Columns["logical_ip"]; got != `"192.168.0.0/25"` {
		t.Errorf("got logical_ip %s", got)
	}
	if got := stored[*v1.OvnSnatRule](t, w, snats, "s").Status.V4IPCidr; got != "192.168.0.0/25" {
		t.Errorf("got status.v4IpCidr %s", got)
	}
}

func TestWhatIsTranslatedIsProtected(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(fip("f", v1.OvnFipSpec{OvnEip: "eip-static", IPName: "vpc-1-busybox01.vpc1"}))
	for _, o := range [][2]string{{ovneip.Resource, "eip-static"}, {"ips", "vpc-1-busybox01.vpc1"}} {
		if err := w.Delete(o[0], o[1]); err != nil {
			t.Fatal(err)
		}
		if got := w.Get(o[0], o[1]); got == nil || got.GetDeletionTimestamp() == nil {
			t.Errorf("%s is not Terminating", o[1])
		}
	}
	if err := w.Delete(fips, "f"); err != nil {
		t.Fatal(err)
	}
	if w.Get(ovneip.Resource, "eip-static") != nil || w.Get("ips", "vpc-1-busybox01.vpc1") != nil {
		t.Error("what the rule held did not go with it")
	}
}

func TestAVipThatPodsCarryCanBeTranslatedOnTheirNode(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(&v1.Vip{ObjectMeta: named("aap"), Spec: v1.VipSpec{Subnet: "vpc1-dual", Namespace: "vpc1", Selector: []string{"app: a"}}},
		fip("f", v1.OvnFipSpec{OvnEip: "eip-dual", IPType: v1.IPTypeVip, IPName: "aap", Type: "distributed"}))
	ports := func() string {
		var out []string
		for _, row := range w.Rows(fips, "f") {
			out = append(out, fmt.Sprint(row.Columns["logical_port"]))
		}
		return strings.Join(out, " ")
	}
	if got, want := ports(), `"aap" "aap/v6"`; got != want {
		t.Errorf("got ports %s, want %s", got, want)
	}
	if err := kindtest.Change(w, "vips", "aap", func(v *v1.Vip) { v.Spec.Selector, v.Spec.Namespace = nil, "" }); err != nil {
		t.Fatal(err)
	}
	if got, want := ports(), `["set",[]] ["set",[]]`; got != want {
		t.Errorf("got ports %s of a Vip without any, want %s", got, want)
	}
}

func TestTheAddressOfTheRoutersPortServesSnatAndDnat(t *testing.T) {
	w := newWorld(t)
	port := eip("vpc1-external204", "external204")
	port.Spec.Type = v1.OvnEipLrp
	node := eip("node", "external204")
	node.Spec.Type = v1.OvnEipLsp
	w.MustCreate(port, node,
		snat("out", v1.OvnSnatRuleSpec{OvnEip: "vpc1-external204", VpcSubnet: "vpc1-subnet1"}),
		dnat("in", "vpc1-external204", "vpc-1-busybox01.vpc1", "tcp", "22"))
	address := stored[*v1.OvnEip](t, w, ovneip.Resource, "vpc1-external204").Status
	if address.V4IP == "" || address.Nat != "dnat,snat" {
		t.Errorf("the address: %+v", address)
	}
	out, in := stored[*v1.OvnSnatRule](t, w, ovnnat.SnatResource, "out").Status, stored[*v1.OvnDnatRule](t, w, ovnnat.DnatResource, "in").Status
	if out.V4Eip != address.V4IP || in.V4Eip != address.V4IP || !out.Ready || !in.Ready {
		t.Errorf("got rules %+v and %+v at %s", out, in, address.V4IP)
	}
	for _, test := range []struct {
		name string
		in   storage.Object
		want string
	}{
		{"a FIP, which would take the router's own traffic", fip("x", v1.OvnFipSpec{OvnEip: "vpc1-external204", IPName: "dual.vpc1"}), "serves SNAT and DNAT rules only"},
		{"another router's SNAT", snat("x", v1.OvnSnatRuleSpec{OvnEip: "vpc1-external204", VpcSubnet: "vpc2-subnet1"}), "their own router's port, here vpc2-external204"},
		{"another router's DNAT", dnat("x", "vpc1-external204", "other.vpc2", "tcp", "23"), "their own router's port, here vpc2-external204"},
		{"a gateway node's address", snat("x", v1.OvnSnatRuleSpec{OvnEip: "node", VpcSubnet: "vpc1-subnet1"}), "is of type lsp: NAT rules need one of type nat"},
	} {
		t.Run(test.name, func(t *testing.T) { mustContain(t, w.Create(test.in), test.want) })
	}
}

func TestSnatMaySayAgainWhatASubnetOrAnIPHas(t *testing.T) {
	for _, test := range []struct {
		name string
		spec v1.OvnSnatRuleSpec
		want string // "" when it is accepted
	}{
		{"a Subnet, its Vpc and its prefix", v1.OvnSnatRuleSpec{VpcSubnet: "vpc1-subnet1", Vpc: "vpc1", V4IPCidr: "192.168.0.0/24"}, ""},
		{"a Subnet and its prefix", v1.OvnSnatRuleSpec{VpcSubnet: "vpc1-subnet1", V4IPCidr: "192.168.0.0/24"}, ""},
		{"a Subnet and both its prefixes", v1.OvnSnatRuleSpec{OvnEip: "eip-dual", VpcSubnet: "vpc1-dual", V4IPCidr: "192.168.1.0/24", V6IPCidr: "fd00::/64"}, ""},
		{"an IP and its address", v1.OvnSnatRuleSpec{IPName: "vpc-1-busybox01.vpc1", Vpc: "vpc1", V4IPCidr: "192.168.0.2"}, ""},
		{"an IP and its host prefix", v1.OvnSnatRuleSpec{IPName: "vpc-1-busybox01.vpc1", V4IPCidr: "192.168.0.2/32"}, ""},
		{"another Vpc", v1.OvnSnatRuleSpec{VpcSubnet: "vpc1-subnet1", Vpc: "vpc2", V4IPCidr: "192.168.0.0/24"}, "subnet vpc1-subnet1 is in vpc vpc1"},
		{"a part of the prefix", v1.OvnSnatRuleSpec{VpcSubnet: "vpc1-subnet1", V4IPCidr: "192.168.0.0/25"},
			`spec.v4IpCidr: Invalid value: "192.168.0.0/25": subnet vpc1-subnet1 has "192.168.0.0/24": write that, or leave it out`},
		{"a family that the Subnet does not have", v1.OvnSnatRuleSpec{VpcSubnet: "vpc1-subnet1", V6IPCidr: "fd00::/64"}, `spec.v6IpCidr: Invalid value: "fd00::/64": subnet vpc1-subnet1 has ""`},
		{"another address", v1.OvnSnatRuleSpec{IPName: "vpc-1-busybox01.vpc1", V4IPCidr: "192.168.0.9"}, `IP vpc-1-busybox01.vpc1 has "192.168.0.2"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.spec.OvnEip == "" {
				test.spec.OvnEip = "eip-static"
			}
			r := snat("x", test.spec)
			if errs := ovnnat.Snat.Validate(r); len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			err := w.Create(r)
			if test.want != "" {
				mustContain(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := stored[*v1.OvnSnatRule](t, w, ovnnat.SnatResource, "x").Status; !s.Ready || s.Vpc != "vpc1" {
				t.Errorf("got %+v", s)
			}
		})
	}
}
