//go:build cluster

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

const (
	node1 = "node1"
	node2 = "node2"
	// system is the namespace of Northbound itself.
	system = "northbound-system"
	image  = "northbound.local/busybox:dev"
	// patience is how long anything may take that is waited for.
	patience = 60 * time.Second
)

var (
	// lab is the command line of the cluster, as the script passes it.
	lab = strings.Fields(os.Getenv("NORTHBOUND_LAB_COMMAND"))

	kube  *kubernetes.Clientset
	north *versioned.Clientset
	nodes = map[string]string{} // addresses by name
)

func TestMain(m *testing.M) {
	if os.Getenv(internetVariable) != "" {
		serveInternet()
	}
	if address := os.Getenv(stationVariable); address != "" {
		serveStation(address)
	}
	if err := connect(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func connect(ctx context.Context) error {
	if len(lab) == 0 {
		return errors.New("run hack/test-cluster.sh: it brings up the cluster that these tests are for")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS = -1
	if kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if north, err = versioned.NewForConfig(config); err != nil {
		return err
	}
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				nodes[n.Name] = a.Address
			}
		}
	}
	return nil
}

// run runs a command and returns what it writes.
func run(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// inNode runs a command in a node's namespaces.
func inNode(ctx context.Context, node string, command ...string) (string, error) {
	return run(ctx, append(append(append([]string{}, lab...), "exec", node), command...)...)
}

// inPod runs a command in a pod's first container, or in the one that "name/container" says.
func inPod(ctx context.Context, namespace, pod string, command ...string) (string, error) {
	name, container, ok := strings.Cut(pod, "/")
	args := append(append([]string{}, lab...), "kubectl", "--namespace="+namespace, "exec", name)
	if ok {
		args = append(args, "--container="+container)
	}
	return run(ctx, append(append(args, "--"), command...)...)
}

// eventually calls try until it returns nil, and fails the test with its last error when that takes too long.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	if err := retry(t.Context(), try); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// retry is eventually for what has no test to fail, as the end of one.
func retry(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
