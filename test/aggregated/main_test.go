//go:build aggregated

package aggregated

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// The script passes the programs' folders.
var (
	clusterPrograms    = os.Getenv("NORTHBOUND_CLUSTER_PROGRAMS") // etcd, kube-apiserver, kube-controller-manager
	northboundPrograms = os.Getenv("NORTHBOUND_PROGRAMS")         // northbound-apiserver, kubectl
)

// server is Northbound as an aggregated API server.
var server = controlplane.Aggregated{Name: "northbound", Port: 8443, GroupVersion: v1.SchemeGroupVersion}

// cluster is what all tests share: none changes another's objects.
var cluster struct {
	*controlplane.ControlPlane
	nb         *ovn.Central
	admin      *rest.Config
	kubeconfig string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if clusterPrograms == "" || northboundPrograms == "" {
		return 1, errors.New("run hack/test-aggregated.sh: it builds what these tests need")
	}
	ctx, start := context.Background(), time.Now()
	if err := controlplane.Isolate(ctx); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "northbound-aggregated-")
	if err != nil {
		return 1, err
	}
	defer func() {
		if code == 0 && err == nil {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintf(os.Stderr, "logs are in %s and %s\n", filepath.Join(dir, "log"), filepath.Join(dir, "nb"))
	}()
	config := controlplane.Config{Programs: clusterPrograms, Dir: dir, Audit: true}
	if cluster.ControlPlane, err = controlplane.Start(ctx, config); err != nil {
		return 1, err
	}
	defer cluster.Stop()
	if cluster.admin, err = cluster.User("admin", "system:masters"); err != nil {
		return 1, err
	}
	if cluster.kubeconfig, err = cluster.Kubeconfig("admin", "system:masters"); err != nil {
		return 1, err
	}
	if cluster.nb, err = ovn.Start(ctx, ovn.Config{Dir: filepath.Join(dir, "nb"), Clustered: true, Northd: true}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.nb.Stop()) }()
	process, err := startNorthbound(ctx, dir)
	if err != nil {
		return 1, err
	}
	defer process.Stop(2 * time.Second)
	if err := cluster.Register(ctx, server); err != nil {
		return 1, err
	}
	if err := cluster.StartControllerManager(ctx); err != nil {
		return 1, err
	}
	fmt.Printf("the cluster with %v is up after %v\n", server.GroupVersion, time.Since(start).Round(100*time.Millisecond))
	return m.Run(), nil
}

// startNorthbound returns when the server is ready.
func startNorthbound(ctx context.Context, dir string) (*controlplane.Process, error) {
	credentials, err := cluster.Prepare(ctx, server)
	if err != nil {
		return nil, err
	}
	process, err := controlplane.StartProcess(controlplane.Command{
		Name: "northbound-apiserver",
		Path: filepath.Join(northboundPrograms, "northbound-apiserver"),
		Args: []string{
			"--nb-address=" + cluster.nb.NBAddress(),
			"--kubeconfig=" + credentials.Kubeconfig,
			"--authentication-kubeconfig=" + credentials.Kubeconfig,
			"--authorization-kubeconfig=" + credentials.Kubeconfig,
			"--tls-cert-file=" + credentials.CertFile,
			"--tls-private-key-file=" + credentials.KeyFile,
			"--secure-port=" + strconv.Itoa(int(server.Port)),
		},
		Dir: filepath.Join(dir, "log"),
	})
	if err != nil {
		return nil, err
	}
	// Readiness is asked for directly; who answers is checked by kube-apiserver later.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	url := "https://" + net.JoinHostPort(controlplane.Addr.String(), strconv.Itoa(int(server.Port))) + "/readyz/nb"
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	err = process.Await(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	})
	if err != nil {
		process.Kill()
		return nil, err
	}
	return process, nil
}
