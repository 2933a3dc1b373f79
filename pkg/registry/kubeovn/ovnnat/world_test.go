package ovnnat_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovnnat"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// newWorld is the network of the guide. It holds Subnets and Vpcs as given: what their own kinds do with them is not under test
// here.
func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	cfg.ExternalGatewaySwitch = "external204"
	w := kindtest.New(t,
		storage.NewResource("vpcs", "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{}),
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{
			Index: func(s *v1.Subnet) []string {
				var keys []string
				prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
				for _, p := range prefixes.All() {
					if s.Spec.Vpc != "" {
						keys = append(keys, prefix.Key(prefix.InVpc(s.Spec.Vpc), p))
					}
				}
				return keys
			}}),
		ip.NewResource(cfg), vip.NewResource(cfg), ovneip.NewResource(cfg),
		ovnnat.NewFipResource(cfg), ovnnat.NewSnatResource(cfg), ovnnat.NewDnatResource(cfg))
	w.MustCreate(
		vpc("vpc1", v1.VpcSpec{EnableExternal: true, ExtraExternalSubnets: []string{"dual204"}}),
		vpc("vpc2", v1.VpcSpec{EnableExternal: true}),
		vpc("inner", v1.VpcSpec{}),
		subnet("external204", v1.SubnetSpec{Vlan: "vlan204", CIDRBlock: "10.5.204.0/24", Gateway: "10.5.204.254", ExcludeIps: []string{"10.5.204.1..10.5.204.100"}}),
		subnet("dual204", v1.SubnetSpec{Vlan: "vlan205", CIDRBlock: "10.5.205.0/24,2001:db8::/64", Gateway: "10.5.205.254,2001:db8::1"}),
		subnet("vpc1-subnet1", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "192.168.0.0/24", Gateway: "192.168.0.1"}),
		subnet("vpc1-dual", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "192.168.1.0/24,fd00::/64", Gateway: "192.168.1.1,fd00::1"}),
		subnet("vpc2-subnet1", v1.SubnetSpec{Vpc: "vpc2", CIDRBlock: "192.168.0.0/24", Gateway: "192.168.0.1"}),
		subnet("inner1", v1.SubnetSpec{Vpc: "inner", CIDRBlock: "172.16.0.0/24", Gateway: "172.16.0.1"}),
		nic("vpc-1-busybox01.vpc1", "vpc1-subnet1"), nic("dual.vpc1", "vpc1-dual"), nic("other.vpc2", "vpc2-subnet1"), nic("in.inner", "inner1"),
		&v1.Vip{ObjectMeta: named("test-fip-vip"), Spec: v1.VipSpec{Subnet: "vpc1-subnet1"}},
		eip("eip-static", "external204"), eip("eip2", "external204"), eip("eip-dual", "dual204"))
	return w
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func vpc(name string, spec v1.VpcSpec) *v1.Vpc { return &v1.Vpc{ObjectMeta: named(name), Spec: spec} }

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: named(name), Spec: spec}
}

func nic(name, subnet string) *v1.IP {
	pod, namespace, _ := strings.Cut(name, ".")
	return &v1.IP{ObjectMeta: named(name), Spec: v1.IPSpec{PodName: pod, Namespace: namespace, Subnet: subnet}}
}

func eip(name, external string) *v1.OvnEip {
	return &v1.OvnEip{ObjectMeta: named(name), Spec: v1.OvnEipSpec{ExternalSubnet: external, Type: v1.OvnEipNat}}
}

func fip(name string, spec v1.OvnFipSpec) *v1.OvnFip {
	return &v1.OvnFip{ObjectMeta: named(name), Spec: spec}
}

func snat(name string, spec v1.OvnSnatRuleSpec) *v1.OvnSnatRule {
	return &v1.OvnSnatRule{ObjectMeta: named(name), Spec: spec}
}

func dnat(name, eip, ipName, protocol, external string) *v1.OvnDnatRule {
	return &v1.OvnDnatRule{ObjectMeta: named(name), Spec: v1.OvnDnatRuleSpec{
		OvnEip: eip, IPName: ipName, Protocol: protocol, InternalPort: "22", ExternalPort: external}}
}

func stored[T storage.Object](t testing.TB, w *kindtest.World, resource, name string) T {
	t.Helper()
	o, ok := storage.Get[T](w, resource, name)
	if !ok {
		t.Fatalf("%s/%s does not exist", resource, name)
	}
	return o
}

func mustContain(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant an error with %q", err, want)
	}
}

// printed is what kubectl get shows of an object without -o wide.
type printed struct{ Header, Cells string }

func print(t testing.TB, table rest.TableConvertor, obj storage.Object) printed {
	t.Helper()
	got, err := table.ConvertToTable(t.Context(), obj, nil)
	if err != nil {
		t.Fatal(err)
	}
	var header, cells []string
	for i, c := range got.ColumnDefinitions {
		if c.Priority == 0 {
			header = append(header, strings.ToUpper(c.Name))
			if text := fmt.Sprint(got.Rows[0].Cells[i]); text != "" {
				cells = append(cells, text)
			}
		}
	}
	return printed{strings.Join(header, " "), strings.Join(cells, " ")}
}
