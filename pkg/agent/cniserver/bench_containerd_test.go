package cniserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	criv1 "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// BenchmarkAddByContainerd measures what BenchmarkAdd does with pods' sandboxes that a containerd makes, asked through CRI as by a
// kubelet. The addition is what containerd's log has between "begin cni setup" and "cni result": the plugin's whole life,
// containerd's own plugin for the loopback device beside it, and libcni's cache.
//
// Both sides are measured with the address asked for when the sandbox is (our agent, and Kube-OVN's controller, see the pod while
// kubelet does), and "at-once", when the addition begins.
func BenchmarkAddByContainerd(b *testing.B) {
	n := started(b)
	peer := startPeer(n)
	c := startContainerd(n, map[string]*libcni.NetworkConfigList{"northbound": n.network("1.0.0"), "kube-ovn": peer.network()})
	ours, theirs := &byContainerd{c, "northbound"}, &byContainerd{c, "kube-ovn"}
	compare(n, b, func() []*side {
		return []*side{
			{name: "northbound", runtime: ours, meanwhile: func(_ context.Context, p *pod) error { n.pods.bound(p.object); return nil }},
			{name: "kube-ovn", runtime: theirs, meanwhile: func(_ context.Context, p *pod) error { return peer.allocate(p) }},
			{name: "northbound-at-once", runtime: ours},
			{name: "kube-ovn-at-once", runtime: theirs, meanwhile: func(ctx context.Context, p *pod) error {
				if err := c.log.await(ctx, c.log.addition(sandboxName(p)).begun); err != nil {
					return err
				}
				return peer.allocate(p)
			}},
		}
	})
}

// byContainerd is a runtime handler of a containerd.
type byContainerd struct {
	*containerd
	handler string
}

func (r *byContainerd) pod(name string) *pod { return &pod{node: r.node, object: r.object(name)} }

func (r *byContainerd) add(p *pod) (took, sandbox time.Duration, err error) {
	began := time.Now()
	answer, err := r.client.RunPodSandbox(p.Context(), &criv1.RunPodSandboxRequest{
		RuntimeHandler: r.handler,
		Config: &criv1.PodSandboxConfig{
			Metadata: &criv1.PodSandboxMetadata{Namespace: p.object.Namespace, Name: p.object.Name, Uid: string(p.object.UID)},
			Hostname: p.object.Name,
			Linux:    &criv1.LinuxPodSandboxConfig{CgroupParent: "/" + r.cgroup},
		},
	})
	if err != nil {
		return 0, 0, err
	}
	sandbox = time.Since(began)
	p.id = answer.PodSandboxId
	a := r.log.addition(sandboxName(p))
	if err := r.log.await(p.Context(), a.done); err != nil { // the log may be read later than the answer
		return 0, 0, err
	}
	return a.ended.Sub(a.began), sandbox, nil
}

// sandboxName is the name of a pod's sandbox in containerd's log.
func sandboxName(p *pod) string {
	return fmt.Sprintf("%s_%s_%s_0", p.object.Name, p.object.Namespace, p.object.UID)
}

func (r *byContainerd) remove(p *pod) {
	ctx := context.WithoutCancel(p.Context())
	_, stopped := r.client.StopPodSandbox(ctx, &criv1.StopPodSandboxRequest{PodSandboxId: p.id})
	_, removed := r.client.RemovePodSandbox(ctx, &criv1.RemovePodSandboxRequest{PodSandboxId: p.id})
	if err := errors.Join(stopped, removed); err != nil {
		p.Errorf("remove sandbox %s: %v", p.id, err)
	}
}

// containerd is one that has nothing in common with others on the machine, with a runtime handler for each of its networks.
type containerd struct {
	*node
	dir    string
	client criv1.RuntimeServiceClient
	cgroup string // of its sandboxes, in every hierarchy
	log    *containerdLog
}

const pauseImage = "northbound.local/pause:dev"

// containerdConfig is for a folder, and the handler that is used when none is named. The folder has "bin" with the plugins, "state"
// with all that is mounted, network namespaces among it, and the configuration of each handler's network.
const containerdConfig = `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[debug]
  level = "debug"
  format = "json"
[grpc]
  address = "%[1]s/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[1]s/bin"
    conf_dir = "%[1]s/%[2]s"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "%[2]s"
`

const containerdHandler = `    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%[2]s]
      runtime_type = "io.containerd.runc.v2"
      cni_conf_dir = "%[1]s/%[2]s"
`

// containerdInit is the first process of containerd's namespaces, whose end is that of all others. It waits for the shims, which
// leave their parents, too. What libcni keeps in /var/lib is not the machine's. Everything else that is mounted is seen from outside,
// where the servers look for the network namespaces.
const containerdInit = `set -e
for d in /proc /var/lib; do mount --make-private "$(stat -c %m $d)"; done
mount -t proc proc /proc
mount -t tmpfs tmpfs /var/lib
containerd --config "$1" &
wait $!`

// startContainerd starts a containerd in the node's network namespace and with process and mount namespaces of its own. It is
// gone with everything that it started, mounted and made when the test ends.
func startContainerd(n *node, networks map[string]*libcni.NetworkConfigList) *containerd {
	n.Helper()
	const loopback = "/usr/lib/cni/loopback" // containerd calls it for every sandbox
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", loopback} {
		if _, err := exec.LookPath(program); err != nil {
			n.Skipf("%v (make deps-lab)", err)
		}
	}
	c := &containerd{node: n, dir: ovntest.Dir(n)}
	c.cgroup = "northbound-" + filepath.Base(c.dir)
	c.must(os.Mkdir(c.path("bin"), 0o755))
	for _, plugin := range []string{loopback, filepath.Join(plugins, cni.Type)} {
		c.must(os.Symlink(plugin, c.path("bin", filepath.Base(plugin))))
	}
	var config string
	for name, network := range networks {
		if config == "" {
			config = fmt.Sprintf(containerdConfig, c.dir, name)
		}
		config += fmt.Sprintf(containerdHandler, c.dir, name)
		c.must(os.Mkdir(c.path(name), 0o755))
		c.must(os.WriteFile(c.path(name, "10.conflist"), network.Bytes, 0o644))
	}
	c.must(os.WriteFile(c.path("config.toml"), []byte(config), 0o644))
	c.mount(c.path("state"))
	n.Cleanup(c.removeCgroups)
	process := c.spawn()

	connection, err := grpc.NewClient("unix://"+c.path("containerd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	c.must(err)
	n.Cleanup(func() { connection.Close() })
	c.client = criv1.NewRuntimeServiceClient(connection)
	n.until("containerd serves", func() bool {
		select {
		case <-process.Done():
			n.Fatal("containerd has ended")
		default:
		}
		_, err := c.client.Version(n.Context(), &criv1.VersionRequest{})
		return err == nil
	})
	c.load(criv1.NewImageServiceClient(connection))
	return c
}

func (c *containerd) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

func (c *containerd) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// mount makes a folder where mounts of one mount namespace are seen in others.
func (c *containerd) mount(dir string) {
	c.Helper()
	c.must(os.Mkdir(dir, 0o755))
	c.must(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"))
	c.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil { // with all that is mounted below
			c.Error(err)
		}
	})
	c.must(unix.Mount("", dir, "", unix.MS_SHARED, ""))
}

// spawn starts the process and reads its log.
func (c *containerd) spawn() *vswitchtest.Process {
	c.Helper()
	read, write, err := os.Pipe()
	c.must(err)
	defer write.Close()
	c.log = readContainerdLog(c.node, read)
	cmd := c.Command(context.WithoutCancel(c.Context()), "sh", "-c", containerdInit, "containerd", c.path("config.toml"))
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	return vswitchtest.Spawn(c, "containerd", cmd)
}

// load makes the image of sandboxes and loads it.
func (c *containerd) load(images criv1.ImageServiceClient) {
	c.Helper()
	dir := c.path("images")
	c.must(goTool("build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "pause"), "github.com/northbound-ovn/northbound/hack/lab/pause"))
	c.must(goTool("run", "github.com/northbound-ovn/northbound/hack/images", "-bin", dir, "-out", dir, "pause"))
	ctr := exec.CommandContext(c.Context(), "ctr", "--address="+c.path("containerd.sock"), "--namespace=k8s.io", "images", "import", filepath.Join(dir, "pause.tar"))
	if out, err := ctr.CombinedOutput(); err != nil {
		c.Fatalf("%v: %v\n%s", ctr, err, out)
	}
	c.until("the image is known", func() bool {
		answer, err := images.ImageStatus(c.Context(), &criv1.ImageStatusRequest{Image: &criv1.ImageSpec{Image: pauseImage}})
		return err == nil && answer.Image != nil
	})
}

// removeCgroups removes the groups of sandboxes that have ended.
func (c *containerd) removeCgroups() {
	roots, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", c.cgroup))
	of1, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", c.cgroup))
	for _, root := range append(roots, of1...) {
		var groups []string
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		for _, group := range slices.Backward(groups) {
			if err := os.Remove(group); err != nil {
				c.Error(err)
			}
		}
	}
}

// containerdLog is what containerd's log tells of the additions.
type containerdLog struct {
	mu        sync.Mutex
	additions map[string]*addition // by the sandbox's name, and by its identifier
	// complaints are entries that are warnings or worse.
	complaints []string
	over       chan struct{}
}

// addition is when containerd began to add a sandbox's interfaces, once begun is closed, and when it had done so.
type addition struct {
	began, ended time.Time
	begun, done  chan struct{}
}

func readContainerdLog(n *node, from *os.File) *containerdLog {
	l := &containerdLog{additions: map[string]*addition{}, over: make(chan struct{})}
	go func() {
		defer close(l.over)
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			l.line(lines.Bytes())
		}
	}()
	n.Cleanup(func() {
		<-l.over // the process has been ended before
		from.Close()
		if n.Failed() {
			n.Logf("containerd: %s", strings.Join(l.complaints, "\n"))
		}
	})
	return l
}

func (l *containerdLog) line(text []byte) {
	var entry struct {
		Level, Msg, PodSandboxID string
		Time                     time.Time
	}
	if err := json.Unmarshal(text, &entry); err != nil {
		return // a shim's
	}
	if entry.Level != "debug" && entry.Level != "info" {
		l.complaints = append(l.complaints, string(text))
	}
	if quoted, ok := strings.CutPrefix(entry.Msg, "generated id for sandbox name "); ok {
		a := l.addition(strings.Trim(quoted, `"`))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.additions[entry.PodSandboxID] = a
		return
	}
	switch a := l.addition(entry.PodSandboxID); {
	case entry.Msg == "begin cni setup":
		a.began = entry.Time
		close(a.begun)
	case strings.HasPrefix(entry.Msg, "cni result"):
		a.ended = entry.Time
		close(a.done)
	}
}

// addition is the addition to a sandbox, which may not have begun.
func (l *containerdLog) addition(sandbox string) *addition {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.additions[sandbox]
	if !ok {
		a = &addition{begun: make(chan struct{}), done: make(chan struct{})}
		l.additions[sandbox] = a
	}
	return a
}

// await waits until something is closed, the log has ended, or the context.
func (l *containerdLog) await(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return nil
	case <-l.over:
		return errors.New("containerd's log has ended")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
