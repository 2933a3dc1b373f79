//go:build aggregated

package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// cluster is what all tests share; each test has namespaces and Subnets of its own.
var cluster struct {
	*controlplane.Cluster

	kubernetes kubernetes.Interface
	northbound clientset.Interface

	controllerKubeconfig string // of its service account, with the rights of artifacts/controller/rbac.yaml and no more
	controller           *controlplane.Process
}

func TestMain(m *testing.M) {
	controlplane.Main("controller", func(ctx context.Context, c *controlplane.Cluster) (code int, err error) {
		cluster.Cluster = c
		if err := connect(ctx); err != nil {
			return 1, err
		}
		if cluster.controller, err = startController(ctx, "northbound-controller", "127.0.0.1:10660"); err != nil {
			return 1, err
		}
		defer func() { cluster.controller.Stop(5 * time.Second) }()
		return m.Run(), nothingWasForbidden()
	})
}

// nothingWasForbidden holds the controller's requests to the rights of artifacts/controller/rbac.yaml.
func nothingWasForbidden() error {
	log, err := os.ReadFile(cluster.AuditLog)
	if err != nil {
		return err
	}
	requests := 0
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `"username":"system:serviceaccount:northbound-system:northbound-controller"`) {
			continue
		}
		if requests++; strings.Contains(line, `"code":403`) {
			err = errors.Join(err, fmt.Errorf("the controller lacks rights: %s", line))
		}
	}
	if requests == 0 {
		return errors.New("no request of the controller was audited")
	}
	return err
}

// connect makes the clients of the tests and the identity of the controller.
func connect(ctx context.Context) error {
	cluster.kubernetes = kubernetes.NewForConfigOrDie(cluster.Admin)
	cluster.northbound = clientset.NewForConfigOrDie(cluster.Admin)
	for _, args := range [][]string{
		{"create", "namespace", "northbound-system"},
		{"apply", "-f", "testdata/virtualmachines.yaml"},
		{"apply", "-f", "../../artifacts/controller/rbac.yaml"},
	} {
		command := exec.CommandContext(ctx, filepath.Join(cluster.Programs, "kubectl"), args...)
		command.Env = append(os.Environ(), "KUBECONFIG="+cluster.AdminKubeconfig, "KUBECACHEDIR="+cluster.AdminKubeconfig+".cache", "KUBERC=off")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %v: %w: %s", args, err, out)
		}
	}
	// The one that newPod's pods are on: the controller manager leaves out endpoints on nodes that do not exist.
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	if _, err := cluster.kubernetes.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	hours := int64(3 * 3600)
	token, err := cluster.kubernetes.CoreV1().ServiceAccounts("northbound-system").CreateToken(ctx, "northbound-controller",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	admin, err := clientcmd.LoadFromFile(cluster.AdminKubeconfig)
	if err != nil {
		return err
	}
	for name := range admin.AuthInfos {
		admin.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	}
	cluster.controllerKubeconfig = filepath.Join(cluster.Dir, "controller.kubeconfig")
	return clientcmd.WriteToFile(*admin, cluster.controllerKubeconfig)
}

// startController starts a replica and waits until it is healthy; its log has the name.
func startController(ctx context.Context, name, address string, flags ...string) (*controlplane.Process, error) {
	process, err := controlplane.StartProcess(controlplane.Command{
		Name: name,
		Path: filepath.Join(cluster.Programs, "northbound-controller"),
		Args: append([]string{"--kubeconfig=" + cluster.controllerKubeconfig, "--bind-address=" + address, "--v=2"}, flags...),
		Dir:  filepath.Join(cluster.Dir, "log"),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	err = process.Await(ctx, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+address+"/readyz")
		return err
	})
	if err != nil {
		process.Kill()
		return nil, err
	}
	return process, nil
}

// get is the body of an answer.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}
