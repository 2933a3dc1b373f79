package v1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	apply "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/fake"
)

// The fake client set applies with the schema that the generated apply configurations embed: the markers of the types.
func TestAppliersShareSetsAndMapsAndTakeAtomicListsOver(t *testing.T) {
	vpcs := fake.NewClientset().KubeovnV1().Vpcs()
	one := apply.Vpc("a").WithSpec(apply.VpcSpec().
		WithNamespaces("ns1").
		WithVpcPeerings(apply.VpcPeering().WithRemoteVpc("b").WithLocalConnectIP("169.254.0.1/30")).
		WithStaticRoutes(apply.StaticRoute().WithCIDR("10.1.0.0/16").WithNextHopIP("10.0.0.1")))
	two := apply.Vpc("a").WithSpec(apply.VpcSpec().
		WithNamespaces("ns2").
		WithVpcPeerings(apply.VpcPeering().WithRemoteVpc("c").WithLocalConnectIP("169.254.0.5/30")).
		WithStaticRoutes(apply.StaticRoute().WithCIDR("10.2.0.0/16").WithNextHopIP("10.0.0.2")))

	if _, err := vpcs.Apply(t.Context(), one, metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := vpcs.Apply(t.Context(), two, metav1.ApplyOptions{FieldManager: "two"}); err == nil {
		t.Error("the second applier took an atomic list over without force")
	}
	vpc, err := vpcs.Apply(t.Context(), two, metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	want := v1.VpcSpec{
		Namespaces: []string{"ns1", "ns2"},
		VpcPeerings: []v1.VpcPeering{
			{RemoteVpc: "b", LocalConnectIP: "169.254.0.1/30"},
			{RemoteVpc: "c", LocalConnectIP: "169.254.0.5/30"},
		},
		StaticRoutes: []v1.StaticRoute{{CIDR: "10.2.0.0/16", NextHopIP: "10.0.0.2"}},
	}
	if diff := cmp.Diff(want, vpc.Spec); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	owned, err := apply.ExtractVpc(vpc, "one")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ns1"}, owned.Spec.Namespaces); diff != "" {
		t.Errorf("owned by the first applier (-want +got):\n%s", diff)
	}
}
