//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// serve is the command of a container with a server in the background, which says of each request that it was made.
const serve = "mkdir -p /www && echo >/www/$NAME && { httpd -f -vv -p 8080 -h /www & exec sleep 1000000; }"

// httpGet asks for the page that only the pod of the name has.
func httpGet(name string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/" + name, Port: intstr.FromInt32(8080)}}
}

func tcpSocket(port int32) corev1.ProbeHandler {
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}}
}

// probed is a pod that runs a command and has the probe for its readiness, every second.
func probed(name, node, command string, annotations map[string]string, by corev1.ProbeHandler) *corev1.Pod {
	p := template(node, annotations)
	pod := &corev1.Pod{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
	pod.Name = name
	c := &pod.Spec.Containers[0]
	c.Command = []string{"sh", "-c", command}
	c.ReadinessProbe = &corev1.Probe{ProbeHandler: by, PeriodSeconds: 1, TimeoutSeconds: 10, FailureThreshold: 1}
	return pod
}

// alive adds the probe for the pod's life: two failures in a row, after it has been ready once, and it is started anew.
func alive(pod *corev1.Pod) *corev1.Pod {
	c := &pod.Spec.Containers[0]
	c.StartupProbe = &corev1.Probe{ProbeHandler: c.ReadinessProbe.ProbeHandler, PeriodSeconds: 1, TimeoutSeconds: 10, FailureThreshold: 60}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: c.ReadinessProbe.ProbeHandler, PeriodSeconds: 1, TimeoutSeconds: 10, FailureThreshold: 2}
	return pod
}

// grpcServer is a pod with a server of gRPC's health protocol: etcd, which the nodes have.
func grpcServer(name, node string, annotations map[string]string) *corev1.Pod {
	const port = 2379
	command := fmt.Sprintf("exec /programs/etcd --data-dir=/tmp/etcd --listen-client-urls=http://0.0.0.0:%[1]d --advertise-client-urls=http://127.0.0.1:%[1]d", port)
	pod := probed(name, node, command, annotations, corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: port}})
	pod.Spec.Volumes = []corev1.Volume{{Name: "programs", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: os.Getenv("NORTHBOUND_CLUSTER_PROGRAMS")},
	}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "programs", MountPath: "/programs", ReadOnly: true}}
	return pod
}

func TestTheKubeletsProbesReachPodsOfACustomVpc(t *testing.T) {
	t.Parallel()
	s := subnet(t, v1.SubnetSpec{Vpc: vpc(t), CIDRBlock: "10.18.1.0/24"})
	ns := namespace(t)
	pods := map[string]*corev1.Pod{
		"http": probed("http", node1, serve, in(s), httpGet("http")),
		"tcp":  probed("tcp", node2, serve, in(s), tcpSocket(8080)),
		"grpc": grpcServer("grpc", node1, in(s)),
	}
	for _, pod := range pods {
		create(t, ns, alive(pod))
	}
	for name := range pods {
		ready(t, ns, name)
	}
	const many = 20 // of readiness and of life
	eventually(t, "probes of http", func(ctx context.Context) error {
		log, err := kube.CoreV1().Pods(ns).GetLogs("http", &corev1.PodLogOptions{}).DoRaw(ctx)
		if n := strings.Count(string(log), "response:200"); err == nil && n < many {
			err = fmt.Errorf("%d of %d", n, many)
		}
		return err
	})
	for name := range pods {
		if pod, err := kube.CoreV1().Pods(ns).Get(t.Context(), name, metav1.GetOptions{}); err != nil || !isReady(pod) || restarts(pod) > 0 {
			t.Errorf("%s: ready is %v after %d restarts: %s (%v)", name, isReady(pod), restarts(pod), why(t.Context(), pod), err)
		}
	}

	// They say what the pod says: where nobody listens, nobody is alive.
	for _, name := range []string{"http", "tcp"} {
		if _, err := inPod(t.Context(), ns, name, "killall", "httpd"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"http", "tcp"} {
		eventually(t, "another start of "+name, func(ctx context.Context) error {
			pod, err := kube.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err == nil && (restarts(pod) == 0 || !isReady(pod)) {
				err = fmt.Errorf("%d restarts, ready is %v", restarts(pod), isReady(pod))
			}
			return err
		})
	}
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for _, c := range pod.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}

func TestProbesOfPodsWithOneAddressAreAnsweredByTheRightPodOrRefused(t *testing.T) {
	t.Parallel()
	const address = "10.18.2.10"
	var subnets []string
	for range 2 {
		subnets = append(subnets, subnet(t, v1.SubnetSpec{Vpc: vpc(t), CIDRBlock: "10.18.2.0/24"}))
	}
	ns := namespace(t)
	at := func(i int) map[string]string { return in(subnets[i], v1.AnnotationIPAddress, address) }

	// On two nodes, each is asked for what it alone has.
	create(t, ns, probed("one", node1, serve, at(0), httpGet("one")))
	create(t, ns, probed("far", node2, serve, at(1), httpGet("far")))
	ready(t, ns, "one")
	ready(t, ns, "far")
	now := int64(0)
	if err := kube.CoreV1().Pods(ns).Delete(t.Context(), "far", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}

	// On one node, the second, which has no server, would be ready by the first one's answer.
	seen := observe(t, ns, "near")
	eventually(t, "the second pod", func(ctx context.Context) error { // its address is free in a moment
		_, err := kube.CoreV1().Pods(ns).Create(ctx, probed("near", node1, "exec sleep 1000000", at(1), httpGet("one")), metav1.CreateOptions{})
		return err
	})
	for _, name := range []string{"one", "near"} {
		eventually(t, "an event of "+name, func(ctx context.Context) error {
			events, err := kube.CoreV1().Events(ns).List(ctx, metav1.ListOptions{
				FieldSelector: fields.Set{"involvedObject.name": name, "reason": "ProbeRefused"}.String(),
			})
			if err == nil && (len(events.Items) == 0 || !strings.Contains(events.Items[0].Message, address)) {
				err = fmt.Errorf("there are %v", events.Items)
			}
			return err
		})
	}
	eventually(t, "refused probes of both", func(ctx context.Context) error {
		for _, name := range []string{"one", "near"} {
			pod, err := kube.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if isReady(pod) || pod.Status.Phase != corev1.PodRunning {
				return fmt.Errorf("%s is %s, ready is %v", name, pod.Status.Phase, isReady(pod))
			}
		}
		return nil
	})
	if err := kube.CoreV1().Pods(ns).Delete(t.Context(), "near", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	ready(t, ns, "one")
	if seen.Load() {
		t.Error("a pod without a server was ready: another one answered its probe")
	}
}

// observe says whether a pod has ever been ready from now on.
func observe(t *testing.T, namespace, name string) *atomic.Bool {
	t.Helper()
	w, err := kube.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Bool
	go func() {
		for e := range w.ResultChan() {
			if pod, ok := e.Object.(*corev1.Pod); ok && isReady(pod) {
				seen.Store(true)
			}
		}
	}()
	t.Cleanup(w.Stop)
	return &seen
}
