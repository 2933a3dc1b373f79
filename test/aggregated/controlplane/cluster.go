package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn"
)

// Northbound is Northbound as an aggregated API server.
var Northbound = Aggregated{Name: "northbound", Port: 8443, GroupVersion: v1.SchemeGroupVersion}

// Cluster is a control plane with Northbound, on databases of its own, as one of its servers: what all tests of a package share.
type Cluster struct {
	*ControlPlane
	NB              *ovn.Central
	Programs        string // the folder of northbound-apiserver, northbound-controller and kubectl
	Admin           *rest.Config
	AdminKubeconfig string // a file
}

// Main is what a package's TestMain does: it starts a cluster, has it used, stops all of it, and exits with the code that use returns, or
// with 1 and the error. What has run then leaves its folder of logs behind when it failed.
func Main(name string, use func(context.Context, *Cluster) (code int, err error)) {
	code, err := withCluster(context.Background(), name, use)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withCluster(ctx context.Context, name string, use func(context.Context, *Cluster) (int, error)) (code int, err error) {
	start := time.Now()
	config := Config{Programs: os.Getenv("NORTHBOUND_CLUSTER_PROGRAMS"), Audit: true}
	c := &Cluster{Programs: os.Getenv("NORTHBOUND_PROGRAMS")}
	if config.Programs == "" || c.Programs == "" {
		return 1, errors.New("run hack/test-aggregated.sh: it builds what these tests need")
	}
	if err := Isolate(ctx); err != nil {
		return 1, err
	}
	if config.Dir, err = os.MkdirTemp("", "northbound-"+name+"-"); err != nil {
		return 1, err
	}
	defer func() {
		if code == 0 && err == nil {
			err = os.RemoveAll(config.Dir)
			return
		}
		fmt.Fprintf(os.Stderr, "logs are in %s and %s\n", filepath.Join(config.Dir, "log"), filepath.Join(config.Dir, "nb"))
	}()
	if c.ControlPlane, err = Start(ctx, config); err != nil {
		return 1, err
	}
	defer c.Stop()
	if c.Admin, err = c.User("admin", "system:masters"); err != nil {
		return 1, err
	}
	if c.AdminKubeconfig, err = c.Kubeconfig("admin", "system:masters"); err != nil {
		return 1, err
	}
	if c.NB, err = ovn.Start(ctx, ovn.Config{Dir: filepath.Join(config.Dir, "nb"), Clustered: true, Northd: true}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, c.NB.Stop()) }()
	process, err := c.StartNorthbound(ctx, c.Programs, c.NB.NBAddress(), Northbound)
	if err != nil {
		return 1, err
	}
	defer process.Stop(2 * time.Second)
	if err := c.StartControllerManager(ctx); err != nil {
		return 1, err
	}
	fmt.Printf("the cluster with %v is up after %v\n", Northbound.GroupVersion, time.Since(start).Round(100*time.Millisecond))
	return use(ctx, c)
}
