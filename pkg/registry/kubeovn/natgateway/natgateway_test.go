package natgateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/natgateway"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// newWorld is the network of the guide, with Subnets and Vpcs as given.
func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t,
		storage.NewResource("vpcs", "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{}),
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{
			Index: func(s *v1.Subnet) []string {
				prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
				if s.Spec.Vpc == "" {
					return nil
				}
				return []string{prefix.Key(prefix.InVpc(s.Spec.Vpc), prefixes.V4)}
			}}),
		ip.NewResource(cfg), natgateway.NewGatewayResource(cfg), natgateway.NewEIPResource(cfg),
		natgateway.NewFIPResource(cfg), natgateway.NewSnatResource(cfg), natgateway.NewDnatResource(cfg))
	w.MustCreate(
		&v1.Vpc{ObjectMeta: named("test-vpc-1")}, &v1.Vpc{ObjectMeta: named("test-vpc-2")},
		subnet("net1", v1.SubnetSpec{Vpc: "test-vpc-1", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1"}),
		subnet("net2", v1.SubnetSpec{Vpc: "test-vpc-2", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1"}),
		subnet("ovn-vpc-external-network", v1.SubnetSpec{Provider: "ovn-vpc-external-network.kube-system", CIDRBlock: "192.168.0.0/24",
			Gateway: "192.168.0.1", ExcludeIps: []string{"192.168.0.1..192.168.0.10"}}),
		subnet("other-network", v1.SubnetSpec{Provider: "other.kube-system", CIDRBlock: "192.168.9.0/24", Gateway: "192.168.9.1"}),
		&v1.IP{ObjectMeta: named("pod.ns1"), Spec: v1.IPSpec{Subnet: "net1", V4IPAddress: "10.0.1.10"}},
		gateway("gw1", "10.0.1.254"))
	return w
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: named(name), Spec: spec}
}

func gateway(name, lanIP string) *v1.VpcNatGateway {
	return &v1.VpcNatGateway{ObjectMeta: named(name), Spec: v1.VpcNatGatewaySpec{
		Namespace: "kube-system", Vpc: "test-vpc-1", Subnet: "net1", LanIP: lanIP, Replicas: 1,
		Selector: []string{"kubernetes.io/hostname: kube-ovn-worker", "kubernetes.io/os: linux"}, ExternalSubnets: []string{"ovn-vpc-external-network"}}}
}

func eip(name string) *v1.IptablesEIP {
	return &v1.IptablesEIP{ObjectMeta: named(name), Spec: v1.IptablesEIPSpec{NatGwDp: "gw1"}}
}

func fip(name, eip, internal string) *v1.IptablesFIPRule {
	return &v1.IptablesFIPRule{ObjectMeta: named(name), Spec: v1.IptablesFIPRuleSpec{EIP: eip, InternalIP: internal}}
}

func snat(name, eip, internal string) *v1.IptablesSnatRule {
	return &v1.IptablesSnatRule{ObjectMeta: named(name), Spec: v1.IptablesSnatRuleSpec{EIP: eip, InternalCIDR: internal}}
}

func dnat(name, eip, port string, kind v1.DnatType) *v1.IptablesDnatRule {
	return &v1.IptablesDnatRule{ObjectMeta: named(name), Spec: v1.IptablesDnatRuleSpec{
		EIP: eip, ExternalPort: port, InternalIP: "10.0.1.10", InternalPort: "80", Protocol: "tcp", Type: kind}}
}

func mustContain(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant an error with %q", err, want)
	}
}

func TestTheObjectsOfTheGuide(t *testing.T) {
	w := newWorld(t)
	static := eip("eip-static")
	static.Spec.V4ip = "192.168.0.111"
	w.MustCreate(eip("eip-random"), static, eip("eipd01"), dnat("dnat01", "eipd01", "8888", ""), eip("eips01"), snat("snat01", "eips01", "10.0.1.0/24"),
		eip("eipf01"), fip("fip01", "eipf01", "10.0.1.5"))
	g, _ := storage.Get[*v1.VpcNatGateway](w, natgateway.GatewayResource, "gw1")
	if g.Status.Ready || g.Status.LanIP != "10.0.1.254" || len(g.Status.Conditions) != 1 || g.Status.Conditions[0].Message != "no gateway pod serves this object" {
		t.Errorf("got gateway status %+v", g.Status)
	}
	e, _ := storage.Get[*v1.IptablesEIP](w, natgateway.EIPResource, "eipd01")
	if e.Spec.V4ip != "192.168.0.12" || e.Spec.Namespace != "kube-system" || e.Spec.ExternalSubnet != "ovn-vpc-external-network" || e.Spec.MacAddress == "" {
		t.Errorf("got eip %+v", e.Spec)
	}
	want := v1.IptablesEIPStatus{IP: "192.168.0.12", Nat: "dnat", Conditions: e.Status.Conditions}
	if diff := cmp.Diff(want, e.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	labels := map[string]string{v1.LabelSubnet: "ovn-vpc-external-network", v1.LabelVpcNatGateway: "gw1", v1.LabelEipV4: "192.168.0.12"}
	if diff := cmp.Diff(labels, e.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	d, _ := storage.Get[*v1.IptablesDnatRule](w, natgateway.DnatResource, "dnat01")
	wantRule := v1.IptablesDnatRuleStatus{V4ip: "192.168.0.12", NatGwDp: "gw1", Protocol: "tcp", InternalIP: "10.0.1.10", InternalPort: "80",
		ExternalPort: "8888", Type: v1.DnatExclusive, Conditions: d.Status.Conditions}
	if diff := cmp.Diff(wantRule, d.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	ruleLabels := map[string]string{v1.LabelVpcNatGateway: "gw1", v1.LabelEipV4: "192.168.0.12", v1.LabelDnatExternalPort: "8888"}
	if diff := cmp.Diff(ruleLabels, d.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e"), eip("f"), fip("taken", "f", "10.0.1.5"))
	change := func(f func(*v1.IptablesEIPSpec)) *v1.IptablesEIP {
		o := eip("x")
		f(&o.Spec)
		return o
	}
	changeGateway := func(f func(*v1.VpcNatGatewaySpec)) *v1.VpcNatGateway {
		o := gateway("x", "10.0.1.253")
		f(&o.Spec)
		return o
	}
	for _, test := range []struct {
		name string
		in   storage.Object
		want string
	}{
		{"the address of the guide", change(func(s *v1.IptablesEIPSpec) { s.V4ip = "10.0.1.111" }),
			"spec.v4ip: Invalid value: \"10.0.1.111\": the eip 10.0.1.111 is not in the range of subnet ovn-vpc-external-network, cidr 192.168.0.0/24"},
		{"an address that is taken", change(func(s *v1.IptablesEIPSpec) { s.V4ip = "192.168.0.11" }), "192.168.0.11 is in use by IptablesEIP e"},
		{"a gateway that does not exist", change(func(s *v1.IptablesEIPSpec) { s.NatGwDp = "gw2" }), `spec.natGwDp: Not found: "gw2": create the VpcNatGateway first`},
		{"an external Subnet that the gateway is not in", change(func(s *v1.IptablesEIPSpec) { s.ExternalSubnet = "other-network" }),
			"VpcNatGateway gw1 is not in this external subnet: it is in ovn-vpc-external-network"},
		{"a lanIp outside", gateway("x", "10.0.2.1"), "the lanIp 10.0.2.1 is not in the range of subnet net1, cidr 10.0.1.0/24"},
		{"a lanIp of an interface", gateway("x", "10.0.1.10"), "10.0.1.10 is in use by IP pod.ns1"},
		{"a lanIp of another gateway", gateway("x", "10.0.1.254"), "10.0.1.254 is in use by VpcNatGateway gw1"},
		{"the router's address", gateway("x", "10.0.1.1"), "10.0.1.1 is the gateway of subnet net1"},
		{"a Subnet of another Vpc", changeGateway(func(s *v1.VpcNatGatewaySpec) { s.Subnet = "net2" }), "subnet net2 is not in vpc test-vpc-1"},
		{"a Vpc that does not exist", changeGateway(func(s *v1.VpcNatGatewaySpec) { s.Vpc = "v" }), `spec.vpc: Not found: "v": create the Vpc first`},
		{"an external Subnet that does not exist", changeGateway(func(s *v1.VpcNatGatewaySpec) { s.ExternalSubnets = []string{"none"} }),
			`spec.externalSubnets[0]: Not found: "none": create the Subnet first`},
		{"an internal prefix outside the Vpc", changeGateway(func(s *v1.VpcNatGatewaySpec) { s.InternalCIDRs = []string{"10.9.0.0/24"} }),
			"10.9.0.0/24 does not lie in a subnet of vpc test-vpc-1"},
		{"an internal address outside the Vpc", fip("x", "e", "10.0.2.5"), "spec.internalIp: Invalid value: \"10.0.2.5\": 10.0.2.5 does not lie in a subnet of vpc test-vpc-1"},
		{"a prefix outside the Vpc", snat("x", "e", "10.0.0.0/16"), "10.0.0.0/16 does not lie in a subnet of vpc test-vpc-1"},
		{"an address that does not exist", dnat("x", "none", "80", ""), `spec.eip: Not found: "none": create the IptablesEIP first`},
		{"an address that a FIP has", dnat("x", "f", "80", ""), "f is in use by IptablesFIPRule taken: a FIP has its address alone"},
	} {
		t.Run(test.name, func(t *testing.T) { mustContain(t, w.Create(test.in), test.want) })
	}
}

func TestRulesThatShareAPort(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e"), dnat("a", "e", "80", v1.DnatShare), dnat("b", "e", "80", v1.DnatShare), dnat("c", "e", "81", v1.DnatExclusive), snat("s", "e", "10.0.1.0/24"))
	mustContain(t, w.Create(dnat("x", "e", "80", v1.DnatExclusive)), "e is in use by IptablesDnatRule a: it forwards tcp port 80 already")
	mustContain(t, w.Create(dnat("x", "e", "81", v1.DnatShare)), "e is in use by IptablesDnatRule c: it forwards tcp port 81 already, alone (type exclusive)")
	// A rule may change as long as it is not in another's way.
	if err := kindtest.Change(w, natgateway.DnatResource, "c", func(r *v1.IptablesDnatRule) { r.Spec.Type = v1.DnatShare }); err != nil {
		t.Error(err)
	}
	mustContain(t, kindtest.Change(w, natgateway.DnatResource, "a", func(r *v1.IptablesDnatRule) { r.Spec.Type = v1.DnatExclusive }), "in use by IptablesDnatRule b")
}

func TestWhatIsDecidedOnceStays(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e"))
	stored, _ := storage.Get[*v1.IptablesEIP](w, natgateway.EIPResource, "e")
	strategy := natgateway.EIP.Strategy(runtime.NewScheme())
	changed := stored.DeepCopy()
	changed.Spec.V4ip = "192.168.0.99"
	mustContain(t, strategy.ValidateUpdate(t.Context(), changed, stored).ToAggregate(), `spec.v4ip: Forbidden: is "192.168.0.11" and cannot be changed`)
	if err := w.Update(eip("e")); err != nil { // a client that sends its own manifest again
		t.Fatal(err)
	}
	again, _ := storage.Get[*v1.IptablesEIP](w, natgateway.EIPResource, "e")
	if diff := cmp.Diff(stored.Spec, again.Spec); diff != "" {
		t.Errorf("spec (-before +after):\n%s", diff)
	}
	gateways := natgateway.Gateway.Strategy(runtime.NewScheme())
	moved := gateway("gw1", "10.0.1.254")
	moved.Spec.Vpc, moved.Spec.Replicas = "test-vpc-2", 2
	err := gateways.ValidateUpdate(t.Context(), moved, gateway("gw1", "10.0.1.254")).ToAggregate()
	mustContain(t, err, "spec.vpc: Forbidden")
	mustContain(t, err, "spec.replicas: Forbidden: cannot change between one and several")
	mustContain(t, kindtest.Change(w, natgateway.GatewayResource, "gw1", func(g *v1.VpcNatGateway) { g.Spec.ExternalSubnets = []string{"other-network"} }),
		"IptablesEIP e of this gateway is in subnet ovn-vpc-external-network: delete it first")
}

func TestAGatewayWithAddressesIsProtected(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e"), fip("f", "e", "10.0.1.5"))
	for _, o := range [][2]string{{natgateway.GatewayResource, "gw1"}, {natgateway.EIPResource, "e"}} {
		if err := w.Delete(o[0], o[1]); err != nil {
			t.Fatal(err)
		}
		if w.Get(o[0], o[1]) == nil {
			t.Errorf("%s is gone", o[1])
		}
	}
	if err := w.Delete(natgateway.FIPResource, "f"); err != nil {
		t.Fatal(err)
	}
	if w.Get(natgateway.EIPResource, "e") != nil || w.Get(natgateway.GatewayResource, "gw1") != nil {
		t.Error("what the rule held did not go with it")
	}
}

func TestValidate(t *testing.T) {
	gateways, dnats := natgateway.Gateway.Strategy(runtime.NewScheme()), natgateway.Dnat.Strategy(runtime.NewScheme())
	bad := gateway("g", "")
	bad.Spec.Selector = []string{"a=b"}
	bad.Spec.Routes = []v1.VpcNatGatewayRoute{{CIDR: "10.0.0.0/8", NextHopIP: "router"}}
	err := gateways.Validate(t.Context(), bad).ToAggregate()
	for _, want := range []string{"spec.lanIp: Required value: lanIp must be specified", `spec.selector[0]: Invalid value: "a=b"`, "spec.routes[0].nextHopIP"} {
		mustContain(t, err, want)
	}
	if errs := gateways.Validate(t.Context(), gateway("g", "10.0.1.254")); len(errs) > 0 {
		t.Errorf("the gateway of the guide: %v", errs)
	}
	rule := dnat("d", "e", "0", "both")
	rule.Spec.Protocol, rule.Spec.InternalIP = "icmp", "fd00::1"
	err = dnats.Validate(t.Context(), rule).ToAggregate()
	for _, want := range []string{"spec.externalPort", "spec.protocol: Unsupported value", "spec.type: Unsupported value", "spec.internalIp: Invalid value: \"fd00::1\": is of the other address family"} {
		mustContain(t, err, want)
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e"), eip("f"), fip("fip01", "f", "10.0.1.5"), snat("s", "e", "10.0.1.0/24"), dnat("d", "e", "8888", ""))
	e, _ := storage.Get[*v1.IptablesEIP](w, natgateway.EIPResource, "e")
	for _, test := range []struct {
		table         rest.TableConvertor
		obj           storage.Object
		header, cells string
	}{
		{natgateway.Gateway.Table(nil), w.Get(natgateway.GatewayResource, "gw1"),
			"NAME NAMESPACE VPC SUBNET IPS REPLICAS READY BFD AGE", "gw1 kube-system test-vpc-1 net1 10.0.1.254 1 false false"},
		{natgateway.EIP.Table(nil), e,
			"NAME NAMESPACE EXTERNALSUBNET IP MAC NAT NATGWDP READY AGE", "e kube-system ovn-vpc-external-network 192.168.0.11 " + e.Spec.MacAddress + " dnat,snat gw1 false"},
		{natgateway.FIP.Table(nil), w.Get(natgateway.FIPResource, "fip01"),
			"NAME EIP V4IP INTERNALIP V6IP READY NATGWDP AGE", "fip01 f 192.168.0.12 10.0.1.5  false gw1"},
		{natgateway.Snat.Table(nil), w.Get(natgateway.SnatResource, "s"),
			"NAME EIP V4IP V6IP INTERNALCIDR NATGWDP READY AGE", "s e 192.168.0.11  10.0.1.0/24 gw1 false"},
		{natgateway.Dnat.Table(nil), w.Get(natgateway.DnatResource, "d"),
			"NAME EIP PROTOCOL V4IP V6IP INTERNALIP EXTERNALPORT INTERNALPORT TYPE NATGWDP READY AGE", "d e tcp 192.168.0.11  10.0.1.10 8888 80 exclusive gw1 false"},
	} {
		table, err := test.table.ConvertToTable(t.Context(), test.obj, nil)
		if err != nil {
			t.Fatal(err)
		}
		var header []string
		for _, c := range table.ColumnDefinitions {
			header = append(header, strings.ToUpper(c.Name))
		}
		if got := strings.Join(header, " "); got != test.header {
			t.Errorf("got header %q, want %q", got, test.header)
		}
		if got := strings.Trim(fmt.Sprint(table.Rows[0].Cells), "[]"); !strings.HasPrefix(got, test.cells) {
			t.Errorf("got cells %q, want %q", got, test.cells)
		}
	}
}

// What an agent reports of a rule is not refused because the Subnet of its internal address has gone.
func TestWhatWasDecidedStands(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(subnet("more", v1.SubnetSpec{Vpc: "test-vpc-1", CIDRBlock: "10.0.2.0/24", Gateway: "10.0.2.1"}),
		&v1.IptablesEIP{ObjectMeta: named("eip"), Spec: v1.IptablesEIPSpec{NatGwDp: "gw1"}},
		&v1.IptablesFIPRule{ObjectMeta: named("fip"), Spec: v1.IptablesFIPRuleSpec{EIP: "eip", InternalIP: "10.0.2.5"}})
	if err := w.Delete("subnets", "more"); err != nil {
		t.Fatal(err)
	}
	if err := kindtest.Change(w, natgateway.FIPResource, "fip", func(r *v1.IptablesFIPRule) { r.Labels["color"] = "red" }); err != nil {
		t.Errorf("a label is refused: %v", err)
	}
	stored, _ := storage.Get[*v1.IptablesFIPRule](w, natgateway.FIPResource, "fip")
	if stored.Status.NatGwDp != "gw1" {
		t.Errorf("gateway %q", stored.Status.NatGwDp)
	}
	another := func(r *v1.IptablesFIPRule) { r.Spec.InternalIP = "10.0.2.6" }
	kindtest.WantRefusal(t, kindtest.Change(w, natgateway.FIPResource, "fip", another), "does not lie in a subnet")
}
