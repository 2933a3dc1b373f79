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
	flag.StringVar(&o.only, "only", "", "crd: the comparison; subnets: many Subnets in one Vpc; nat: translations of external addresses; scale: 50,000 IPs; default: all")
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
	for _, part := range []struct {
		name string
		run  func(context.Context, options, string) error
	}{{"crd", runCompare}, {"subnets", runSubnets}, {"nat", runNat}, {"scale", runScale}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := part.run(ctx, o, filepath.Join(dir, part.name)); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func runCompare(ctx context.Context, o options, dir string) error {
	baseline, cp, err := startBaseline(ctx, o.clusterPrograms, filepath.Join(dir, "kubernetes"))
	if err != nil {
		return err
	}
	defer cp.Stop()
	targets := []*target{baseline}
	for i, northd := range []bool{true, false} {
		n, err := newNorthbound(ctx, o.northboundPrograms, filepath.Join(dir, fmt.Sprint(i)), 7443+i, northd)
		if err != nil {
			return err
		}
		defer n.stop()
		if err := n.addSubnets(ctx); err != nil {
			return err
		}
		targets = append(targets, n.target)
	}
	return compare(ctx, os.Stdout, o.rounds, workloads, targets...)
}

func runSubnets(ctx context.Context, o options, dir string) error {
	n, err := newNorthbound(ctx, o.northboundPrograms, dir, 7443, true)
	if err != nil {
		return err
	}
	defer n.stop()
	return manySubnets(ctx, os.Stdout, n)
}

// runNat measures beside ovn-northd, and what everything but ovn-northd costs.
func runNat(ctx context.Context, o options, dir string) error {
	for i, northd := range []bool{true, false} {
		n, err := newNorthbound(ctx, o.northboundPrograms, filepath.Join(dir, fmt.Sprint(i)), 7443, northd)
		if err != nil {
			return err
		}
		err = manyTranslations(ctx, os.Stdout, n)
		n.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func runScale(ctx context.Context, o options, dir string) error {
	n, err := newNorthbound(ctx, o.northboundPrograms, dir, 7443, false)
	if err != nil {
		return err
	}
	defer n.stop()
	return atScale(ctx, os.Stdout, n)
}
