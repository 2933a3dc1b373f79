package switchlbrule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/switchlbrule"
)

// nobodys are addresses that no host has, by what they are.
var nobodys = map[string]string{
	"0.0.0.0": "0.0.0.0/8", "::": "unspecified", "0.1.2.3": "0.0.0.0/8",
	"127.0.0.1": "loopback", "127.255.255.254": "loopback", "::1": "loopback",
	"224.0.0.1": "multicast", "239.255.255.255": "multicast", "ff02::1": "multicast", "ff0e::1": "multicast",
	"255.255.255.255": "broadcast", "fe80::1": "link-local", "febf::1": "link-local",
}

func TestAddressesThatNoHostHas(t *testing.T) {
	strategy := switchlbrule.Shape.Strategy(runtime.NewScheme())
	status := switchlbrule.Shape.StatusStrategy(runtime.NewScheme())
	check := func(what, address, word string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s %s: got %v, want a refusal that says %q", what, address, err, word)
		}
	}
	for address, word := range nobodys {
		r := web("r", address, "192.0.2.1")
		check("vip", address, word, strategy.Validate(t.Context(), r).ToAggregate())
		r = web("r", "1.1.1.1,fd99::1", address)
		check("back end", address, word, strategy.Validate(t.Context(), r).ToAggregate())
		text := address + ":80"
		if strings.Contains(address, ":") {
			text = "[" + address + "]:80"
		}
		r.Spec.Endpoints, r.Spec.Selector = nil, []string{"app:web"}
		r.Status.Endpoints = []v1.SwitchLBRuleEndpoints{{Backends: []string{text}}}
		check("back end found", address, word, status.ValidateUpdate(t.Context(), r, r).ToAggregate())
	}
	// A pod reaches a link-local address of IPv4 through its gateway, as those of metadata services; none can be behind it.
	if err := strategy.Validate(t.Context(), web("r", "169.254.169.254", "192.0.2.1")).ToAggregate(); err != nil {
		t.Errorf("vip 169.254.169.254: %v", err)
	}
	check("back end", "169.254.1.1", "link-local", strategy.Validate(t.Context(), web("r", "1.1.1.1", "169.254.1.1")).ToAggregate())
	for _, vip := range []string{"1.1.1.1", "fd99::1"} {
		check("back end", vip, "the load balancer itself", strategy.Validate(t.Context(), web("r", "1.1.1.1,fd99::1", vip)).ToAggregate())
	}
}

func TestAddressesThatNoHostOfASubnetHas(t *testing.T) {
	for address, role := range map[string]string{
		"10.0.2.0": "network address", "10.0.2.255": "broadcast address", "10.0.2.1": "gateway",
		"fd00::": "subnet-router anycast address", "fd00::1": "gateway",
	} {
		w := newWorld(t)
		want := fmt.Sprintf("%s is the %s of subnet dual", address, role)
		kindtest.WantRefusal(t, w.Create(web("r", "1.1.1.1,fd99::1", address)), want)
		endpoint := "192.0.2.1"
		if strings.Contains(address, ":") {
			endpoint = "2001:db8::1"
		}
		kindtest.WantRefusal(t, w.Create(web("r", address, endpoint)), want)
		// They are hosts' in another Vpc.
		if err := w.Create(annotated(web("r", "1.1.1.1,fd99::1", address), map[string]string{v1.AnnotationVpc: "vpc2"})); err != nil {
			t.Errorf("back end %s in another Vpc: %v", address, err)
		}
	}
}

func sources(t testing.TB, w *kindtest.World, rule string) string {
	t.Helper()
	return stored(t, w, rule).Annotations[switchlbrule.SourcesAnnotation]
}

func TestChecksComeFromNoBackEnd(t *testing.T) {
	w := newWorld(t)
	// Addresses of back ends whose pods are not there yet, of this rule and of others, named and found.
	w.MustCreate(web("other", "1.1.1.2", "10.0.1.3", "10.0.1.5"),
		annotated(web("named", "1.1.1.3", "10.0.1.4"), map[string]string{v1.AnnotationVpc: "vpc1", switchlbrule.HealthCheckAnnotation: "false"}))
	taken := sources(t, w, "other")
	if taken != "s1=10.0.1.2" {
		t.Fatalf("got sources %q", taken)
	}
	w.MustCreate(web("web", "1.1.1.1", "10.0.1.10"))
	if got := sources(t, w, "web"); got != taken {
		t.Errorf("got sources %q, want those of the other rule in the Subnet: %q", got, taken)
	}
	// The back ends come to be.
	for _, a := range []string{"10.0.1.3", "10.0.1.4", "10.0.1.5"} {
		w.MustCreate(&v1.IP{ObjectMeta: named("pod-" + a + ".ns1"), Spec: v1.IPSpec{Subnet: "s1", V4IPAddress: a}})
	}
	kindtest.WantRefusal(t, w.Create(web("x", "1.1.1.4", "10.0.1.2")), "10.0.1.2 is the address from which back ends in subnet s1 are checked (SwitchLBRule other)")
	// One address is in use, whatever the number of rules.
	if got := w.Get("subnets", "s1").(*v1.Subnet).Status.V4UsingIPs; got != count.OfInt(2+2+1+3) { // interfaces and Vips of the world, the source, the pods
		t.Errorf("%v addresses are in use", got)
	}
	for _, rule := range []string{"other", "web"} {
		kindtest.WantRefusal(t, w.Create(&v1.Vip{ObjectMeta: named("v"), Spec: v1.VipSpec{Subnet: "s1", V4ip: "10.0.1.2"}}), "10.0.1.2 is in use by SwitchLBRule "+rule)
		if err := w.Delete(switchlbrule.Resource, rule); err != nil {
			t.Fatal(err)
		}
	}
	w.MustCreate(&v1.Vip{ObjectMeta: named("v"), Spec: v1.VipSpec{Subnet: "s1", V4ip: "10.0.1.2"}}) // released by the last one
}

func TestChecksComeFromAnyFreeAddressThatIsNoBackEnd(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(subnet("small", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.5.0.0/28"})) // hosts .2 to .14
	var all []string
	for i := 2; i <= 14; i++ {
		all = append(all, fmt.Sprint("10.5.0.", i))
	}
	for _, left := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return a == left })
		w.MustCreate(web("web", "1.1.1.1", others...))
		if got := sources(t, w, "web"); got != "small="+left {
			t.Errorf("got sources %q where only %s is no back end", got, left)
		}
		if err := w.Delete(switchlbrule.Resource, "web"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutAnAddressToCheckFrom(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(subnet("tiny", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.5.0.0/30"}), // one host: .2
		&v1.IP{ObjectMeta: named("web.ns1"), Spec: v1.IPSpec{Subnet: "tiny", V4IPAddress: "10.5.0.2"}},
		web("web", "1.1.1.1", "10.5.0.2"))
	condition := func() *metav1.Condition {
		return meta.FindStatusCondition(stored(t, w, "web").Status.Conditions, v1.ConditionHealthChecked)
	}
	if c := condition(); c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1.ReasonNoSource || !strings.Contains(c.Message, "subnet tiny") {
		t.Errorf("got condition %+v", c)
	}
	wantReady(t, w, "web", "without checks", "")
	row, _ := w.Row(switchlbrule.Resource, "web", switchlbrule.LoadBalancerRow("TCP"))
	if got := string(row.Columns["vips"]); got != `["map",[["1.1.1.1:80","10.5.0.2:8080"]]]` {
		t.Errorf("got vips %s", got)
	}
	if err := kindtest.Change(w, "subnets", "tiny", func(s *v1.Subnet) { s.Spec.CIDRBlock = "10.5.0.0/29" }); err != nil {
		t.Fatal(err)
	}
	if err := kindtest.Change(w, switchlbrule.Resource, "web", func(r *v1.SwitchLBRule) { r.Labels = map[string]string{"a": "b"} }); err != nil {
		t.Fatal(err)
	}
	if c := condition(); c == nil || c.Status != metav1.ConditionTrue || sources(t, w, "web") != "tiny=10.5.0.3" {
		t.Errorf("got condition %+v, sources %q", c, sources(t, w, "web"))
	}
	if err := kindtest.Change(w, switchlbrule.Resource, "web", func(r *v1.SwitchLBRule) { r.Annotations[switchlbrule.HealthCheckAnnotation] = "false" }); err != nil {
		t.Fatal(err)
	}
	if c := condition(); c != nil {
		t.Errorf("got condition %+v of a rule that wants no checks", c)
	}
}

// A rule that becomes a back end's at its own source lets go of it.
func TestASourceThatBecomesABackEndIsLeft(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "1.1.1.1", "10.0.1.10"))
	if err := kindtest.Change(w, switchlbrule.Resource, "web", func(r *v1.SwitchLBRule) { r.Spec.Endpoints = []string{"10.0.1.2"} }); err != nil {
		t.Fatal(err)
	}
	if got := sources(t, w, "web"); got == "s1=10.0.1.2" || got == "" {
		t.Errorf("got sources %q", got)
	}
}

func TestAffinityIsByTheAddressesOfEachFamily(t *testing.T) {
	for _, test := range []struct{ vip, endpoint, want string }{
		{"1.1.1.1", "10.0.2.9", `["set",["ip_dst","ip_src"]]`},
		{"fd99::1", "fd00::9", `"eth_src"`},
		{"1.1.1.1,fd99::1", "10.0.2.9", `["set",["eth_src","ip_dst","ip_src"]]`},
	} {
		w := newWorld(t)
		r := web("sticky", test.vip, test.endpoint)
		r.Spec.SessionAffinity = "ClientIP"
		w.MustCreate(r)
		row, _ := w.Row(switchlbrule.Resource, "sticky", switchlbrule.LoadBalancerRow("TCP"))
		if got := string(row.Columns["selection_fields"]); got != test.want {
			t.Errorf("vip %s: got %s, want %s", test.vip, got, test.want)
		}
	}
}
