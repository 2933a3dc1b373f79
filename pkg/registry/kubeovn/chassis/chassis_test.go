package chassis_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/chassis"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func newChassis(name string, spec v1.ChassisSpec) *v1.Chassis {
	return &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func TestShapeOfAChassis(t *testing.T) {
	right := v1.ChassisSpec{ChassisID: "7cedd14f-265b-42e5-ac17-e03e7a1f2342", EncapIPs: []string{"172.31.0.1", "fd31::1"}, NodeIPs: []string{"172.31.0.1", "fd31::1"}}
	for _, test := range []struct {
		name   string
		change func(*v1.ChassisSpec)
		want   []string
	}{
		{"what an agent writes", func(*v1.ChassisSpec) {}, nil},
		{"no identifier", func(s *v1.ChassisSpec) { s.ChassisID = "" }, []string{"spec.chassisID: Required", "system-id"}},
		{"an identifier with a blank", func(s *v1.ChassisSpec) { s.ChassisID = "a b" }, []string{"spec.chassisID"}},
		{"no address", func(s *v1.ChassisSpec) { s.EncapIPs = nil }, []string{"spec.encapIPs: Required"}},
		{"addresses that lead nowhere", func(s *v1.ChassisSpec) { s.EncapIPs = []string{"127.0.0.1", "0.0.0.0", "224.0.0.1", "x"} },
			[]string{"spec.encapIPs[0]", "no other node can reach 127.0.0.1", "spec.encapIPs[1]", "spec.encapIPs[2]", "spec.encapIPs[3]"}},
		{"an address twice", func(s *v1.ChassisSpec) { s.EncapIPs = []string{"172.31.0.1", "172.31.0.1"} }, []string{"spec.encapIPs[1]: Duplicate"}},
		{"no address of the node itself", func(s *v1.ChassisSpec) { s.NodeIPs = nil }, nil},
		{"addresses of the node that are none, or no node's", func(s *v1.ChassisSpec) { s.NodeIPs = []string{"node1", "::1", "172.31.0.0/24"} },
			[]string{"spec.nodeIPs[0]", "spec.nodeIPs[1]", "no other node can reach ::1", "spec.nodeIPs[2]"}},
		{"an address of the node twice", func(s *v1.ChassisSpec) { s.NodeIPs = []string{"fd31::1", "fd31::1"} }, []string{"spec.nodeIPs[1]: Duplicate"}},
		{"an encapsulation that OVN has not", func(s *v1.ChassisSpec) { s.EncapType = "gre" }, []string{"spec.encapType", "geneve", "stt", "vxlan"}},
		{"a host name with a slash", func(s *v1.ChassisSpec) { s.Hostname = "a/b" }, []string{"spec.hostname"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newChassis("node1", *right.DeepCopy())
			test.change(&c.Spec)
			kindtest.WantRefusal(t, kubeovn.Invalid("Chassis", "node1", chassis.Shape.Strategy(nil).Validate(t.Context(), c)), test.want...)
		})
	}
}

func TestChassisAreDistinct(t *testing.T) {
	w := kindtest.New(t, chassis.NewResource(kubeovn.DefaultConfig()))
	w.MustCreate(newChassis("node1", v1.ChassisSpec{ChassisID: "id1", EncapIPs: []string{"172.31.0.1"}, NodeIPs: []string{"192.168.0.1", "fd31::1"}}))
	kindtest.WantRefusal(t, w.Create(newChassis("node2", v1.ChassisSpec{ChassisID: "id2", EncapIPs: []string{"172.31.0.2"}, NodeIPs: []string{"192.168.0.2", "fd31::1"}})),
		"spec.nodeIPs[1]", "chassis node1 has it already")
	kindtest.WantRefusal(t, w.Create(newChassis("node2", v1.ChassisSpec{ChassisID: "id1", EncapIPs: []string{"172.31.0.2"}})), "spec.chassisID", "chassis node1 has it already")
	kindtest.WantRefusal(t, w.Create(newChassis("node2", v1.ChassisSpec{ChassisID: "id2", EncapIPs: []string{"172.31.0.2", "172.31.0.1"}})), "spec.encapIPs[1]", "chassis node1 has it already")
	if err := kindtest.Change(w, "chassis", "node1", func(c *v1.Chassis) { c.Spec.EncapIPs = []string{"172.31.0.3", "172.31.0.1"} }); err != nil {
		t.Errorf("a chassis is in its own way: %v", err)
	}
	stored, _ := storage.Get[*v1.Chassis](w, "chassis", "node1")
	want := v1.ChassisSpec{ChassisID: "id1", Hostname: "node1", EncapIPs: []string{"172.31.0.3", "172.31.0.1"}, NodeIPs: []string{"192.168.0.1", "fd31::1"}, EncapType: v1.EncapGeneve}
	if diff := cmp.Diff(want, stored.Spec); diff != "" {
		t.Error(diff)
	}
	if err := w.Delete("chassis", "node1"); err != nil {
		t.Fatal(err)
	}
	w.MustCreate(newChassis("node2", v1.ChassisSpec{ChassisID: "id1", EncapIPs: []string{"172.31.0.1"}}))
}
