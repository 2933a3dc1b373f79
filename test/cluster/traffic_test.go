//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
	start(t, ns, "other", node2, nil)
	_, err := kube.CoreV1().Pods(ns).Patch(t.Context(), "other", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"other"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, ns, "other")
	service(t, ns, "web", func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalIPs = corev1.ServiceTypeNodePort, []string{outside}
	})
	s, err := kube.CoreV1().Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The way there from outside, where this test is, is over a node without a back end.
	way := &netlink.Route{Dst: netlink.NewIPNet(net.ParseIP(outside)), Gw: net.ParseIP(nodes[node2])}
	if err := netlink.RouteAdd(way); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.RouteDel(way) })

	urls := []string{"http://" + outside + "/"}
	for _, address := range nodes {
		urls = append(urls, fmt.Sprintf("http://%s:%d/", address, s.Spec.Ports[0].NodePort))
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, url := range urls {
		eventually(t, url+" from outside", func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer func() { _ = response.Body.Close() }()
			got, err := io.ReadAll(response.Body)
			if err == nil && strings.TrimSpace(string(got)) != "p1" {
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
