package probe_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/northbound-ovn/northbound/pkg/agent/probe"
)

func http(port intstr.IntOrString) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port}}}
}

func tcp(port intstr.IntOrString) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
}

func TestTargetsAreThePortsThatTheKubeletProbes(t *testing.T) {
	named := []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
	elsewhere := http(intstr.FromInt32(99))
	elsewhere.HTTPGet.Host = "192.0.2.1"
	for _, test := range []struct {
		name       string
		containers []corev1.Container
		want       []probe.Target
	}{
		{"none", []corev1.Container{{}}, nil},
		{"by number and by name", []corev1.Container{{Ports: named, LivenessProbe: http(intstr.FromString("web")), ReadinessProbe: tcp(intstr.FromInt32(22))}},
			[]probe.Target{{Port: 22, Connect: true}, {Port: 8080}}},
		{"a name that no port has", []corev1.Container{{LivenessProbe: http(intstr.FromString("web"))}}, nil},
		{"grpc", []corev1.Container{{StartupProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 50051}}}}},
			[]probe.Target{{Port: 50051}}},
		{"a port that is both called and only connected with", []corev1.Container{{LivenessProbe: http(intstr.FromInt32(80)), ReadinessProbe: tcp(intstr.FromInt32(80))}},
			[]probe.Target{{Port: 80, Connect: true}}},
		{"of another host", []corev1.Container{{LivenessProbe: elsewhere}}, nil},
		{"exec", []corev1.Container{{LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, probe.TargetsOf(&corev1.Pod{Spec: corev1.PodSpec{Containers: test.containers}})); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.want, probe.TargetsOf(&corev1.Pod{Spec: corev1.PodSpec{InitContainers: test.containers}})); diff != "" {
				t.Errorf("sidecars: %s", diff)
			}
		})
	}
}

func TestAnAddressThatTwoPodsHaveIsRefused(t *testing.T) {
	pod := func(name, addr string, custom bool) probe.Pod {
		return probe.Pod{Name: name, Addrs: []netip.Addr{netip.MustParseAddr(addr)}, Custom: custom, NetNS: "/run/netns/" + name, Targets: []probe.Target{{Port: 80}}}
	}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.16.0.0/16")}
	for _, test := range []struct {
		name                string
		pods                []probe.Pod
		redirected, refused []string
		conflicts           []string
	}{
		{"one pod in a custom Vpc", []probe.Pod{pod("a", "10.0.0.2", true)}, []string{"10.0.0.2:80"}, nil, nil},
		{"one in the default Vpc", []probe.Pod{pod("a", "10.16.0.2", false)}, nil, nil, nil},
		{"two in custom Vpcs", []probe.Pod{pod("a", "10.0.0.2", true), pod("b", "10.0.0.2", true), pod("c", "10.0.0.3", true)},
			[]string{"10.0.0.3:80"}, []string{"10.0.0.2:80"}, []string{"pod b", "pod a"}},
		{"one that the default Vpc has as well", []probe.Pod{pod("a", "10.16.0.2", true)}, nil, []string{"10.16.0.2:80"}, []string{"10.16.0.0/16 in the default Vpc"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := probe.PlanOf(test.pods, elsewhere)
			var redirected, refused []string
			for at := range plan.Redirected {
				redirected = append(redirected, at.String())
			}
			for _, at := range plan.Refused {
				refused = append(refused, at.String())
			}
			if diff := cmp.Diff([][]string{test.redirected, test.refused}, [][]string{redirected, refused}); diff != "" {
				t.Error(diff)
			}
			if len(plan.Conflicts) != len(test.conflicts) {
				t.Fatalf("conflicts %v, want %v", plan.Conflicts, test.conflicts)
			}
			for i, want := range test.conflicts {
				if !strings.Contains(plan.Conflicts[i].Reason, want) {
					t.Errorf("conflict %v, want %q", plan.Conflicts[i], want)
				}
			}
		})
	}
}
