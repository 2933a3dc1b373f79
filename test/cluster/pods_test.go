//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// namespace makes a namespace that goes, with all that is in it, when the test ends.
func namespace(t *testing.T) string {
	t.Helper()
	ns, err := kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeNamespace(t, ns.Name) })
	return ns.Name
}

// removeNamespace returns when the namespace and the addresses of its pods are gone.
func removeNamespace(t *testing.T, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	now := int64(0)
	if err := kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil && !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	for {
		_, err := kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		left, listErr := addresses(ctx, name)
		if apierrors.IsNotFound(err) && listErr == nil && len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("namespace %s remains (%v), and with it the addresses %v (%v)", name, err, left, listErr)
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// addresses are the IPs of a namespace's pods, by the name of the IP.
func addresses(ctx context.Context, namespace string) (map[string]string, error) {
	list, err := north.KubeovnV1().IPs().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, ip := range list.Items {
		if ip.Spec.Namespace == namespace {
			found[ip.Name] = ip.Spec.V4IPAddress
		}
	}
	return found, nil
}

// webServer answers at port 8080 with the pod's name, and at /cgi-bin/client with the client's address.
const webServer = `mkdir -p /www/cgi-bin && echo $NAME >/www/index.html &&
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n$REMOTE_ADDR"\n' >/www/cgi-bin/client && chmod +x /www/cgi-bin/client &&
exec httpd -f -p 8080 -h /www`

// template is a pod with the web server, on a node unless that is empty.
func template(node string, annotations map[string]string) corev1.PodTemplateSpec {
	now := int64(0)
	spec := corev1.PodSpec{
		TerminationGracePeriodSeconds: &now,
		Containers: []corev1.Container{{
			Name: "web", Image: image,
			Command: []string{"sh", "-c", webServer},
			Env:     []corev1.EnvVar{{Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
			// Not over the network: pods of custom Vpcs are none of the node's.
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{
				Command: []string{"wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"},
			}}},
		}},
	}
	if node != "" {
		spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: annotations},
		Spec:       spec,
	}
}

// start makes a pod of the template; ready waits for it.
func start(t *testing.T, namespace, name, node string, annotations map[string]string) {
	t.Helper()
	create(t, namespace, podOf(name, node, annotations))
}

// podOf is a pod of the template.
func podOf(name, node string, annotations map[string]string) *corev1.Pod {
	p := template(node, annotations)
	pod := &corev1.Pod{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
	pod.Name = name
	return pod
}

func create(t *testing.T, namespace string, pod *corev1.Pod) {
	t.Helper()
	// The service account of a new namespace comes a moment later.
	eventually(t, "create pod "+pod.Name, func(ctx context.Context) error {
		_, err := kube.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
}

// ready waits until a pod is, and returns its address.
func ready(t *testing.T, namespace, name string) string {
	t.Helper()
	var address string
	eventually(t, "pod "+name, func(ctx context.Context) error {
		pod, err := kube.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !isReady(pod) {
			return errors.New("is not ready: " + why(ctx, pod))
		}
		address = pod.Status.PodIP
		return nil
	})
	return address
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// why is what the last event says about a pod.
func why(ctx context.Context, pod *corev1.Pod) string {
	events, err := kube.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.name", pod.Name).String()})
	if err != nil || len(events.Items) == 0 {
		return string(pod.Status.Phase)
	}
	return events.Items[len(events.Items)-1].Message
}

// started makes a pod and returns its address when it is ready.
func started(t *testing.T, namespace, name, node string, annotations map[string]string) string {
	t.Helper()
	start(t, namespace, name, node, annotations)
	return ready(t, namespace, name)
}

// service makes a Service in front of all pods of the template.
func service(t *testing.T, namespace, name string, change func(*corev1.Service)) string {
	t.Helper()
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}
	if change != nil {
		change(s)
	}
	s, err := kube.CoreV1().Services(namespace).Create(t.Context(), s, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Spec.ClusterIP
}

// subnet makes a Subnet, with a name of its own, that goes when the test ends.
func subnet(t *testing.T, spec v1.SubnetSpec) string {
	t.Helper()
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "test-" + rand.String(6)}, Spec: spec}
	if _, err := north.KubeovnV1().Subnets().Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := north.KubeovnV1().Subnets().Delete(context.Background(), s.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return s.Name
}

// vpc makes a Vpc, with a name of its own, that goes when the test ends.
func vpc(t *testing.T) string {
	t.Helper()
	v := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "test-" + rand.String(6)}}
	if _, err := north.KubeovnV1().Vpcs().Create(t.Context(), v, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := north.KubeovnV1().Vpcs().Delete(context.Background(), v.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return v.Name
}

// in is the annotations of a pod in a Subnet.
func in(subnet string, more ...string) map[string]string {
	a := map[string]string{v1.AnnotationLogicalSwitch: subnet}
	for i := 0; i < len(more); i += 2 {
		a[more[i]] = more[i+1]
	}
	return a
}

// fetch gets a page from within a pod.
func fetch(ctx context.Context, namespace, pod, url string) (string, error) {
	return inPod(ctx, namespace, pod, "timeout", "3", "wget", "-q", "-O", "-", url)
}

// answers checks that a pod gets a page, and which.
func answers(t *testing.T, namespace, pod, url, want string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s from %s", url, pod), func(ctx context.Context) error {
		got, err := fetch(ctx, namespace, pod, url)
		if err == nil && got != want {
			err = fmt.Errorf("%q answers, want %q", got, want)
		}
		return err
	})
}

// pings checks that a pod gets echoes of packets as large as the network takes.
func pings(t *testing.T, namespace, pod, address string) {
	t.Helper()
	eventually(t, fmt.Sprintf("ping %s from %s", address, pod), func(ctx context.Context) error {
		_, err := inPod(ctx, namespace, pod, "ping", "-c", "1", "-W", "1", "-s", "1372", address)
		return err
	})
}

// silent checks that a pod gets no echo from an address.
func silent(t *testing.T, namespace, pod, address string) {
	t.Helper()
	if out, err := inPod(t.Context(), namespace, pod, "ping", "-c", "3", "-i", "0.2", "-W", "1", address); err == nil {
		t.Errorf("%s reaches %s, which is not in its network: %s", pod, address, strings.ReplaceAll(out, "\n", "; "))
	}
}
