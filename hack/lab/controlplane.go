package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// runControlPlane is the first process of the control plane's namespaces: etcd and the programs of Kubernetes end with it.
// It says on descriptor 3 when they serve.
func (l *lab) runControlPlane() error {
	ready := os.NewFile(3, "ready")
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if err := controlplane.Isolate(ctx); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	cp, err := controlplane.Start(ctx, controlplane.Config{Programs: l.programs, Dir: l.path("control-plane")})
	if err != nil {
		return err
	}
	defer cp.Stop()
	users := map[string][]string{"admin": {"system:masters"}}
	for n := 1; n <= l.nodes; n++ {
		users["system:node:"+nodeName(n)] = []string{"system:nodes"}
	}
	for user, groups := range users {
		if _, err := cp.Kubeconfig(user, groups...); err != nil {
			return err
		}
	}
	if err := errors.Join(cp.StartControllerManager(ctx), cp.StartScheduler()); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(ready, "ready"); err != nil {
		return err
	}
	_ = ready.Close()
	<-ctx.Done()
	return nil
}

// nodeKubeconfig is that of a node's kubelet.
func (l *lab) nodeKubeconfig(n int) string {
	return l.path("control-plane", "pki", "system-node-"+nodeName(n)+".kubeconfig")
}
