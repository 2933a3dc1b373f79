package agent

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

func TestWhereANodeTakesCallsForServices(t *testing.T) {
	at := func(s int) metav1.Time { return metav1.NewTime(time.Unix(int64(s), 0)) }
	services := []*corev1.Service{
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "younger", CreationTimestamp: at(2)},
			Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.96.0.2"}, ExternalIPs: []string{"192.0.2.7"},
				Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}},
		},
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "older", CreationTimestamp: at(1)},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIPs: []string{"10.96.0.1", "fd96::1"}, ExternalIPs: []string{"192.0.2.7"},
				LoadBalancerSourceRanges: []string{" 10.0.0.0/8", "2001:db8::/32"},
				Ports: []corev1.ServicePort{
					{Port: 80, NodePort: 30080, Protocol: corev1.ProtocolTCP}, {Port: 53, NodePort: 30053, Protocol: corev1.ProtocolUDP}, {Port: 9, Protocol: corev1.ProtocolSCTP},
				}},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "198.51.100.1"}, {Hostname: "example.org"}}}},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "headless"}, Spec: corev1.ServiceSpec{ClusterIPs: []string{"None"}, ExternalIPs: []string{"192.0.2.8"},
			Ports: []corev1.ServicePort{{Port: 80}}}},
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: "c", Name: "local", CreationTimestamp: at(3)},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, ClusterIPs: []string{"10.96.0.3"}, SessionAffinity: corev1.ServiceAffinityClientIP,
				ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
				Ports:                 []corev1.ServicePort{{Name: "web", Port: 80, NodePort: 30081, Protocol: corev1.ProtocolTCP}, {Name: "none", Port: 81, NodePort: 30082, Protocol: corev1.ProtocolTCP}}},
		},
	}
	local := func(s *corev1.Service, p *corev1.ServicePort) []kubeservice.BackEnd {
		if s.Name != "local" || p.Name != "web" {
			return nil
		}
		end := func(at string, ready bool) kubeservice.BackEnd {
			return kubeservice.BackEnd{AddrPort: netip.MustParseAddrPort(at), Ready: ready, Serving: true}
		}
		return []kubeservice.BackEnd{end("10.16.0.6:8080", true), end("10.16.0.5:8080", true), end("10.16.0.7:8080", false), end("[fd16::5]:8080", true)}
	}
	var got []string
	for _, f := range frontsOf(services, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fd02::1")}, local) {
		line := map[uint8]string{6: "tcp", 17: "udp", 132: "sctp"}[f.Protocol] + " " + f.At.String() + " " + f.To.String()
		for _, p := range f.From {
			line += " " + p.String()
		}
		if f.Local != nil {
			line += fmt.Sprintf(" local %v affinity %t", f.Local.BackEnds, f.Local.Affinity)
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(`
tcp 192.0.2.1:30080 10.96.0.1:80
tcp [fd02::1]:30080 [fd96::1]:80
tcp 192.0.2.7:80 10.96.0.1:80
tcp 198.51.100.1:80 10.96.0.1:80 10.0.0.0/8 2001:db8::/32
udp 192.0.2.1:30053 10.96.0.1:53
udp [fd02::1]:30053 [fd96::1]:53
udp 192.0.2.7:53 10.96.0.1:53
udp 198.51.100.1:53 10.96.0.1:53 10.0.0.0/8 2001:db8::/32
sctp 192.0.2.7:9 10.96.0.1:9
sctp 198.51.100.1:9 10.96.0.1:9 10.0.0.0/8 2001:db8::/32
tcp 192.0.2.7:80 10.96.0.2:80
tcp 192.0.2.1:30081 10.96.0.3:80 local [10.16.0.5:8080 10.16.0.6:8080] affinity true
tcp 192.0.2.1:30082 10.96.0.3:81 local [] affinity true`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
