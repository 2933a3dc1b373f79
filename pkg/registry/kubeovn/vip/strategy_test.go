package vip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

var strategy = NewStrategy(runtime.NewScheme())

func assignedVip() *v1.Vip {
	return &v1.Vip{
		ObjectMeta: metav1.ObjectMeta{Name: "v", Generation: 2},
		Spec:       v1.VipSpec{Subnet: "dual", V4ip: "10.17.0.2"},
		Status:     v1.VipStatus{Ready: true, V4ip: "10.17.0.2", V6ip: "fd00::2", Mac: "00:00:00:F0:DB:25"},
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1.Vip)
		want   string // "" when right
	}{
		{"a reserved address", func(*v1.Vip) {}, ""},
		{"one that pods carry", func(v *v1.Vip) {
			v.Spec.Namespace, v.Spec.Selector = "default", []string{"app: aap1", "example.com/tier:db"}
		}, ""},
		{"no Subnet", func(v *v1.Vip) { v.Spec.Subnet = "" }, "spec.subnet: Required value: subnet parameter cannot be empty"},
		{"a type of nobody", func(v *v1.Vip) { v.Spec.Type = "lb" }, "spec.type: Unsupported value"},
		{"words for an address", func(v *v1.Vip) { v.Spec.V4ip = "ten" }, "ten is not a valid ip"},
		{"the other family", func(v *v1.Vip) { v.Spec.V6ip = "10.0.0.1" }, "spec.v6ip: Invalid value: \"10.0.0.1\": is of the other address family"},
		{"a zero MAC", func(v *v1.Vip) { v.Spec.MacAddress = "00:00:00:00:00:00" }, "spec.macAddress"},
		{"a selector without a namespace", func(v *v1.Vip) { v.Spec.Selector = []string{"a: b"} }, "spec.namespace: Required value"},
		{"a selector without a colon", func(v *v1.Vip) { v.Spec.Namespace, v.Spec.Selector = "default", []string{"a=b"} }, `spec.selector[0]: Invalid value: "a=b": must be "key: value"`},
		{"a selector that no label matches", func(v *v1.Vip) { v.Spec.Namespace, v.Spec.Selector = "default", []string{"a: b c"} }, "spec.selector[0]"},
		{"a load balancer that pods carry", func(v *v1.Vip) {
			v.Spec.Type, v.Spec.Namespace, v.Spec.Selector = v1.VipSwitchLB, "default", []string{"a: b"}
		}, "spec.selector: Forbidden: pods cannot carry a Vip of type switch_lb_vip"},
		{"a name with a slash", func(v *v1.Vip) { v.Name = "v/v6" }, "metadata.name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := assignedVip()
			test.change(v)
			got := ""
			if err := strategy.Validate(t.Context(), v).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(*v1.VipSpec)
		generation int64
		want       string // "" when allowed
	}{
		{"nothing", func(*v1.VipSpec) {}, 2, ""},
		{"what was assigned, written back", func(s *v1.VipSpec) { s.V6ip, s.MacAddress = "fd00::2", "00:00:00:f0:db:25" }, 3, ""},
		{"an address of one's choice, left out", func(s *v1.VipSpec) { s.V4ip = "" }, 3, ""},
		{"a selector", func(s *v1.VipSpec) { s.Namespace, s.Selector = "default", []string{"a: b"} }, 3, ""},
		{"another IPv4 address", func(s *v1.VipSpec) { s.V4ip = "10.17.0.3" }, 3, "spec.v4ip: Forbidden: not support change v4 ip of vip"},
		{"another IPv6 address", func(s *v1.VipSpec) { s.V6ip = "fd00::3" }, 3, "not support change v6 ip of vip"},
		{"another MAC", func(s *v1.VipSpec) { s.MacAddress = "00:00:00:00:00:01" }, 3, "not support change mac of vip"},
		{"another Subnet", func(s *v1.VipSpec) { s.Subnet = "s" }, 3, "not support change subnet of vip"},
		{"another type", func(s *v1.VipSpec) { s.Type = v1.VipSwitchLB }, 3, "not support change type of vip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, v := assignedVip(), assignedVip()
			v.Status = v1.VipStatus{V4ip: "1.2.3.4"}
			test.change(&v.Spec)
			strategy.PrepareForUpdate(t.Context(), v, old)
			if diff := cmp.Diff(old.Status, v.Status); diff != "" {
				t.Errorf("a client changed the status (-before +after):\n%s", diff)
			}
			if v.Generation != test.generation {
				t.Errorf("got generation %d, want %d", v.Generation, test.generation)
			}
			got := ""
			if err := strategy.ValidateUpdate(t.Context(), v, old).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPrepareForCreate(t *testing.T) {
	v := assignedVip()
	strategy.PrepareForCreate(t.Context(), v)
	if diff := cmp.Diff(v1.VipStatus{}, v.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if v.Generation != 1 || v.Labels[v1.LabelSubnet] != "dual" {
		t.Errorf("got generation %d and labels %v", v.Generation, v.Labels)
	}
	if strategy.GetResetFields()["kubeovn.io/v1"] == nil {
		t.Error("no client owns status")
	}
}

func TestAPUTWithoutAResourceVersionOverwrites(t *testing.T) {
	if !strategy.AllowUnconditionalUpdate(t.Context()) {
		t.Error("refused")
	}
}

func TestTable(t *testing.T) {
	v := assignedVip()
	v.Spec.Namespace, v.Status.Type = "ns", v1.VipSwitchLB
	got, err := Table(nil).ConvertToTable(t.Context(), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	var header, wide []string
	for _, c := range got.ColumnDefinitions {
		if c.Priority == 0 {
			header = append(header, strings.ToUpper(c.Name))
		} else {
			wide = append(wide, strings.ToUpper(c.Name))
		}
	}
	if diff := cmp.Diff("NAME V4IP PV4IP MAC PMAC V6IP PV6IP SUBNET READY | NAMESPACE TYPE AGE", strings.Join(header, " ")+" | "+strings.Join(wide, " ")); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	want := []any{"v", "10.17.0.2", "", "00:00:00:F0:DB:25", "", "fd00::2", "", "dual", true, "ns", "switch_lb_vip", "<unknown>"}
	if diff := cmp.Diff(want, got.Rows[0].Cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}
