package podadmission_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/podadmission"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
)

func TestReview(t *testing.T) {
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg), ip.NewResource(cfg), vip.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	w.MustCreate(
		&v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1.VpcSpec{Namespaces: []string{"team-a"}}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "a1"}, Spec: v1.SubnetSpec{Vpc: "a", CIDRBlock: "10.1.1.0/24", Namespaces: []string{"team-a"}}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "macvlan"}, Spec: v1.SubnetSpec{CIDRBlock: "172.16.0.0/24", Provider: "macvlan.kube-system"}},
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "used"}, Spec: v1.VipSpec{Subnet: "a1", V4ip: "10.1.1.50"}},
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "free"}, Spec: v1.VipSpec{Subnet: "a1", V4ip: "10.1.1.51"}},
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "web-0.team-a"}, Spec: v1.IPSpec{PodName: "web-0", Namespace: "team-a", Subnet: "a1", V4IPAddress: "10.1.1.10",
			MacAddress: "0a:00:00:00:00:10", PodType: v1.PodTypeStatefulSet}},
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "vip-user.team-a"}, Spec: v1.IPSpec{PodName: "vip-user", Namespace: "team-a", Subnet: "a1", Vip: "used"}},
		&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "x.y.macvlan.kube-system"}, Spec: v1.IPSpec{PodName: "x", Namespace: "y", Subnet: "macvlan", V4IPAddress: "172.16.0.9"}},
	)
	const prefix = "ovn.kubernetes.io/"
	for _, test := range []struct {
		name, pod, namespace string
		annotations          map[string]string
		want                 []string // nothing: the pod is right
	}{
		{"a pod that asks for nothing", "p", "team-a", nil, nil},
		{"a pod of a namespace without a Subnet of its own", "p", "anything", map[string]string{"app.kubernetes.io/name": "x"}, nil},
		{"a free address", "p", "team-a", map[string]string{prefix + "ip_address": "10.1.1.11"}, nil},
		{"a taken address", "p", "team-a", map[string]string{prefix + "ip_address": "10.1.1.10"}, []string{"metadata.annotations[ovn.kubernetes.io/ip_address]", "10.1.1.10 is in use by IP web-0.team-a"}},
		{"the address that the pod keeps", "web-0", "team-a", map[string]string{prefix + "ip_address": "10.1.1.10", prefix + "mac_address": "0A:00:00:00:00:10"}, nil},
		{"the address of a Vip", "p", "team-a", map[string]string{prefix + "ip_address": "10.1.1.51"}, []string{"10.1.1.51 is in use by Vip free"}},
		{"the address of a Vip, as its user", "p", "team-a", map[string]string{prefix + "ip_address": "10.1.1.51", prefix + "vip": "free"}, nil},
		{"a Vip that another pod uses", "p", "team-a", map[string]string{prefix + "vip": "used"}, []string{"vip 'used' is in use by IP vip-user.team-a"}},
		{"a Vip that the pod uses", "vip-user", "team-a", map[string]string{prefix + "vip": "used"}, nil},
		{"a taken MAC", "p", "team-a", map[string]string{prefix + "mac_address": "0a:00:00:00:00:10"}, []string{"ovn.kubernetes.io/mac_address", "in use by IP web-0.team-a"}},
		{"a pool with a free address", "p", "team-a", map[string]string{prefix + "ip_pool": "10.1.1.10,10.1.1.12"}, nil},
		{"a pool without a free address", "p", "team-a", map[string]string{prefix + "ip_pool": "10.1.1.10,10.1.1.50"}, []string{"ovn.kubernetes.io/ip_pool", "10.1.1.10 is in use by IP web-0.team-a; 10.1.1.50 is in use by Vip used"}},
		{"a Subnet of a Vpc that does not admit the namespace", "p", "other", map[string]string{prefix + "logical_switch": "a1"}, []string{"ovn.kubernetes.io/logical_switch", "out of range to custom vpc 'a'"}},
		{"security groups", "p", "team-a", map[string]string{prefix + "security_groups": "sg"}, []string{"metadata.annotations[ovn.kubernetes.io/security_groups]: Forbidden"}},
		{"security groups of another plugin's interface", "p", "other", map[string]string{"macvlan.kube-system.kubernetes.io/security_groups": "a,b"},
			[]string{"metadata.annotations[macvlan.kube-system.kubernetes.io/security_groups]: Forbidden"}},
		{"no security groups", "p", "team-a", map[string]string{prefix + "security_groups": ""}, nil},
		{"an unknown Subnet", "p", "other", map[string]string{prefix + "logical_switch": "none"}, []string{"Not found"}},
		{"an address outside", "p", "other", map[string]string{prefix + "ip_address": "10.1.1.20"}, []string{"not in the range of subnet ovn-default"}},
		{"a taken address of another plugin's interface", "p", "other", map[string]string{"macvlan.kube-system.kubernetes.io/ip_address": "172.16.0.9"},
			[]string{"metadata.annotations[macvlan.kube-system.kubernetes.io/ip_address]", "in use by IP x.y.macvlan.kube-system"}},
		{"two interfaces, both wrong", "p", "team-a", map[string]string{prefix + "ip_address": "10.1.1.10", "macvlan.kube-system.kubernetes.io/ip_address": "10.0.0.1"}, []string{"web-0.team-a", "not in the range of subnet macvlan"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, errs := podadmission.Review(w, podnet.Pod{ObjectMeta: metav1.ObjectMeta{Name: test.pod, Namespace: test.namespace, Annotations: test.annotations}}, nil)
			if len(test.want) == 0 && len(errs) > 0 || len(test.want) > 0 && len(errs) == 0 {
				t.Fatalf("got %v, want %q", errs, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(errs.ToAggregate().Error(), want) {
					t.Errorf("got %v, want it to say %q", errs, want)
				}
			}
		})
	}
}

// What asks for an address, a pool, a MAC, a Vip or carried Vips of another pod: admitted with a warning when that pod will release all
// of it, refused else.
func TestReviewOfWhatOthersWillRelease(t *testing.T) {
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vpc.NewResource(cfg), subnet.NewResource(cfg), ip.NewResource(cfg), vip.NewResource(cfg))
	w.MustCreate(kubeovn.DefaultObjects(cfg)...)
	newIP := func(name, addr, mac, uid, vip string, kind v1.PodType) *v1.IP {
		return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name + ".default"}, Spec: v1.IPSpec{PodName: name, Namespace: "default", PodUID: uid, PodType: kind,
			Subnet: "ovn-default", V4IPAddress: addr, MacAddress: mac, Vip: vip}}
	}
	w.MustCreate(
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.70"}},
		newIP("going", "10.16.0.10", "0a:00:00:00:00:10", "u1", "", ""),
		newIP("staying", "10.16.0.11", "0a:00:00:00:00:11", "u2", "", ""),
		newIP("set-0", "10.16.0.12", "0a:00:00:00:00:12", "u3", "", v1.PodTypeStatefulSet),
		newIP("reserved", "10.16.0.13", "0a:00:00:00:00:13", "", "", ""),
		newIP("user", "", "", "u4", "own", ""),
	)
	going := map[string]bool{"going": true, "user": true, "set-0": true, "reserved": true}
	const prefix = "ovn.kubernetes.io/"
	for _, test := range []struct {
		name        string
		annotations map[string]string
		warns       string // nothing: refused
	}{
		{"an address", map[string]string{prefix + "ip_address": "10.16.0.10"}, "10.16.0.10 is in use by IP going.default; the pod waits"},
		{"a pool", map[string]string{prefix + "ip_pool": "10.16.0.11,10.16.0.10"}, "10.16.0.10 is in use by IP going.default; the pod waits"},
		{"a MAC", map[string]string{prefix + "mac_address": "0a:00:00:00:00:10"}, "in use by IP going.default; the pod waits"},
		{"a Vip", map[string]string{prefix + "vip": "own"}, "vip 'own' is in use by IP user.default; the pod waits"},
		{"an address that stays", map[string]string{prefix + "ip_address": "10.16.0.11"}, ""},
		{"a pool that stays", map[string]string{prefix + "ip_pool": "10.16.0.11,10.16.0.12"}, ""},
		{"a MAC that stays", map[string]string{prefix + "mac_address": "0a:00:00:00:00:11"}, ""},
		{"an address that will be free, a MAC that stays", map[string]string{prefix + "ip_address": "10.16.0.10", prefix + "mac_address": "0a:00:00:00:00:11"}, ""},
		{"an address that a StatefulSet keeps", map[string]string{prefix + "ip_address": "10.16.0.12"}, ""},
		{"a reservation", map[string]string{prefix + "ip_address": "10.16.0.13"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := podnet.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", Annotations: test.annotations}}
			warnings, errs := podadmission.Review(w, pod, func(holder *v1.IP) bool { return going[holder.Spec.PodName] })
			if test.warns == "" {
				if len(errs) == 0 || len(warnings) > 0 {
					t.Errorf("got %v, warnings %q, want a refusal", errs, warnings)
				}
				return
			}
			if len(errs) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], test.warns) {
				t.Errorf("got %v, warnings %q, want the warning %q", errs, warnings, test.warns)
			}
		})
	}
}
