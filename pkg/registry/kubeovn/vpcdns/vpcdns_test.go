package vpcdns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpcdns"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	w := kindtest.New(t,
		storage.NewResource("vpcs", "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{}),
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{}),
		vpcdns.NewResource(kubeovn.DefaultConfig()))
	for i := 1; i <= 2; i++ {
		vpc := fmt.Sprintf("cjh-vpc-%d", i)
		w.MustCreate(&v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: vpc}},
			&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cjh-subnet-%d", i)}, Spec: v1.SubnetSpec{Vpc: vpc}})
	}
	return w
}

func dns(name, vpc, subnet string) *v1.VpcDns {
	return &v1.VpcDns{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VpcDnsSpec{Vpc: vpc, Subnet: subnet}}
}

// active are the names of the active ones.
func active(w *kindtest.World) []string {
	var names []string
	for o := range w.List(vpcdns.Resource) {
		if o.(*v1.VpcDns).Status.Active {
			names = append(names, o.GetName())
		}
	}
	return names
}

func TestTheOldestOfAVpcIsActive(t *testing.T) {
	w := newWorld(t)
	check := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, active(w)); diff != "" {
			t.Errorf("active (-want +got):\n%s", diff)
		}
	}
	w.MustCreate(dns("b", "cjh-vpc-1", "cjh-subnet-1"), dns("a", "cjh-vpc-1", "cjh-subnet-1"), dns("c", "cjh-vpc-1", "cjh-subnet-1"),
		dns("other", "cjh-vpc-2", "cjh-subnet-2"))
	check("b", "other")
	// To say that it is active does not make it so.
	if err := kindtest.Change(w, vpcdns.Resource, "a", func(d *v1.VpcDns) { d.Status.Active = true }); err != nil {
		t.Fatal(err)
	}
	check("b", "other")
	if err := w.Delete(vpcdns.Resource, "b"); err != nil {
		t.Fatal(err)
	}
	check("a", "other")
	w.MustCreate(dns("b", "cjh-vpc-1", "cjh-subnet-1"))
	check("a", "other")
	if err := w.Delete(vpcdns.Resource, "a"); err != nil {
		t.Fatal(err)
	}
	check("c", "other")
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name string
		in   *v1.VpcDns
		want string
	}{
		{"a Vpc that does not exist", dns("d", "none", "cjh-subnet-1"), `spec.vpc: Not found: "none": create the Vpc first`},
		{"a Subnet that does not exist", dns("d", "cjh-vpc-1", "none"), `spec.subnet: Not found: "none": create the Subnet first`},
		{"a Subnet of another Vpc", dns("d", "cjh-vpc-1", "cjh-subnet-2"), "subnet cjh-subnet-2 is not in vpc cjh-vpc-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := w.Create(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	strategy := vpcdns.Shape.Strategy(runtime.NewScheme())
	d := dns("d", "cjh-vpc-1", "cjh-subnet-1")
	d.Spec.Replicas = 4
	if got := fmt.Sprint(strategy.Validate(t.Context(), d).ToAggregate()); !strings.Contains(got, "spec.replicas: Invalid value: 4: must be 1 to 3") {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(strategy.ValidateUpdate(t.Context(), dns("d", "cjh-vpc-2", "s"), dns("d", "cjh-vpc-1", "s")).ToAggregate()); !strings.Contains(got, "spec.vpc: Forbidden") {
		t.Errorf("got %s", got)
	}
}

func TestTable(t *testing.T) {
	d := dns("test-cjh2", "cjh-vpc-1", "cjh-subnet-2")
	d.Status.Active = true
	got, err := vpcdns.Shape.Table(nil).ConvertToTable(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	header := ""
	for _, c := range got.ColumnDefinitions[:4] {
		header += strings.ToUpper(c.Name) + " "
	}
	if header != "NAME ACTIVE VPC SUBNET " {
		t.Errorf("got header %q", header)
	}
	if cells := fmt.Sprint(got.Rows[0].Cells[:4]); cells != "[test-cjh2 true cjh-vpc-1 cjh-subnet-2]" {
		t.Errorf("got cells %s", cells)
	}
}
