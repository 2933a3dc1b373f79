package ovneip_test

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
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func newWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	cfg.ExternalGatewaySwitch = "external204"
	w := kindtest.New(t,
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{}),
		ip.NewResource(cfg), ovneip.NewResource(cfg))
	w.MustCreate(
		subnet("external204", v1.SubnetSpec{Vlan: "vlan204", CIDRBlock: "10.5.204.0/24", Gateway: "10.5.204.254", ExcludeIps: []string{"10.5.204.1..10.5.204.100"}}),
		subnet("dual", v1.SubnetSpec{Vlan: "vlan205", CIDRBlock: "10.5.205.0/24,2001:db8::/64", Gateway: "10.5.205.254,2001:db8::1"}),
		subnet("overlay", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.16.0.0/16", Gateway: "10.16.0.1"}),
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "node-9"}, Spec: v1.IPSpec{Subnet: "external204", V4IPAddress: "10.5.204.150"}})
	return w
}

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func eip(name string, spec v1.OvnEipSpec) *v1.OvnEip {
	return &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func stored(t testing.TB, w *kindtest.World, name string) *v1.OvnEip {
	t.Helper()
	o, ok := storage.Get[*v1.OvnEip](w, ovneip.Resource, name)
	if !ok {
		t.Fatalf("OvnEip %s does not exist", name)
	}
	return o
}

func TestStatusIsCompleteWhenTheAddressIsCreated(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("eip-static", v1.OvnEipSpec{}), eip("dual", v1.OvnEipSpec{ExternalSubnet: "dual", V4IP: "10.5.205.7", MacAddress: "0a:00:00:00:00:01"}))
	e := stored(t, w, "eip-static")
	if e.Spec.ExternalSubnet != "external204" {
		t.Errorf("got external Subnet %q, want the default", e.Spec.ExternalSubnet)
	}
	want := v1.OvnEipStatus{Type: v1.OvnEipNat, Ready: true, V4IP: "10.5.204.101", MacAddress: e.Status.MacAddress, Conditions: e.Status.Conditions}
	if diff := cmp.Diff(want, e.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if len(e.Status.MacAddress) != len("00:00:00:EF:05:C7") {
		t.Errorf("got MAC %q", e.Status.MacAddress)
	}
	labels := map[string]string{v1.LabelSubnet: "external204", v1.LabelOvnEipType: "nat", v1.LabelEipV4: "10.5.204.101"}
	if diff := cmp.Diff(labels, e.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	d := stored(t, w, "dual").Status
	if d.V4IP != "10.5.205.7" || d.V6IP != "2001:db8::2" || d.MacAddress != "0a:00:00:00:00:01" {
		t.Errorf("got %+v", d)
	}
	if rows := w.Rows(ovneip.Resource, "dual"); len(rows) > 0 {
		t.Errorf("an address of type nat has rows:\n%s", kindtest.Text(rows))
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e", v1.OvnEipSpec{V4IP: "10.5.204.120"}))
	for _, test := range []struct {
		name string
		spec v1.OvnEipSpec
		want string
	}{
		{"a Subnet that does not exist", v1.OvnEipSpec{ExternalSubnet: "none"}, `spec.externalSubnet: Not found: "none": create the Subnet first`},
		{"an overlay", v1.OvnEipSpec{ExternalSubnet: "overlay"}, "the subnet has no vlan (spec.vlan): it is not connected with an external network"},
		{"an address outside", v1.OvnEipSpec{V4IP: "10.5.205.9"}, "the eip 10.5.205.9 is not in the range of subnet external204, cidr 10.5.204.0/24"},
		{"the gateway", v1.OvnEipSpec{V4IP: "10.5.204.254"}, "10.5.204.254 is the gateway of subnet external204"},
		{"another's address", v1.OvnEipSpec{V4IP: "10.5.204.120"}, "10.5.204.120 is in use by OvnEip e"},
		{"an IP's address", v1.OvnEipSpec{V4IP: "10.5.204.150"}, "10.5.204.150 is in use by IP node-9"},
		{"the name of a port", v1.OvnEipSpec{Type: v1.OvnEipLsp}, `logical switch port "node-9" is in use by IP node-9`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := w.Create(eip("node-9", test.spec)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant an error with %q", err, test.want)
			}
		})
	}
}

func TestTheAddressOfAGatewayNodeHasAPort(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("pc-node-1", v1.OvnEipSpec{Type: v1.OvnEipLsp, MacAddress: "00:00:00:00:00:09"}))
	want := `Logical_Switch_Port port
  addresses: "00:00:00:00:00:09 10.5.204.101"
  name: "pc-node-1"
  in Logical_Switch.ports
`
	if diff := cmp.Diff(want, kindtest.Text(w.Rows(ovneip.Resource, "pc-node-1"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestTheAddressOfARouterIsReadyWhenTheRouterHasIt(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("vpc1-external204", v1.OvnEipSpec{Type: v1.OvnEipLrp}))
	if s := stored(t, w, "vpc1-external204").Status; s.Ready || s.V4IP == "" {
		t.Errorf("got %+v, want an address that is not ready", s)
	}
}

func TestWhatIsAssignedStays(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e", v1.OvnEipSpec{}))
	strategy := ovneip.Shape.Strategy(runtime.NewScheme())
	old := stored(t, w, "e")
	for _, test := range []struct {
		name   string
		change func(*v1.OvnEipSpec)
		want   string
	}{
		{"nothing", func(*v1.OvnEipSpec) {}, ""},
		{"the Subnet left out", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "" }, ""},
		{"what was assigned, written back", func(s *v1.OvnEipSpec) { s.V4IP, s.Type = "10.5.204.101", v1.OvnEipNat }, ""},
		{"another Subnet", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "dual" }, `spec.externalSubnet: Forbidden: is "external204" and cannot be changed`},
		{"another address", func(s *v1.OvnEipSpec) { s.V4IP = "10.5.204.102" }, `spec.v4Ip: Forbidden: is "10.5.204.101" and cannot be changed`},
		{"another type", func(s *v1.OvnEipSpec) { s.Type = v1.OvnEipLrp }, `spec.type: Forbidden: is "nat"`},
		{"a MAC of nobody", func(s *v1.OvnEipSpec) { s.MacAddress = "01:00:00:00:00:00" }, "is a multicast address"},
		{"a type of nobody", func(s *v1.OvnEipSpec) { s.Type = "vip" }, "spec.type: Unsupported value"},
		{"the other family", func(s *v1.OvnEipSpec) { s.V6IP = "10.5.204.9" }, "spec.v6Ip: Invalid value: \"10.5.204.9\": is of the other address family"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := old.DeepCopy()
			test.change(&e.Spec)
			strategy.PrepareForUpdate(t.Context(), e, old)
			got := fmt.Sprint(strategy.ValidateUpdate(t.Context(), e, old).ToAggregate())
			if test.want == "" && got != "<nil>" || !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q", got, test.want)
			}
			if test.want == "" {
				if err := w.Update(e); err != nil {
					t.Error(err)
				}
				if now := stored(t, w, "e"); now.Spec.ExternalSubnet != "external204" || now.Status.V4IP != "10.5.204.101" {
					t.Errorf("got %+v", now)
				}
			}
		})
	}
}

func TestTable(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(eip("e", v1.OvnEipSpec{MacAddress: "00:00:00:4D:CE:49"}))
	for nat, want := range map[string]string{"": "[e 10.5.204.101  00:00:00:4D:CE:49 nat true]", "dnat": "[e 10.5.204.101  00:00:00:4D:CE:49 dnat true]"} {
		e := stored(t, w, "e").DeepCopy()
		e.Status.Nat = nat
		got, err := ovneip.Shape.Table(nil).ConvertToTable(t.Context(), e, nil)
		if err != nil {
			t.Fatal(err)
		}
		header := ""
		for _, c := range got.ColumnDefinitions[:6] {
			header += strings.ToUpper(c.Name) + " "
		}
		if header != "NAME V4IP V6IP MAC TYPE READY " {
			t.Errorf("got header %q", header)
		}
		if cells := fmt.Sprint(got.Rows[0].Cells[:6]); cells != want {
			t.Errorf("got cells %s, want %s", cells, want)
		}
	}
}
