package switchlbrule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	subnets "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/switchlbrule"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// newWorld holds Vpcs and Subnets, with interfaces and Vips in them.
func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnets.NewResource(cfg), ip.NewResource(cfg), vip.NewResource(cfg), switchlbrule.NewResource(cfg))
	w.MustCreate(
		&v1.Vpc{ObjectMeta: named("ovn-cluster")}, &v1.Vpc{ObjectMeta: named("vpc1")},
		&v1.Vpc{ObjectMeta: named("vpc2"), Spec: v1.VpcSpec{Namespaces: []string{"ns2"}, DefaultSubnet: "s2"}},
		subnet("ovn-default", v1.SubnetSpec{Vpc: "ovn-cluster", CIDRBlock: "10.16.0.0/16", Gateway: "10.16.0.1"}),
		subnet("s1", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1", Namespaces: []string{"ns1"}}),
		subnet("dual", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.2.0/24,fd00::/64", Gateway: "10.0.2.1,fd00::1"}),
		&v1.IP{ObjectMeta: named("web-0.ns1"), Spec: v1.IPSpec{Subnet: "s1", V4IPAddress: "10.0.1.10"}},
		&v1.IP{ObjectMeta: named("web-1.ns1"), Spec: v1.IPSpec{Subnet: "s1", V4IPAddress: "10.0.1.11"}},
		&v1.Vip{ObjectMeta: named("slr-01"), Spec: v1.VipSpec{Subnet: "s1", Type: v1.VipSwitchLB, V4ip: "10.0.1.100"}},
		&v1.Vip{ObjectMeta: named("reserved"), Spec: v1.VipSpec{Subnet: "s1", V4ip: "10.0.1.101"}})
	return w
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: named(name), Spec: spec}
}

// seed is the rule of the guide.
func seed() *v1.SwitchLBRule {
	return &v1.SwitchLBRule{ObjectMeta: named("cjh-slr-nginx"), Spec: v1.SwitchLBRuleSpec{
		Vip: "1.1.1.1", SessionAffinity: "ClientIP", Namespace: "default", Selector: []string{"app:nginx"},
		Ports: []v1.SwitchLBRulePort{{Name: "dns", Port: 8888, TargetPort: 80, Protocol: "TCP"}}}}
}

// web is a rule of vpc1 with back ends.
func web(name, vip string, endpoints ...string) *v1.SwitchLBRule {
	return &v1.SwitchLBRule{ObjectMeta: named(name), Spec: v1.SwitchLBRuleSpec{
		Vip: vip, Namespace: "ns1", Endpoints: endpoints, Ports: []v1.SwitchLBRulePort{{Port: 80, TargetPort: 8080, Protocol: "TCP"}}}}
}

func stored(t testing.TB, w *kindtest.World, name string) *v1.SwitchLBRule {
	t.Helper()
	o, ok := storage.Get[*v1.SwitchLBRule](w, switchlbrule.Resource, name)
	if !ok {
		t.Fatalf("SwitchLBRule %s does not exist", name)
	}
	return o
}

func TestTheRuleOfTheGuide(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(seed())
	want := `Load_Balancer lb/tcp
  name: "slr-cjh-slr-nginx-tcp"
  options: ["map",[["reject","true"]]]
  protocol: "tcp"
  selection_fields: ["set",["ip_dst","ip_src"]]
  vips: ["map",[["1.1.1.1:8888",""]]]
  in Logical_Switch.load_balancer
`
	rows := w.Rows(switchlbrule.Resource, "cjh-slr-nginx")
	if diff := cmp.Diff(want, kindtest.Text(rows)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if rows[0].Parents[0].UUID != w.RowID("subnets", "ovn-default", "switch") {
		t.Error("a rule for a namespace that is bound to no Subnet is not in the default Vpc")
	}
	s := stored(t, w, "cjh-slr-nginx").Status
	if s.Ports != "8888/TCP" || s.Service != "default/slr-cjh-slr-nginx" {
		t.Errorf("got status %+v", s)
	}
}

// Tracked connections of UDP must not outlive their back ends. Those of the others end by themselves, and a back end that terminates may
// finish them.
func TestOnlyTrackedConnectionsOfUDPAreFlushed(t *testing.T) {
	w := newWorld(t)
	rule := web("web", "192.0.2.80", "10.0.1.10")
	rule.Spec.Ports = nil
	for i, protocol := range []string{"TCP", "UDP", "SCTP", ""} {
		rule.Spec.Ports = append(rule.Spec.Ports, v1.SwitchLBRulePort{Name: fmt.Sprint("p", i), Port: int32(80 + i), TargetPort: 80, Protocol: protocol})
	}
	w.MustCreate(rule)
	got := map[string]string{}
	for _, row := range w.Rows(switchlbrule.Resource, "web") {
		if row.Table == nb.LoadBalancer {
			got[row.Key] = string(row.Columns["options"])
		}
	}
	want := map[string]string{
		"lb/tcp":  `["map",[["reject","true"]]]`,
		"lb/udp":  `["map",[["ct_flush","true"],["reject","true"]]]`,
		"lb/sctp": `["map",[["reject","true"]]]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestBackEndsAreChecked(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "10.0.1.100", "10.0.1.10", "10.0.1.11", "192.0.2.1"))
	want := `Load_Balancer lb/tcp
  ip_port_mappings: ["map",[["10.0.1.10","web-0.ns1:10.0.1.2"],["10.0.1.11","web-1.ns1:10.0.1.2"]]]
  name: "slr-web-tcp"
  options: ["map",[["reject","true"]]]
  protocol: "tcp"
  vips: ["map",[["10.0.1.100:80","10.0.1.10:8080,10.0.1.11:8080,192.0.2.1:8080"]]]
  in Logical_Switch.load_balancer
  in Logical_Switch.load_balancer
Load_Balancer_Health_Check check/tcp/10.0.1.100:80
  options: ["map",[["failure_count","3"],["interval","5"],["success_count","3"],["timeout","20"]]]
  vip: "10.0.1.100:80"
  in Load_Balancer.health_check
`
	if diff := cmp.Diff(want, kindtest.Text(w.Rows(switchlbrule.Resource, "web"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	// The source of the checks is the rule's as long as it checks.
	taken := &v1.Vip{ObjectMeta: named("v"), Spec: v1.VipSpec{Subnet: "s1", V4ip: "10.0.1.2"}}
	if err := w.Create(taken); err == nil || !strings.Contains(err.Error(), "10.0.1.2 is in use by SwitchLBRule web") {
		t.Errorf("got %v", err)
	}
	change := func(f func(*v1.SwitchLBRule)) {
		t.Helper()
		if err := kindtest.Change(w, switchlbrule.Resource, "web", f); err != nil {
			t.Fatal(err)
		}
	}
	change(func(r *v1.SwitchLBRule) { r.Annotations = nil }) // a client that sends its own manifest again
	if got := stored(t, w, "web").Annotations[switchlbrule.SourcesAnnotation]; got != "s1=10.0.1.2" {
		t.Errorf("got sources %q", got)
	}
	change(func(r *v1.SwitchLBRule) { r.Annotations[switchlbrule.HealthCheckAnnotation] = "false" })
	if rows := w.Rows(switchlbrule.Resource, "web"); len(rows) != 1 || rows[0].Columns["ip_port_mappings"] != `["map",[]]` {
		t.Errorf("got rows of a rule without checks:\n%s", kindtest.Text(rows))
	}
	w.MustCreate(taken)
}

func TestTheVpcOfARule(t *testing.T) {
	for _, test := range []struct {
		name, namespace, annotation, want string
	}{
		{"a namespace that is bound to a Subnet", "ns1", "", "vpc1"},
		{"a namespace of a Vpc with a default Subnet", "ns2", "", "vpc2"},
		{"any other namespace", "ns3", "", "ovn-cluster"},
		{"what the user says", "ns1", "vpc2", "vpc2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := seed()
			r.Spec.Namespace = test.namespace
			if test.annotation != "" {
				r.Annotations = map[string]string{v1.AnnotationVpc: test.annotation}
			}
			w.MustCreate(r)
			if got := stored(t, w, r.Name).Status.Vpc; got != test.want {
				t.Errorf("got vpc %s, want %s", got, test.want)
			}
		})
	}
}

func TestFamiliesAndProtocols(t *testing.T) {
	w := newWorld(t)
	r := web("dns", "1.1.1.1,fd99::1", "10.0.2.9", "fd00::9")
	r.Spec.Ports = []v1.SwitchLBRulePort{{Name: "dns", Port: 53, Protocol: "UDP"}, {Name: "dns-tcp", Port: 53, Protocol: "TCP"}, {Name: "metrics", Port: 9153}}
	w.MustCreate(r)
	got := map[string]string{}
	for _, row := range w.Rows(switchlbrule.Resource, "dns") {
		got[row.Key] = string(row.Columns["vips"])
	}
	want := map[string]string{
		"lb/udp": `["map",[["1.1.1.1:53","10.0.2.9:53"],["[fd99::1]:53","[fd00::9]:53"]]]`,
		"lb/tcp": `["map",[["1.1.1.1:53","10.0.2.9:53"],["1.1.1.1:9153","10.0.2.9:9153"],["[fd99::1]:53","[fd00::9]:53"],["[fd99::1]:9153","[fd00::9]:9153"]]]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("vips (-want +got):\n%s", diff)
	}
	table, err := switchlbrule.Shape.Table(nil).ConvertToTable(t.Context(), w.Get(switchlbrule.Resource, "dns"), nil)
	if err != nil {
		t.Fatal(err)
	}
	header := ""
	for _, c := range table.ColumnDefinitions {
		header += strings.ToUpper(c.Name) + " "
	}
	if header != "NAME VIP PORT(S) SERVICE AGE " {
		t.Errorf("got header %q", header)
	}
	if cells := fmt.Sprint(table.Rows[0].Cells[:4]); cells != "[dns 1.1.1.1,fd99::1 53/UDP,53/TCP,9153/TCP ns1/slr-dns]" {
		t.Errorf("got cells %s", cells)
	}
}

func TestANewSubnetHasTheLoadBalancersOfItsVpc(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "1.1.1.1", "10.0.1.10"))
	s3 := subnet("s3", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.3.0/24"})
	want := []storage.Ref{{Resource: switchlbrule.Resource, Name: "web"}}
	if diff := cmp.Diff(want, lbplace.AffectedBySubnet(w, kubeovn.DefaultConfig(), nil, s3)); diff != "" {
		t.Errorf("affected by a new Subnet (-want +got):\n%s", diff)
	}
	if got := lbplace.AffectedBySubnet(w, kubeovn.DefaultConfig(), s3, s3); got != nil {
		t.Errorf("got %v affected by a Subnet that stays as it is", got)
	}
	ip := w.Get("ips", "web-0.ns1").(*v1.IP)
	if diff := cmp.Diff(want, lbplace.AffectedByInterface(w, kubeovn.DefaultConfig(), ip, nil)); diff != "" {
		t.Errorf("affected by a back end that goes (-want +got):\n%s", diff)
	}
	w.MustCreate(s3)
	row, _ := w.Row(switchlbrule.Resource, "web", switchlbrule.LoadBalancerRow("TCP"))
	if got := len(row.Parents); got != 3 {
		t.Errorf("the load balancer is on %d switches, want 3", got)
	}
}

func TestBackEndsThatAControllerFinds(t *testing.T) {
	w := newWorld(t)
	rule := &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{switchlbrule.HealthCheckAnnotation: "false"}},
		Spec: v1.SwitchLBRuleSpec{Vip: "1.1.1.1,fd99::1", Namespace: "ns1", Service: "web", Ports: []v1.SwitchLBRulePort{
			{Name: "http", Port: 80, Protocol: "TCP"}, {Name: "metrics", Port: 9100, Protocol: "TCP"}}},
	}
	w.MustCreate(rule)
	vips := func() string {
		row, _ := w.Row(switchlbrule.Resource, "web", switchlbrule.LoadBalancerRow("TCP"))
		return string(row.Columns["vips"])
	}
	if got, want := vips(), `["map",[["1.1.1.1:80",""],["1.1.1.1:9100",""],["[fd99::1]:80",""],["[fd99::1]:9100",""]]]`; got != want {
		t.Errorf("before any is found:\n got %s\nwant %s", got, want)
	}
	set := func(endpoints ...v1.SwitchLBRuleEndpoints) {
		t.Helper()
		if err := kindtest.Change(w, switchlbrule.Resource, "web", func(r *v1.SwitchLBRule) { r.Status.Endpoints = endpoints }); err != nil {
			t.Fatal(err)
		}
	}
	// The port of a back end is its own; those of a port that the rule does not have are without effect.
	set(v1.SwitchLBRuleEndpoints{Name: "http", Backends: []string{"10.0.1.10:8080", "10.0.1.11:8081", "[fd00::5]:8080"}},
		v1.SwitchLBRuleEndpoints{Name: "gone", Backends: []string{"10.0.1.10:1"}})
	if got, want := vips(), `["map",[["1.1.1.1:80","10.0.1.10:8080,10.0.1.11:8081"],["1.1.1.1:9100",""],["[fd99::1]:80","[fd00::5]:8080"],["[fd99::1]:9100",""]]]`; got != want {
		t.Errorf("when they are found:\n got %s\nwant %s", got, want)
	}
	if err := kindtest.Change(w, switchlbrule.Resource, "web", func(r *v1.SwitchLBRule) { r.Spec.Endpoints = []string{"192.0.2.1"} }); err != nil {
		t.Fatal(err)
	}
	if got, want := vips(), `["map",[["1.1.1.1:80","192.0.2.1:80"],["1.1.1.1:9100","192.0.2.1:9100"],["[fd99::1]:80",""],["[fd99::1]:9100",""]]]`; got != want {
		t.Errorf("what the user writes does not win:\n got %s\nwant %s", got, want)
	}
}

func TestValidateStatus(t *testing.T) {
	strategy := switchlbrule.Shape.StatusStrategy(runtime.NewScheme())
	for _, test := range []struct {
		name string
		in   []v1.SwitchLBRuleEndpoints
		want string // "" when right
	}{
		{"none", nil, ""},
		{"both families", []v1.SwitchLBRuleEndpoints{{Backends: []string{"10.0.1.10:80", "[fd00::5]:80"}}}, ""},
		{"a port twice", []v1.SwitchLBRuleEndpoints{{Name: "a"}, {Name: "a"}}, `status.endpoints[1].name: Duplicate value: "a"`},
		{"a back end twice", []v1.SwitchLBRuleEndpoints{{Backends: []string{"10.0.1.10:80", "10.0.1.10:80"}}}, "status.endpoints[0].backends[1]: Duplicate value"},
		{"an address alone", []v1.SwitchLBRuleEndpoints{{Backends: []string{"10.0.1.10"}}}, "status.endpoints[0].backends[0]: Invalid value"},
		{"port 0", []v1.SwitchLBRuleEndpoints{{Backends: []string{"10.0.1.10:0"}}}, "status.endpoints[0].backends[0]: Invalid value"},
		{"another form", []v1.SwitchLBRuleEndpoints{{Backends: []string{"[fd00:0::5]:80"}}}, "status.endpoints[0].backends[0]: Invalid value"},
		{"IPv4 in IPv6", []v1.SwitchLBRuleEndpoints{{Backends: []string{"[::ffff:10.0.0.1]:80"}}}, "status.endpoints[0].backends[0]: Invalid value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := seed()
			r.Status.Endpoints = test.in
			got := ""
			if err := strategy.ValidateUpdate(t.Context(), r, r).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "1.1.1.1", "10.0.1.10"))
	elsewhere := seed()
	elsewhere.Spec.Ports[0].Port = 80
	w.MustCreate(elsewhere) // the same address and port in another Vpc
	for _, test := range []struct {
		name string
		in   *v1.SwitchLBRule
		want string
	}{
		{"an address and port twice in a Vpc", web("x", "1.1.1.1", "10.0.1.10"), "1.1.1.1 port 80/TCP is in use by SwitchLBRule web in vpc vpc1"},
		{"an address of a Subnet without a Vip", web("x", "10.0.1.99", "10.0.1.10"),
			"10.0.1.99 lies in subnet s1 of vpc vpc1: create a Vip of type switch_lb_vip with this address first"},
		{"the address of another Vip", web("x", "10.0.1.101", "10.0.1.10"), "10.0.1.101 is the address of Vip reserved, which is not of type switch_lb_vip"},
		{"the address of an interface", web("x", "10.0.1.10", "10.0.1.11"), "10.0.1.10 is in use by IP web-0.ns1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := w.Create(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %q", err, test.want)
			}
		})
	}
}

func TestTheVipOfARuleIsProtected(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "10.0.1.100", "10.0.1.10"))
	if err := w.Delete("vips", "slr-01"); err != nil {
		t.Fatal(err)
	}
	if w.Get("vips", "slr-01") == nil {
		t.Fatal("the Vip is gone")
	}
	if err := w.Delete(switchlbrule.Resource, "web"); err != nil {
		t.Fatal(err)
	}
	if w.Get("vips", "slr-01") != nil {
		t.Error("the Vip did not go with the rule")
	}
}

func TestValidate(t *testing.T) {
	strategy := switchlbrule.Shape.Strategy(runtime.NewScheme())
	for _, test := range []struct {
		name   string
		change func(*v1.SwitchLBRule)
		want   string // "" when right
	}{
		{"the rule of the guide", func(*v1.SwitchLBRule) {}, ""},
		{"no address", func(r *v1.SwitchLBRule) { r.Spec.Vip = "" }, "spec.vip: Required value"},
		{"a word for an address", func(r *v1.SwitchLBRule) { r.Spec.Vip = "ten" }, "spec.vip: Invalid value"},
		{"a multicast address", func(r *v1.SwitchLBRule) { r.Spec.Vip = "224.0.0.1" }, "224.0.0.1 cannot be the address of a load balancer"},
		{"no namespace", func(r *v1.SwitchLBRule) { r.Spec.Namespace = "" }, "spec.namespace: Required value"},
		{"no back ends", func(r *v1.SwitchLBRule) { r.Spec.Selector = nil }, "spec.selector: Required value"},
		{"a selector without colon", func(r *v1.SwitchLBRule) { r.Spec.Selector = []string{"a=b"} }, `spec.selector[0]: Invalid value: "a=b": must be "key:value"`},
		{"a back end of the other family", func(r *v1.SwitchLBRule) { r.Spec.Endpoints = []string{"fd00::1"} }, "spec.endpoints[0]: Invalid value: \"fd00::1\": spec.vip has no address of this family"},
		{"a back end twice", func(r *v1.SwitchLBRule) { r.Spec.Endpoints = []string{"10.0.0.1", "10.0.0.1"} }, "spec.endpoints[1]: Duplicate value"},
		{"another affinity", func(r *v1.SwitchLBRule) { r.Spec.SessionAffinity = "Cookie" }, "spec.sessionAffinity: Unsupported value"},
		{"no ports", func(r *v1.SwitchLBRule) { r.Spec.Ports = nil }, "spec.ports: Required value"},
		{"port 0", func(r *v1.SwitchLBRule) { r.Spec.Ports[0].Port = 0 }, "spec.ports[0].port: Invalid value: 0"},
		{"another protocol", func(r *v1.SwitchLBRule) { r.Spec.Ports[0].Protocol = "ICMP" }, "spec.ports[0].protocol: Unsupported value"},
		{"ports without names", func(r *v1.SwitchLBRule) {
			r.Spec.Ports = []v1.SwitchLBRulePort{{Port: 1}, {Port: 2}}
		}, "spec.ports[0].name: Required value"},
		{"a port twice", func(r *v1.SwitchLBRule) {
			r.Spec.Ports = []v1.SwitchLBRulePort{{Name: "a", Port: 1}, {Name: "b", Port: 1, Protocol: "TCP"}}
		}, `spec.ports[1]: Duplicate value: "1/TCP"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := seed()
			test.change(r)
			got := ""
			if err := strategy.Validate(t.Context(), r).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
