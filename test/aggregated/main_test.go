//go:build aggregated

package aggregated

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	process, err := cluster.StartNorthbound(ctx, northboundPrograms, cluster.nb.NBAddress(), server)
	if err != nil {
		return 1, err
	}
	defer process.Stop(2 * time.Second)
	if err := cluster.StartControllerManager(ctx); err != nil {
		return 1, err
	}
	fmt.Printf("the cluster with %v is up after %v\n", server.GroupVersion, time.Since(start).Round(100*time.Millisecond))
	return m.Run(), nil
}
