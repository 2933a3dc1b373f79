package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestTheAnnotationsOfANamespace(t *testing.T) {
	subnet := func(name, cidr string, change func(*v1.Subnet)) *v1.Subnet {
		s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{CIDRBlock: cidr, ExcludeIps: []string{"gw-" + name}}}
		if change != nil {
			change(s)
		}
		return s
	}
	bound := func(s *v1.Subnet) { s.Spec.Namespaces = []string{"bound"} }
	subnets := []*v1.Subnet{
		subnet("ovn-default", "10.16.0.0/16,fd00::/64", nil),
		subnet("b", "10.0.2.0/24", bound), subnet("a", "10.0.1.0/24", bound),
		subnet("going", "10.0.3.0/24", func(s *v1.Subnet) { bound(s); s.DeletionTimestamp = new(metav1.Now()) }),
		subnet("macvlan", "10.0.4.0/24", func(s *v1.Subnet) { bound(s); s.Spec.Provider = "macvlan.default" }),
		subnet("selecting", "10.0.5.0/24", func(s *v1.Subnet) {
			s.Spec.NamespaceSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"team": "x"}}, {MatchLabels: map[string]string{"team": "y"}}}
		}),
		subnet("of-vpc", "10.0.6.0/24", nil),
		subnet("ending", "10.0.7.0/24", func(s *v1.Subnet) { s.Spec.Namespaces, s.DeletionTimestamp = []string{"isolated"}, new(metav1.Now()) }),
	}
	vpcs := []*v1.Vpc{
		{ObjectMeta: metav1.ObjectMeta{Name: "z"}, Spec: v1.VpcSpec{Namespaces: []string{"listed"}, DefaultSubnet: "b"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "y"}, Spec: v1.VpcSpec{Namespaces: []string{"listed", "bound"}, DefaultSubnet: "of-vpc"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1.VpcSpec{Namespaces: []string{"listed"}}},
	}
	written := func(manager, by string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "bound", Annotations: map[string]string{v1.AnnotationLogicalSwitch: by},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: manager, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:ovn.kubernetes.io/logical_switch":{}}}}`)}},
		}}
	}
	for _, test := range []struct {
		name string
		ns   *corev1.Namespace
		want [3]string // Subnets ("-": not written), prefixes, excluded
	}{
		{"of Subnets that name it", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bound"}}, [3]string{"a,b", "10.0.1.0/24;10.0.2.0/24", "gw-a,10.0.1.1;gw-b,10.0.2.1"}},
		{"of a Subnet that selects it", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "any", Labels: map[string]string{"team": "y"}}}, [3]string{"selecting", "10.0.5.0/24", "gw-selecting,10.0.5.1"}},
		{"of a Vpc that lists it", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "listed"}}, [3]string{"of-vpc", "10.0.6.0/24", "gw-of-vpc,10.0.6.1"}},
		{"of a Subnet that is being deleted", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "isolated"}}, [3]string{"ending", "10.0.7.0/24", "gw-ending,10.0.7.1"}},
		{"of nobody", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "free"}}, [3]string{"ovn-default", "10.16.0.0/16,fd00::/64", "gw-ovn-default,10.16.0.1,fd00::1"}},
		{"that a user wrote to", written("kubectl-annotate", "of-vpc"), [3]string{"-", "10.0.6.0/24", "gw-of-vpc,10.0.6.1"}},
		{"that a user wrote an unknown Subnet to", written("kubectl-annotate", "none"), [3]string{"-", "", ""}},
		{"that this controller wrote to", written(Manager, "of-vpc"), [3]string{"a,b", "10.0.1.0/24;10.0.2.0/24", "gw-a,10.0.1.1;gw-b,10.0.2.1"}},
		{"that Kube-OVN wrote to", written(formerManager, "of-vpc"), [3]string{"a,b", "10.0.1.0/24;10.0.2.0/24", "gw-a,10.0.1.1;gw-b,10.0.2.1"}},
	} {
		t.Run("a namespace "+test.name, func(t *testing.T) {
			want := map[string]string{v1.AnnotationCIDR: test.want[1], v1.AnnotationExcludeIPs: test.want[2]}
			if test.want[0] != "-" {
				want[v1.AnnotationLogicalSwitch] = test.want[0]
			}
			if diff := cmp.Diff(want, annotationsOf(test.ns, subnets, vpcs, "ovn-default")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANamespaceOfAVpcWithoutASubnetForItIsGivenNoDefault(t *testing.T) {
	vpcs := []*v1.Vpc{{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1.VpcSpec{Namespaces: []string{"lost"}}}}
	lost := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}
	subnets := []*v1.Subnet{{ObjectMeta: metav1.ObjectMeta{Name: "ovn-default"}, Spec: v1.SubnetSpec{Vpc: "ovn-cluster", CIDRBlock: "10.16.0.0/16"}}}
	if got := annotationsOf(lost, subnets, vpcs, "ovn-default"); len(got) > 0 {
		t.Errorf("got %v, want nothing", got)
	}
	vpcs[0].Name = "ovn-cluster"
	if got := annotationsOf(lost, subnets, vpcs, "ovn-default")[v1.AnnotationLogicalSwitch]; got != "ovn-default" {
		t.Errorf("of the default Vpc: got %q, want its default Subnet", got)
	}
}
