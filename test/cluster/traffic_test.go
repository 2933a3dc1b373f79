//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestPodsOfOneSubnetAndOfAnotherReachEachOtherOnAllNodes(t *testing.T) {
	t.Parallel()
	other := subnet(t, v1.SubnetSpec{CIDRBlock: "10.17.0.0/24"})
	ns := namespace(t)
	pods := map[string]map[string]string{"a1": nil, "a2": nil, "b1": in(other), "b2": in(other)}
	for name, annotations := range pods {
		start(t, ns, name, "node"+name[1:], annotations)
	}
	to := map[string]string{}
	for name := range pods {
		to[name] = ready(t, ns, name)
	}
	for from := range pods {
		for name, address := range to {
			pings(t, ns, from, address)
			answers(t, ns, from, "http://"+address+":8080/", name)
		}
	}
}

func TestNodesAndPodsReachEachOther(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	to := map[string]string{"p1": started(t, ns, "p1", node1, nil), "p2": started(t, ns, "p2", node2, nil)}
	for pod, address := range to {
		for node, nodeAddress := range nodes {
			pings(t, ns, pod, nodeAddress)
			eventually(t, fmt.Sprintf("%s from %s", pod, node), func(ctx context.Context) error {
				got, err := inNode(ctx, node, "busybox", "wget", "-q", "-O", "-", "http://"+address+":8080/")
				if err == nil && got != pod {
					err = fmt.Errorf("%q answers", got)
				}
				return err
			})
		}
	}
}

func TestServicesAnswerAtTheirClusterIP(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	ip := service(t, ns, "web", nil)
	// From its own node and from itself, too.
	answers(t, ns, "p1", "http://"+ip+"/", "p1")
	started(t, ns, "p2", node2, map[string]string{})
	for _, from := range []string{"p1", "p2"} {
		all := map[string]bool{}
		eventually(t, "both back ends from "+from, func(ctx context.Context) error {
			got, err := fetch(ctx, ns, from, "http://"+ip+"/")
			if err != nil {
				return err
			}
			if all[got] = true; !all["p1"] || !all["p2"] {
				return fmt.Errorf("only %v answer", all)
			}
			return nil
		})
	}
	for node := range nodes {
		eventually(t, "the Service from "+node, func(ctx context.Context) error {
			_, err := inNode(ctx, node, "timeout", "3", "busybox", "wget", "-q", "-O", "-", "http://"+ip+"/")
			return err
		})
	}
}

func TestServicesAnswerAtPortsOfNodesAndAtAddressesOutside(t *testing.T) {
	t.Parallel()
	const outside = "198.51.100.7"
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	bystander(t, ns, "other", node2)
	service(t, ns, "web", func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalIPs = corev1.ServiceTypeNodePort, []string{outside}
	})
	s, err := kube.CoreV1().Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wayOver(t, outside, node2) // which has no back end

	urls := []string{"http://" + outside + "/"}
	for _, address := range nodes {
		urls = append(urls, fmt.Sprintf("http://%s:%d/", address, s.Spec.Ports[0].NodePort))
	}
	for _, url := range urls {
		eventually(t, url+" from outside", func(ctx context.Context) error {
			_, got, err := fromOutside(ctx, nil, url)
			if err == nil && got != "p1" {
				err = fmt.Errorf("%q answers", got)
			}
			return err
		})
		for _, from := range []string{"p1", "other"} {
			answers(t, ns, from, url, "p1")
		}
		for node := range nodes {
			eventually(t, url+" from "+node, func(ctx context.Context) error {
				got, err := inNode(ctx, node, "timeout", "3", "busybox", "wget", "-q", "-O", "-", url)
				if err == nil && got != "p1" {
					err = fmt.Errorf("%q answers", got)
				}
				return err
			})
		}
	}
}

// bystander starts a pod that is no back end of the Services of service, and waits for it.
func bystander(t *testing.T, namespace, name, node string) {
	t.Helper()
	pod := podOf(name, node, nil)
	pod.Labels["app"] = "other"
	create(t, namespace, pod)
	ready(t, namespace, name)
}

// wayOver leads to an address over a node, from outside, where the tests are.
func wayOver(t *testing.T, address, node string) {
	t.Helper()
	way := &netlink.Route{Dst: netlink.NewIPNet(net.ParseIP(address)), Gw: net.ParseIP(nodes[node])}
	if err := netlink.RouteAdd(way); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.RouteDel(way) })
}

// fromOutside asks from where the tests are, from one of its addresses unless that is nil.
func fromOutside(ctx context.Context, from net.IP, url string) (status int, answer string, err error) {
	dialer := &net.Dialer{}
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, strings.TrimSpace(string(body)), err
}

func TestAServiceMayAnswerByTheBackEndsOfEachNodeWhichSeeTheClients(t *testing.T) {
	t.Parallel()
	const balanced = "198.51.100.8"
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	service(t, ns, "web", func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
	})
	s, err := kube.CoreV1().Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: balanced}}
	if _, err := kube.CoreV1().Services(ns).UpdateStatus(t.Context(), s, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	wayOver(t, balanced, node1)
	// Nodes of the lab hide the control plane's own address from pods.
	own := net.ParseIP("10.200.0.77")
	link, err := netlink.LinkByName("nodes")
	if err != nil {
		t.Fatal(err)
	}
	address := &netlink.Addr{IPNet: netlink.NewIPNet(own)}
	if err := netlink.AddrAdd(link, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.AddrDel(link, address) })

	at := func(node string) string { return fmt.Sprintf("http://%s:%d", nodes[node], s.Spec.Ports[0].NodePort) }
	serves := func(node string, status int) {
		t.Helper()
		eventually(t, "the report of "+node, func(ctx context.Context) error {
			got, answer, err := fromOutside(ctx, own, fmt.Sprintf("http://%s:%d/", nodes[node], s.Spec.HealthCheckNodePort))
			if err == nil && got != status {
				err = fmt.Errorf("status %d: %s", got, answer)
			}
			return err
		})
	}
	sees := func(url string) {
		t.Helper()
		eventually(t, url, func(ctx context.Context) error {
			_, got, err := fromOutside(ctx, own, url+"/cgi-bin/client")
			if err != nil {
				return err
			}
			client, err := netip.ParseAddr(strings.Trim(got, "[]"))
			if err != nil || client.Unmap().String() != own.String() {
				return fmt.Errorf("the back end sees %q, and the client is %s", got, own)
			}
			return nil
		})
	}
	serves(node1, http.StatusOK)
	serves(node2, http.StatusServiceUnavailable)
	sees(at(node1))
	sees("http://" + balanced)
	if _, got, err := fromOutside(t.Context(), own, at(node2)); err == nil {
		t.Errorf("a node without back ends answers %q", got)
	}

	// Pods are clients as others, but for the load balancer, of which they need nothing.
	bystander(t, ns, "other", node2)
	for _, from := range []string{"p1", "other"} {
		answers(t, ns, from, at(node1)+"/", "p1")
		answers(t, ns, from, "http://"+balanced+"/", "p1")
		if got, err := fetch(t.Context(), ns, from, at(node2)+"/"); err == nil {
			t.Errorf("a node without back ends answers %q to %s", got, from)
		}
	}

	started(t, ns, "p2", node2, nil)
	serves(node2, http.StatusOK)
	sees(at(node2))
}

func TestTheServiceOfTheAPIServerAnswersInPods(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	eventually(t, "the Service kubernetes", func(ctx context.Context) error {
		_, err := inPod(ctx, ns, "p1", "timeout", "3", "sh", "-c", "nc -w 2 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null")
		return err
	})
}

func TestServicesAnswerByName(t *testing.T) {
	t.Parallel()
	_, err := kube.AppsV1().Deployments("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	started(t, ns, "p2", node2, nil)
	service(t, ns, "web", func(s *corev1.Service) { s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP })
	for _, from := range []string{"p1", "p2"} {
		eventually(t, "web by name from "+from, func(ctx context.Context) error {
			_, err := fetch(ctx, ns, from, "http://web."+ns+".svc.cluster.local/")
			return err
		})
	}
}

func TestAServiceWithoutBackEndsHasNoEndpointSliceThatIsReady(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	started(t, ns, "p1", node1, nil)
	ip := service(t, ns, "none", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "none"} })
	slices, err := kube.DiscoveryV1().EndpointSlices(ns).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=none"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slices.Items {
		if len(s.Endpoints) > 0 {
			t.Fatalf("%s has endpoints", s.Name)
		}
	}
	if got, err := fetch(t.Context(), ns, "p1", "http://"+ip+"/"); err == nil {
		t.Errorf("%q answers", got)
	}
}
