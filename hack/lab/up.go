package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	controlPlaneFlags = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID
	nodeFlags         = controlPlaneFlags | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS
)

// up starts the cluster and returns when its nodes are registered or, with Northbound as their network, when all is ready.
func (l *lab) up(northbound bool) error {
	started := time.Now()
	progress := func(what string) { fmt.Printf("[%5.1f s] %s\n", time.Since(started).Seconds(), what) }
	if err := l.check(); err != nil {
		return err
	}
	if err := l.down(); err != nil {
		return err
	}
	if err := l.removeOldLogs(); err != nil {
		return err
	}
	if err := os.MkdirAll(l.path("control-plane"), 0o755); err != nil {
		return err
	}
	cp, nodes, err := l.startAll()
	if err != nil {
		return err
	}
	if err := cp.await(2 * time.Minute); err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	progress("the control plane serves")
	if err := l.connect(cp, nodes); err != nil {
		return err
	}
	for i, n := range nodes {
		if _, err := fmt.Fprintln(n.tell, "go on"); err != nil {
			return fmt.Errorf("%s: %w", nodeName(i+1), err)
		}
	}
	for i, n := range nodes {
		if err := n.await(2 * time.Minute); err != nil {
			return fmt.Errorf("%s: %w", nodeName(i+1), err)
		}
	}
	progress("the kubelets run")
	if northbound {
		if err := l.deploy(); err != nil {
			return err
		}
		progress("Northbound is deployed")
	}
	if err := l.awaitNodes(northbound); err != nil {
		return err
	}
	if northbound {
		if err := l.awaitPods(); err != nil {
			return err
		}
	}
	progress("the cluster is ready")
	l.explain()
	return nil
}

func (l *lab) explain() {
	in := fmt.Sprintf("ip netns exec %s", l.networkNamespace("cp"))
	fmt.Printf(`kubectl:        %[1]s/lab -name %[2]s kubectl get pods -A
other clients:  %[3]s env KUBECONFIG=%[4]s COMMAND
inside a node:  %[1]s/lab -name %[2]s exec node1 COMMAND
`, l.bin, l.name, in, l.admin())
}

// startAll starts the control plane and the nodes; these wait for the former.
func (l *lab) startAll() (cp *first, nodes []*first, err error) {
	if cp, err = l.start("cp", controlPlaneFlags, roleControlPlane); err != nil {
		return nil, nil, err
	}
	if err := nameNamespace(l.networkNamespace("cp"), cp.pid); err != nil {
		return nil, nil, err
	}
	for n := 1; n <= l.nodes; n++ {
		if err := makeCgroup(l.cgroup(nodeName(n))); err != nil {
			return nil, nil, err
		}
		node, err := l.start(nodeName(n), nodeFlags, roleNode, strconv.Itoa(n))
		if err != nil {
			return nil, nil, err
		}
		if err := nameNamespace(l.networkNamespace(nodeName(n)), node.pid); err != nil {
			return nil, nil, err
		}
		nodes = append(nodes, node)
	}
	return cp, nodes, nil
}

// connect joins the nodes and the control plane. That has its address on the loopback interface already.
func (l *lab) connect(cp *first, nodes []*first) error {
	control, err := openNetwork(cp.pid)
	if err != nil {
		return err
	}
	defer control.close()
	if err := control.bridge(nodeBridge, netip.PrefixFrom(gateway, nodeBits)); err != nil {
		return err
	}
	for _, name := range []string{underlayBridge, physicalBridge} {
		if err := control.bridge(name, netip.Prefix{}); err != nil {
			return err
		}
	}
	for i, n := range nodes {
		node, err := openNetwork(n.pid)
		if err != nil {
			return err
		}
		err = connectNode(control, node, i+1)
		node.close()
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(i+1), err)
		}
	}
	return routeToOverlay(control)
}

// awaitNodes returns when all nodes are registered and, if wanted, ready.
func (l *lab) awaitNodes(ready bool) error {
	return l.poll(2*time.Minute, func() (string, bool) {
		c := l.kubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}`)
		c.Stdout, c.Stderr = nil, nil
		out, err := c.Output()
		if err != nil {
			return err.Error(), false
		}
		got := strings.Fields(string(out))
		done := len(got) == l.nodes
		for _, n := range got {
			done = done && (!ready || strings.HasSuffix(n, "=True"))
		}
		return "nodes: " + strings.Join(got, " "), done
	})
}

// poll calls a condition, which says what there is, until it is met.
func (l *lab) poll(timeout time.Duration, met func() (string, bool)) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(200 * time.Millisecond) {
		is, ok := met()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("gave up waiting; " + is)
		}
	}
}

// down ends every process of the cluster and removes what it made on this machine, but for the logs of its last run. It
// does not trust what an earlier run may have written about itself.
func (l *lab) down() error {
	where := []string{"cp"}
	for n := 1; n <= 9; n++ {
		where = append(where, nodeName(n))
	}
	err := kill(func() ([]int, error) {
		all, err := l.processes()
		var pids []int
		for _, p := range all {
			pids = append(pids, p.pid)
		}
		for _, w := range where {
			pids = append(pids, inNetwork(l.networkNamespace(w))...)
		}
		return pids, err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, w := range where {
		errs = append(errs, forgetNamespace(l.networkNamespace(w)))
	}
	errs = append(errs, removeCgroups(l.cgroup("")))
	entries, err := os.ReadDir(l.state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, e := range entries {
		if e.Name() != "log" {
			errs = append(errs, os.RemoveAll(filepath.Join(l.state, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// removeOldLogs removes the logs of clusters of any name that are down: nothing else is in their folders.
func (l *lab) removeOldLogs() error {
	clusters, err := os.ReadDir(filepath.Dir(l.state))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var errs []error
	for _, c := range clusters {
		dir := filepath.Join(filepath.Dir(l.state), c.Name())
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name() != "log" {
			continue // Not a cluster's folder, or that of one that may run.
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
