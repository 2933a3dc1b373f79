package podnet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

func selecting(labels map[string]string) func(*v1.SubnetSpec) {
	return func(s *v1.SubnetSpec) { s.NamespaceSelectors = []metav1.LabelSelector{{MatchLabels: labels}} }
}

// Whatever names a namespace, and whatever is wrong with what it names: no pod of it gets an address in the Subnet of those that
// nothing names. The annotation of the namespace may be older than what names it.
func TestANamespaceThatIsNamedNeverFallsBackToTheDefaultSubnet(t *testing.T) {
	names := map[string]func(*objects, *v1.Subnet){
		"a Subnet that names it":   func(_ *objects, s *v1.Subnet) { s.Spec.Namespaces = []string{"iso"} },
		"a Subnet that selects it": func(_ *objects, s *v1.Subnet) { selecting(map[string]string{"team": "iso"})(&s.Spec) },
		"a Vpc with a defaultSubnet": func(o *objects, s *v1.Subnet) {
			o.vpcs = append(o.vpcs, vpc("own", v1.VpcSpec{Namespaces: []string{"iso"}, DefaultSubnet: s.Name}))
		},
		"a Vpc and a Subnet": func(o *objects, s *v1.Subnet) {
			o.vpcs = append(o.vpcs, vpc("own", v1.VpcSpec{Namespaces: []string{"iso"}}))
			s.Spec.Namespaces = []string{"iso"}
		},
	}
	wrongs := map[string]func(*objects, *v1.Subnet) (want string){
		"it is being deleted": func(_ *objects, s *v1.Subnet) string {
			s.DeletionTimestamp = new(metav1.Now())
			return "subnet iso-net is being deleted"
		},
		"its Vpc does not admit the namespace any more": func(o *objects, s *v1.Subnet) string {
			o.vpcs = append(slices.DeleteFunc(o.vpcs, func(v *v1.Vpc) bool { return v.Name == "own" }), vpc("own", v1.VpcSpec{Namespaces: []string{"other"}}))
			return "out of range to custom vpc 'own'"
		},
		"it is gone": func(o *objects, s *v1.Subnet) string {
			o.subnets = slices.DeleteFunc(o.subnets, func(other *v1.Subnet) bool { return other == s })
			return "ubnet"
		},
	}
	for naming, name := range names {
		for what, spoil := range wrongs {
			for _, annotation := range []string{"", "cluster", "iso-net"} {
				t.Run(fmt.Sprintf("%s, %s, annotated %q", naming, what, annotation), func(t *testing.T) {
					o := world()
					s := subnet("iso-net", "own", "10.9.0.0/24")
					o.subnets = append(o.subnets, s)
					name(&o, s)
					p := pod("iso", nil)
					p.NamespaceLabels = map[string]string{"team": "iso"}
					p.NamespaceAnnotations = map[string]string{"ovn.kubernetes.io/logical_switch": annotation}
					if nic, errs := podnet.InterfaceOf(o, p, "ovn"); len(errs) > 0 || summary(nic) != "iso-net" {
						t.Fatalf("got %q (%v) while all is well, want iso-net alone", summary(nic), errs)
					}
					want := spoil(&o, s)
					vpcNames := slices.ContainsFunc(o.vpcs, func(v *v1.Vpc) bool { return slices.Contains(v.Spec.Namespaces, "iso") })
					bound := slices.ContainsFunc(o.subnets, func(s *v1.Subnet) bool { return podnet.Binds(s, "iso", p.NamespaceLabels) })
					if !vpcNames && !bound && annotation != "iso-net" {
						return // Nothing names the namespace any more.
					}
					nic, errs := podnet.InterfaceOf(o, p, "ovn")
					if len(errs) != 1 || !strings.Contains(errs[0].Error(), "no other takes their place") || !strings.Contains(errs[0].Error(), want) {
						t.Errorf("got %q (%v), want a refusal with %q", summary(nic), errs, want)
					}
				})
			}
		}
	}
}

func TestAVpcWithoutASubnetForItsNamespaceGivesThemNoAddress(t *testing.T) {
	o := world()
	o.vpcs = append(o.vpcs, vpc("own", v1.VpcSpec{Namespaces: []string{"iso"}}))
	_, errs := podnet.InterfaceOf(o, pod("iso", nil), "ovn")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "vpc own names the namespace, but has no defaultSubnet") {
		t.Errorf("got %v", errs)
	}
	o.vpcs[len(o.vpcs)-1].Spec.DefaultSubnet = "cluster"
	_, errs = podnet.InterfaceOf(o, pod("iso", nil), "ovn")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "subnet cluster, the defaultSubnet of vpc own, is in vpc ovn-cluster") {
		t.Errorf("of a defaultSubnet in another Vpc: got %v", errs)
	}
}

func TestTheDefaultVpcMayNameNamespaces(t *testing.T) {
	o := world()
	for _, v := range o.vpcs {
		if v.Name == "ovn-cluster" {
			v.Spec.Namespaces = []string{"iso"}
		}
	}
	if nic, errs := podnet.InterfaceOf(o, pod("iso", nil), "ovn"); len(errs) > 0 || summary(nic) != "cluster" {
		t.Errorf("got %q (%v), want cluster", summary(nic), errs)
	}
}

func TestAFurtherInterfaceStaysInTheSubnetsThatAreBoundToTheNamespace(t *testing.T) {
	o := world()
	p := pod("team-a", nil)
	for _, s := range o.subnets {
		if s.Name == "nad-a" {
			s.DeletionTimestamp = new(metav1.Now())
		}
	}
	_, errs := podnet.InterfaceOf(o, p, "net1.default.ovn")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "subnet nad-a is being deleted") {
		t.Errorf("got %v", errs)
	}
}
