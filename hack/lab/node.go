package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed containerd.toml
var containerdConfig []byte

//go:embed kubelet.yaml
var kubeletConfig string

const containerdSocket = "/run/containerd/containerd.sock"

// runNode is the first process of a node's namespaces: its file system, containerd with the images, and, when a line on the
// standard input says that there is a network and a kube-apiserver, the kubelet.
func (l *lab) runNode(n int) error {
	if err := unix.Sethostname([]byte(nodeName(n))); err != nil {
		return err
	}
	if err := l.mountNode(n); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	if n == entry {
		if err := admitControlPlane(); err != nil {
			return err
		}
	}
	if err := l.startContainerd(n); err != nil {
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if err := l.startKubelet(n); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.NewFile(3, "ready"), "ready"); err != nil {
		return err
	}
	reap()
	return nil
}

// reap waits for every process that ends, as a first process has to: those of its own and those that lost their parents.
func reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case status.Signaled() || status.ExitStatus() != 0:
			fmt.Fprintf(os.Stderr, "process %d ended: signal %v, status %d\n", pid, status.Signal(), status.ExitStatus())
		}
	}
}

// mountNode gives the node a file system of its own. /run is empty; /etc, /opt and /var are the machine's with the node's
// changes on top; what the node's programs fill starts empty, as folders below the cluster's state that can be seen from
// outside. All else is shared with the machine.
func (l *lab) mountNode(n int) error {
	state := func(elem ...string) string { return l.path(append([]string{nodeName(n)}, elem...)...) }
	m := &mounts{}
	m.mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	m.mount("proc", "/proc", "proc", 0, "")
	m.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
	for _, d := range []string{"/etc", "/opt", "/var"} {
		upper, work := state("upper", d), state("work", d)
		m.folder(upper)
		m.folder(work)
		m.mount("overlay", d, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", d, upper, work))
	}
	for _, d := range []string{
		"/etc/cni/net.d", "/etc/openvswitch", "/opt/cni/bin",
		"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/northbound", "/var/lib/ovn", "/var/log",
	} {
		m.folder(state(d))
		m.folder(d)
		m.mount(state(d), d, "", unix.MS_BIND, "")
	}
	// A new sysfs, because that shows the interfaces of the network namespace that it is mounted in, with the machine's cgroups.
	m.folder("/run/cgroup")
	m.mount("/sys/fs/cgroup", "/run/cgroup", "", unix.MS_BIND|unix.MS_REC, "")
	m.mount("sysfs", "/sys", "sysfs", 0, "")
	m.mount("/run/cgroup", "/sys/fs/cgroup", "", unix.MS_BIND|unix.MS_REC, "")
	m.unmount("/run/cgroup")
	// Containers may ask for mounts to be passed on, within the node.
	m.mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
	for _, d := range []string{"/run/netns", "/run/lock", "/run/openvswitch", "/run/ovn"} {
		m.folder(d)
	}
	return m.err
}

// mounts does one thing after the other until one fails.
type mounts struct{ err error }

func (m *mounts) mount(source, target, kind string, flags uintptr, data string) {
	if m.err == nil {
		if err := unix.Mount(source, target, kind, flags, data); err != nil {
			m.err = fmt.Errorf("mount %s %s: %w", kind, target, err)
		}
	}
}

func (m *mounts) unmount(target string) {
	if m.err == nil {
		m.err = unix.Unmount(target, unix.MNT_DETACH)
	}
}

func (m *mounts) folder(path string) {
	if m.err == nil {
		m.err = os.MkdirAll(path, 0o755)
	}
}

// startContainerd returns when containerd serves and has all images.
func (l *lab) startContainerd(n int) error {
	config := "/run/containerd.toml"
	if err := os.WriteFile(config, containerdConfig, 0o644); err != nil {
		return err
	}
	// containerd 1.6 calls this plugin itself, before those of the configuration.
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if plugin, err := os.ReadFile(filepath.Join(dir, "loopback")); err == nil {
			if err := os.WriteFile("/opt/cni/bin/loopback", plugin, 0o755); err != nil {
				return err
			}
			break
		}
	}
	exited, err := l.daemon(n, "containerd", "containerd", "--config", config)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := exec.Command("ctr", "version").Run()
		if err == nil {
			break
		}
		select {
		case err := <-exited:
			return fmt.Errorf("containerd ended: %w", err)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("containerd does not answer: %w", err)
		}
	}
	images, err := filepath.Glob(filepath.Join(l.images(), "*.tar"))
	if err != nil {
		return err
	}
	for _, i := range images {
		if out, err := exec.Command("ctr", "--namespace=k8s.io", "images", "import", i).CombinedOutput(); err != nil {
			return fmt.Errorf("image %s: %w: %s", i, err, out)
		}
	}
	return nil
}

func (l *lab) startKubelet(n int) error {
	config := "/var/lib/kubelet/config.yaml"
	f, err := os.Create(config)
	if err != nil {
		return err
	}
	err = template.Must(template.New("kubelet.yaml").Parse(kubeletConfig)).Execute(f, map[string]string{
		"ClientCA":   l.path("control-plane", "pki", "ca.crt"),
		"Containerd": containerdSocket,
		"CgroupRoot": "/" + l.cgroup(nodeName(n)),
		"ClusterDNS": clusterDNS,
	})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = l.daemon(n, "kubelet", filepath.Join(l.programs, "kubelet"),
		"--config="+config, "--kubeconfig="+l.nodeKubeconfig(n),
		"--hostname-override="+nodeName(n), "--node-ip="+nodeAddr(n).String(), "--v=2")
	return err
}

// daemon starts a program of the node with its output in a log. It is waited for by reap, and before that by nobody.
func (l *lab) daemon(n int, name, program string, args ...string) (<-chan error, error) {
	log, err := os.Create(filepath.Join(l.logs(), nodeName(n)+"."+name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	return exited, nil
}
