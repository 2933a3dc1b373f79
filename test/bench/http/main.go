package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

type options struct {
	clusterPrograms    string
	northboundPrograms string
	rounds             int
	only               string
}

func main() {
	var o options
	flag.StringVar(&o.clusterPrograms, "cluster-programs", "", "folder of etcd and kube-apiserver")
	flag.StringVar(&o.northboundPrograms, "programs", "bin", "folder of northbound-apiserver")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each case")
	flag.StringVar(&o.only, "only", "", "crd: the comparison; subnets: many Subnets in one Vpc; scale: 50,000 IPs; default: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := controlplane.Isolate(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "northbound-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	baseline, cp, err := startBaseline(ctx, o.clusterPrograms, filepath.Join(dir, "kubernetes"))
	if err != nil {
		return err
	}
	defer cp.Stop()
	fmt.Print(compareHeader)
	return compare(ctx, os.Stdout, o.rounds, workloads, baseline)
}
