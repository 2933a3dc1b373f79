package switchlbrule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/switchlbrule"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// switches returns the names of the Subnets on whose switches the load balancer of a rule hangs, sorted.
func switches(t testing.TB, w *kindtest.World, rule string) string {
	t.Helper()
	var names []string
	row, _ := w.Row(switchlbrule.Resource, rule, switchlbrule.LoadBalancerRow("TCP"))
	for _, place := range row.Parents {
		for o := range w.List("subnets") {
			if w.RowID("subnets", o.GetName(), "switch") == place.UUID {
				names = append(names, o.GetName())
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func wantSwitches(t testing.TB, w *kindtest.World, rule, when, want string) {
	t.Helper()
	if got := switches(t, w, rule); got != want {
		t.Errorf("%s: the load balancer of %s is on the switches %q, want %q", when, rule, got, want)
	}
}

func annotated(r *v1.SwitchLBRule, annotations map[string]string) *v1.SwitchLBRule {
	r.Annotations = annotations
	return r
}

// of returns a rule for a namespace with the back end that the test of its place needs none of.
func of(name, namespace, vip string) *v1.SwitchLBRule {
	r := web(name, vip, "192.0.2.1")
	r.Spec.Namespace = namespace
	return r
}

func TestARuleFollowsItsNamespace(t *testing.T) {
	w := newWorld(t)
	change := func(resource, name string, f func(storage.Object)) {
		t.Helper()
		if err := kindtest.Change(w, resource, name, f); err != nil {
			t.Fatal(err)
		}
	}
	w.MustCreate(of("r", "late", "1.1.1.9"))
	wantSwitches(t, w, "r", "before anything names the namespace", "ovn-default")
	w.MustCreate(&v1.Vpc{ObjectMeta: named("own")})
	wantSwitches(t, w, "r", "with a Vpc that does not list it", "ovn-default")
	change("vpcs", "own", func(o storage.Object) { o.(*v1.Vpc).Spec.Namespaces = []string{"late"} })
	wantSwitches(t, w, "r", "with a Vpc that lists it and has no Subnet", "")
	if got := stored(t, w, "r").Status.Vpc; got != "own" {
		t.Errorf("got vpc %q", got)
	}
	w.MustCreate(subnet("own-1", v1.SubnetSpec{Vpc: "own", CIDRBlock: "10.0.1.0/24"}))
	wantSwitches(t, w, "r", "with a Subnet in that Vpc", "own-1")
	change("vpcs", "own", func(o storage.Object) { o.(*v1.Vpc).Spec.Namespaces = nil })
	wantSwitches(t, w, "r", "when the Vpc lists it no more", "ovn-default")
	w.MustCreate(subnet("own-2", v1.SubnetSpec{Vpc: "own", CIDRBlock: "10.0.2.0/24", Namespaces: []string{"late"}}))
	wantSwitches(t, w, "r", "with a Subnet that is bound to it", "own-1 own-2")
	change("subnets", "own-2", func(o storage.Object) { o.(*v1.Subnet).Spec.Namespaces = nil })
	wantSwitches(t, w, "r", "when the Subnet is unbound", "ovn-default")
	change("subnets", "own-2", func(o storage.Object) { o.(*v1.Subnet).Spec.Namespaces = []string{"other", "late"} })
	wantSwitches(t, w, "r", "when the Subnet is bound again", "own-1 own-2")

	// A Subnet that is being deleted and in use has its namespace still.
	w.MustCreate(&v1.IP{ObjectMeta: named("pod.late"), Spec: v1.IPSpec{Subnet: "own-2"}})
	if err := w.Delete("subnets", "own-2"); err != nil {
		t.Fatal(err)
	}
	change(switchlbrule.Resource, "r", func(o storage.Object) { o.SetLabels(map[string]string{"a": "b"}) })
	wantSwitches(t, w, "r", "while the Subnet is being deleted", "own-1 own-2")
	if err := w.Delete("ips", "pod.late"); err != nil {
		t.Fatal(err)
	}
	wantSwitches(t, w, "r", "when the Subnet is gone", "ovn-default")
}

// Whatever is created first, the rule ends where it would have been put last.
func TestTheOrderOfCreationDoesNotMatter(t *testing.T) {
	for name, objects := range map[string]func() []storage.Object{
		"a Subnet is bound to the namespace": func() []storage.Object {
			return []storage.Object{of("r", "late", "1.1.1.9"), &v1.Vpc{ObjectMeta: named("own")},
				subnet("own-1", v1.SubnetSpec{Vpc: "own", CIDRBlock: "10.0.1.0/24", Namespaces: []string{"late"}})}
		},
		"the Vpc lists the namespace": func() []storage.Object {
			return []storage.Object{of("r", "late", "1.1.1.9"), &v1.Vpc{ObjectMeta: named("own"), Spec: v1.VpcSpec{Namespaces: []string{"late"}}},
				subnet("own-1", v1.SubnetSpec{Vpc: "own", CIDRBlock: "10.0.1.0/24"})}
		},
	} {
		for _, order := range [][3]int{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}} {
			t.Run(fmt.Sprint(name, order), func(t *testing.T) {
				w := newWorld(t)
				all := objects()
				for _, i := range order {
					w.MustCreate(all[i])
				}
				wantSwitches(t, w, "r", "at the end", "own-1")
			})
		}
	}
}

func TestAnnotationsNameTheVpc(t *testing.T) {
	const router, logicalSwitch = "ovn.kubernetes.io/logical_router", "ovn.kubernetes.io/logical_switch"
	for _, test := range []struct {
		name        string
		annotations map[string]string
		want        string // a Vpc
		refusal     string // else
	}{
		{"the Vpc", map[string]string{v1.AnnotationVpc: "vpc1"}, "vpc1", ""},
		{"the router", map[string]string{router: "vpc1"}, "vpc1", ""},
		{"a Subnet", map[string]string{logicalSwitch: "dual"}, "vpc1", ""},
		{"all three, which agree", map[string]string{v1.AnnotationVpc: "vpc1", router: "vpc1", logicalSwitch: "s1"}, "vpc1", ""},
		{"a Subnet of the default Vpc", map[string]string{logicalSwitch: "ovn-default"}, "ovn-cluster", ""},
		{"no Vpc that exists", map[string]string{v1.AnnotationVpc: "nowhere"}, "", "create the Vpc first"},
		{"no router that exists", map[string]string{router: "nowhere"}, "", "metadata.annotations[ovn.kubernetes.io/logical_router]: Not found: \"nowhere\": create the Vpc first"},
		{"no Subnet that exists", map[string]string{logicalSwitch: "nowhere"}, "", "create the Subnet first"},
		{"a Subnet of no Vpc", map[string]string{logicalSwitch: "alone"}, "", "subnet alone belongs to no vpc"},
		{"two Vpcs", map[string]string{v1.AnnotationVpc: "vpc2", router: "vpc1"}, "", "the annotation ovn.kubernetes.io/vpc names vpc vpc2"},
		{"a Subnet of another Vpc", map[string]string{router: "vpc2", logicalSwitch: "s1"}, "", "the annotation ovn.kubernetes.io/logical_router names vpc vpc2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(subnet("alone", v1.SubnetSpec{Provider: "macvlan.default", CIDRBlock: "10.7.0.0/24"}))
			err := w.Create(annotated(of("r", "ns2", "1.1.1.9"), test.annotations)) // of vpc2 by its namespace
			if test.refusal != "" {
				kindtest.WantRefusal(t, err, test.refusal)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(t, w, "r").Status.Vpc; got != test.want {
				t.Errorf("got vpc %q, want %q", got, test.want)
			}
			want := map[string]string{"vpc1": "dual s1", "ovn-cluster": "ovn-default"}[test.want]
			wantSwitches(t, w, "r", "when it is created", want)
			// What is named holds, whatever becomes of the namespace.
			w.MustCreate(subnet("s2", v1.SubnetSpec{Vpc: "vpc2", CIDRBlock: "10.2.0.0/24", Namespaces: []string{"ns2"}}))
			wantSwitches(t, w, "r", "when the namespace is bound", want)
			if diff := fmt.Sprint(stored(t, w, "r").Annotations); diff != fmt.Sprint(test.annotations) {
				t.Errorf("the annotations became %s, want them as they were written", diff)
			}
		})
	}
}

func TestWhatAnnotationsNameIsHeld(t *testing.T) {
	for annotation, held := range map[string]storage.Ref{
		v1.AnnotationVpc:           {Resource: "vpcs", Name: "vpc2"},
		v1.AnnotationLogicalRouter: {Resource: "vpcs", Name: "vpc2"},
		v1.AnnotationLogicalSwitch: {Resource: "subnets", Name: "s2"},
	} {
		t.Run(annotation, func(t *testing.T) {
			w := newWorld(t)
			w.MustCreate(subnet("s2", v1.SubnetSpec{Vpc: "vpc2", CIDRBlock: "10.2.0.0/24"}))
			w.MustCreate(annotated(of("r", "ns3", "1.1.1.9"), map[string]string{annotation: held.Name}))
			if err := w.Delete(held.Resource, held.Name); err != nil {
				t.Fatal(err)
			}
			if w.Get(held.Resource, held.Name) == nil {
				t.Errorf("%s is gone", held)
			}
		})
	}
}

func wantReady(t testing.TB, w *kindtest.World, rule, when, message string) {
	t.Helper()
	c := meta.FindStatusCondition(stored(t, w, rule).Status.Conditions, "Ready")
	switch want := message == ""; {
	case c == nil || (c.Status == metav1.ConditionTrue) != want || !strings.Contains(c.Message, message) || c.Message == "":
		t.Errorf("%s: rule %s has the condition %+v, want %q", when, rule, c, message)
	case len(w.Rows(switchlbrule.Resource, rule)) > 0 != want:
		t.Errorf("%s: rule %s has %d rows", when, rule, len(w.Rows(switchlbrule.Resource, rule)))
	}
}

func TestARuleThatFollowsWaitsForItsAddress(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(&v1.Vpc{ObjectMeta: named("free")}, annotated(of("named", "any", "1.1.1.9"), map[string]string{v1.AnnotationVpc: "free"}),
		of("follows", "late", "1.1.1.9"), subnet("s2", v1.SubnetSpec{Vpc: "free", CIDRBlock: "10.2.0.0/24"}))
	wantReady(t, w, "follows", "in another Vpc", "")
	bind := func(namespaces ...string) {
		t.Helper()
		if err := kindtest.Change(w, "subnets", "s2", func(s *v1.Subnet) { s.Spec.Namespaces = namespaces }); err != nil {
			t.Fatal(err)
		}
	}
	bind("late")
	wantReady(t, w, "follows", "where the address and port are taken", "1.1.1.9 port 80/TCP is in use by SwitchLBRule named in vpc free")
	wantReady(t, w, "named", "which was there before", "")
	if err := w.Delete(switchlbrule.Resource, "named"); err != nil {
		t.Fatal(err)
	}
	wantReady(t, w, "follows", "when the other is gone", "")
	wantSwitches(t, w, "follows", "when the other is gone", "s2")
}

func TestTheOlderOfTwoThatFollowKeepsTheAddress(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(&v1.Vpc{ObjectMeta: named("free")}, &v1.Vpc{ObjectMeta: named("vpc3")},
		subnet("s2", v1.SubnetSpec{Vpc: "free", CIDRBlock: "10.2.0.0/24", Namespaces: []string{"late"}}),
		subnet("s3", v1.SubnetSpec{Vpc: "vpc3", CIDRBlock: "10.2.0.0/24", Namespaces: []string{"early"}}),
		of("a", "early", "1.1.1.9"), of("b", "late", "1.1.1.9"))
	both := func(when string) {
		t.Helper()
		wantReady(t, w, "b", when, "1.1.1.9 port 80/TCP is in use by SwitchLBRule a")
		wantReady(t, w, "a", when, "")
	}
	change := func(name string, namespaces ...string) {
		t.Helper()
		if err := kindtest.Change(w, "subnets", name, func(s *v1.Subnet) { s.Spec.Namespaces = namespaces }); err != nil {
			t.Fatal(err)
		}
	}
	change("s3")
	change("s2", "late", "early")
	both("when a comes to the Vpc of b") // the one that stays loses its rows in the same transaction
	change("s2", "late")
	wantReady(t, w, "b", "when a has left", "")
	wantReady(t, w, "a", "in the default Vpc", "")
	change("s2")
	both("when b comes to the Vpc of a")
}

func TestARuleThatFollowsWaitsForItsVip(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(of("r", "late", "10.0.2.100"))
	if err := kindtest.Change(w, "vpcs", "vpc1", func(vpc *v1.Vpc) { vpc.Spec.Namespaces = []string{"ns1", "late"} }); err != nil {
		t.Fatal(err)
	}
	wantReady(t, w, "r", "in a Vpc with a Subnet of its address", "10.0.2.100 lies in subnet dual of vpc vpc1: create a Vip")
	w.MustCreate(&v1.Vip{ObjectMeta: named("front"), Spec: v1.VipSpec{Subnet: "dual", Type: v1.VipSwitchLB, V4ip: "10.0.2.100"}})
	wantReady(t, w, "r", "with a Vip", "")
}

func TestNoSubnetComesOverTheAddressOfARule(t *testing.T) {
	refusal := "holds 10.9.0.1, the vip of SwitchLBRule r in vpc vpc1"
	over := func(namespaces ...string) *v1.Subnet {
		return subnet("over", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.9.0.0/24", Namespaces: namespaces})
	}
	for _, test := range []struct {
		name string
		rule *v1.SwitchLBRule
		in   func(w *kindtest.World) error
		want string
	}{
		{"one is created", of("r", "ns1", "10.9.0.1"), func(w *kindtest.World) error { return w.Create(over()) }, refusal},
		{"one is created, of a rule that names the Vpc", annotated(of("r", "any", "10.9.0.1"), map[string]string{v1.AnnotationLogicalRouter: "vpc1"}),
			func(w *kindtest.World) error { return w.Create(over()) }, refusal},
		{"one is created that brings the rule with it", of("r", "late", "10.9.0.1"), func(w *kindtest.World) error { return w.Create(over("late")) }, refusal},
		{"one is bound to the rule's namespace", of("r", "late", "10.9.0.1"), func(w *kindtest.World) error {
			w.MustCreate(over())
			return kindtest.Change(w, "subnets", "over", func(s *v1.Subnet) { s.Spec.Namespaces = []string{"late"} })
		}, refusal},
		{"one grows", of("r", "ns1", "10.0.3.1"), func(w *kindtest.World) error {
			w.MustCreate(subnet("grows", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.4.0/24"}))
			return kindtest.Change(w, "subnets", "grows", func(s *v1.Subnet) {
				s.Spec.CIDRBlock, s.Spec.Gateway, s.Spec.ExcludeIps = "10.0.3.0/24", "", nil
			})
		}, "holds 10.0.3.1, the vip of SwitchLBRule r in vpc vpc1"},
		{"one gets a second family", of("r", "ns1", "fd09::1:1"), func(w *kindtest.World) error {
			w.MustCreate(subnet("grows", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.4.0/24"}))
			return kindtest.Change(w, "subnets", "grows", func(s *v1.Subnet) { s.Spec.CIDRBlock, s.Spec.Protocol = "10.0.4.0/24,fd09::/64", v1.ProtocolDual })
		}, "holds fd09::1:1, the vip of SwitchLBRule r in vpc vpc1"},
		{"in another Vpc", of("r", "ns3", "10.9.0.1"), func(w *kindtest.World) error { return w.Create(over()) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if strings.Contains(test.rule.Spec.Vip, ":") {
				test.rule.Spec.Endpoints = []string{"2001:db8::1"}
			}
			w.MustCreate(test.rule)
			err := test.in(w)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			kindtest.WantRefusal(t, err, test.want)
		})
	}
	t.Run("one with a Vip may grow", func(t *testing.T) {
		w := newWorld(t)
		w.MustCreate(web("web", "10.0.1.100", "10.0.1.10"))
		if err := kindtest.Change(w, "subnets", "s1", func(s *v1.Subnet) { s.Spec.CIDRBlock = "10.0.0.0/23" }); err != nil {
			t.Error(err)
		}
	})
}

func TestASubnetWithoutLoadBalancers(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(web("web", "1.1.1.1", "10.0.1.10"))
	wantSwitches(t, w, "web", "by default", "dual s1")
	for _, test := range []struct {
		enable *bool
		want   string
	}{{new(false), "s1"}, {new(true), "dual s1"}, {nil, "dual s1"}} {
		if err := kindtest.Change(w, "subnets", "dual", func(s *v1.Subnet) { s.Spec.EnableLb = test.enable }); err != nil {
			t.Fatal(err)
		}
		wantSwitches(t, w, "web", fmt.Sprint("with enableLb ", test.enable != nil && *test.enable), test.want)
	}
}
