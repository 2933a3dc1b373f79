//go:build aggregated

package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// It leaves another controller than it found, which other tests need not notice.
func TestReplicasTakeOverFromEachOther(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.9.0/24", ns)
	orphan, other := newPod(t, ns, "orphan", nil, nil), newPod(t, ns, "other", nil, nil)
	plug(t, orphan, subnet, "")
	plug(t, other, subnet, "")

	// The one that works stops, and gives its lease back.
	second, err := startController(t.Context(), "northbound-controller-2", "127.0.0.1:10661")
	if err != nil {
		t.Fatal(err)
	}
	first := cluster.controller
	cluster.controller = second
	start := time.Now()
	first.Stop(20 * time.Second)
	remove(t, orphan)
	eventually(t, released("orphan."+ns))
	t.Logf("a replica took over from one that stopped within %v", time.Since(start).Round(time.Millisecond))

	// The one that works dies; what happens until its lease has expired is not lost. The next one needs no aggregation layer.
	third, err := startController(t.Context(), "northbound-controller-3", "127.0.0.1:10660",
		"--northbound-server=https://"+net.JoinHostPort(controlplane.Addr.String(), strconv.Itoa(int(controlplane.Northbound.Port))),
		"--northbound-certificate-authority="+filepath.Join(cluster.Dir, "pki", "aggregated-ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	cluster.controller = third
	start = time.Now()
	second.Kill()
	remove(t, other)
	eventually(t, released("other."+ns))
	t.Logf("a replica took over from one that died within %v", time.Since(start).Round(time.Millisecond))
}

func TestMetricsAndHealthAreServed(t *testing.T) {
	metrics, err := get(t.Context(), "http://127.0.0.1:10660/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`workqueue_depth{name="services"}`, "leader_election_master_status", `rest_client_requests_total{`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if _, err := get(t.Context(), "http://127.0.0.1:10660/healthz"); err != nil {
		t.Error(err)
	}
}

func TestAServiceThatDoesNotChangeCostsNoWrites(t *testing.T) {
	ns := newNamespace(t)
	service := newService(t, ns, "web", nil)
	tcp := "slr-svc." + ns + ".web-tcp"
	var want []string
	for i := range 5 {
		pod := newPod(t, ns, fmt.Sprintf("web-%d", i), map[string]string{"app": "web"}, nil)
		a := plug(t, pod, "ovn-default", "")
		report(t, pod, corev1.PodRunning, true, a)
		want = append(want, a+":8080")
		t.Cleanup(func() {
			_ = cluster.kubernetes.CoreV1().Pods(ns).Delete(context.Background(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		})
	}
	balanced(t, tcp, service.Spec.ClusterIP+":80="+strings.Join(want, ","))
	rule := must(cluster.northbound.KubeovnV1().SwitchLBRules().Get(t.Context(), "svc."+ns+".web", metav1.GetOptions{}))(t)
	if rule.Generation != 1 {
		t.Errorf("the spec of the rule was written %d times", rule.Generation)
	}
	// A change of the Service that is none for its load balancer.
	service.Annotations = map[string]string{"note": "x"}
	must(cluster.kubernetes.CoreV1().Services(ns).Update(t.Context(), service, metav1.UpdateOptions{}))(t)
	balanced(t, "slr-svc."+ns+".later-tcp", "")
	later := newService(t, ns, "later", nil)
	balanced(t, "slr-svc."+ns+".later-tcp", later.Spec.ClusterIP+":80=")
	again := must(cluster.northbound.KubeovnV1().SwitchLBRules().Get(t.Context(), rule.Name, metav1.GetOptions{}))(t)
	if again.ResourceVersion != rule.ResourceVersion {
		t.Errorf("the rule was written without need")
	}
}

func TestWhatHappensWhileTheDatabaseIsAwayIsDoneWhenItIsBack(t *testing.T) {
	ns := newNamespace(t)
	_, subnet := newVpc(t, "10.0.11.0/24", ns)
	pod := newPod(t, ns, "goes", nil, nil)
	plug(t, pod, subnet, "")
	if err := cluster.NB.KillNB(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() { // the other tests need it, whatever happened here
			_ = cluster.NB.RestartNB(context.Background())
		}
	})
	remove(t, pod)
	service := newService(t, ns, "web", nil)
	// The controller has met the outage when it has failed.
	eventually(t, func(ctx context.Context) error {
		metrics, err := get(ctx, "http://127.0.0.1:10660/metrics")
		for _, loop := range []string{"addresses", "services"} {
			if !strings.Contains(metrics, `northbound_controller_sync_errors_total{loop="`+loop+`"}`) {
				err = errors.Join(err, fmt.Errorf("the loop %s has not failed", loop))
			}
		}
		return err
	})
	if err := cluster.NB.RestartNB(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	eventually(t, released("goes."+ns))
	balanced(t, "slr-svc."+ns+".web-tcp", service.Spec.ClusterIP+":80=")
	t.Logf("all was done within %v", time.Since(start).Round(time.Millisecond))
}
