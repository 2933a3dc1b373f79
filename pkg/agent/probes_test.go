package agent

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/agent/probe"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestProbesOfPodsAreDecidedByTheirSubnetsAndPorts(t *testing.T) {
	node := vswitchtest.Start(t)
	h, err := host.Open(node.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	proxy, err := probe.Listen(h, 0)
	if err != nil {
		t.Fatal(err)
	}
	vs, err := vswitch.Open(t.Context(), node.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer vs.Close()
	sandbox := vswitchtest.NewNamespace(t)
	inside, err := host.Open(sandbox.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()

	events := record.NewFakeRecorder(10)
	var ips []*v1.IP
	changes := 0
	p := &probes{
		vs: vs, proxy: proxy, pods: cache.NewStore(cache.MetaNamespaceKeyFunc), ips: func() []*v1.IP { return ips },
		vpc: func(subnet string) string {
			return map[string]string{"tenant": "vpc1", "other": "vpc2", "plain": v1.DefaultVpc}[subnet]
		},
		defaultVpc: v1.DefaultVpc, elsewhere: func() []netip.Prefix { return nil }, changed: func() { changes++ }, events: events,
	}
	add := func(name, subnet, addr string, probe corev1.ProbeHandler) {
		t.Helper()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{LivenessProbe: &corev1.Probe{ProbeHandler: probe}}}}}
		if err := p.pods.Add(pod); err != nil {
			t.Fatal(err)
		}
		ips = append(ips, &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name + ".ns"}, Spec: v1.IPSpec{PodName: name, Namespace: "ns", Subnet: subnet, IPAddress: addr}})
		node.Vsctl("--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
		node.Vsctl("--no-wait", "add-port", "br-int", "h-"+name, "--", "set", "interface", "h-"+name, "type=internal",
			"external_ids:iface-id="+name+".ns", "external_ids:pod_netns="+sandbox.Path())
		if _, err := vs.Wait(t.Context(), func(s vswitch.Snapshot) bool { return s.Interface("h-"+name) != nil }); err != nil {
			t.Fatal(err)
		}
	}
	want := func(redirected, refused string) {
		t.Helper()
		if err := p.sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		text := func(list []netip.AddrPort) string {
			var out []string
			for _, a := range list {
				out = append(out, a.String())
			}
			return strings.Join(out, " ")
		}
		got := []string{text(p.current().redirected), text(p.current().refused)}
		if diff := cmp.Diff([]string{redirected, refused}, got); diff != "" {
			t.Error(diff)
		}
	}
	http := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80)}}
	tcp := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(81)}}

	add("plain", "plain", "10.16.0.2", http)
	want("", "")
	add("web", "tenant", "10.0.0.2", http)
	want("10.0.0.2:80", "")
	// A port for which a connection is enough is refused as long as nobody listens.
	add("db", "tenant", "10.0.0.3", tcp)
	want("10.0.0.2:80", "10.0.0.3:81")
	hosttest.Serve(t, inside, 81, "x")
	want("10.0.0.2:80 10.0.0.3:81", "")
	if changes != 3 || !p.polled.Load() {
		t.Errorf("the packet filter was to change %d times, polled %t", changes, p.polled.Load())
	}
	// Another pod of the same address on this node.
	add("twin", "other", "10.0.0.2", http)
	want("10.0.0.3:81", "10.0.0.2:80")
	want("10.0.0.3:81", "10.0.0.2:80")
	if len(events.Events) != 2 {
		t.Fatalf("%d events, want one on each pod", len(events.Events))
	}
	for _, name := range []string{"ns/twin", "ns/web"} {
		if e := <-events.Events; !strings.Contains(e, "Warning ProbeRefused Address 10.0.0.2 also belongs to pod "+name) {
			t.Errorf("event %q", e)
		}
	}
	ips = ips[:len(ips)-1]
	want("10.0.0.2:80 10.0.0.3:81", "")
}
