package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// deploy installs Northbound from the manifests that every other cluster gets, with what is different here on top.
func (l *lab) deploy() error {
	c := l.kubectl("apply", "--server-side", "--kustomize", filepath.Join(l.source, "hack", "lab", "deploy"))
	c.Stdout = nil
	if err := c.Run(); err != nil {
		return fmt.Errorf("kubectl apply --kustomize hack/lab/deploy: %w", err)
	}
	return nil
}

// awaitPods returns when all workloads of Northbound are as they should be.
func (l *lab) awaitPods() error {
	for workload, condition := range map[string]string{
		"deployment":  "condition=Available",
		"daemonset":   fmt.Sprintf("jsonpath={.status.numberReady}=%d", l.nodes),
		"statefulset": "jsonpath={.status.readyReplicas}=1",
	} {
		c := l.kubectl("--namespace=northbound-system", "wait", workload, "--all", "--for="+condition, "--timeout="+(2*time.Minute).String())
		c.Stdout = nil
		if err := c.Run(); err != nil {
			return fmt.Errorf("%ss of Northbound: %w", workload, err)
		}
	}
	return nil
}
