package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// The roles of the processes that "up" starts; also their first arguments.
const (
	roleControlPlane = "control-plane"
	roleNode         = "node"
)

// Every process of a cluster outside its containers has this variable in its environment. It is how "down" finds them,
// also those of a start that was interrupted.
const labVariable = "NORTHBOUND_LAB"

// The networks. They exist in the namespaces only, so all clusters have the same.
var (
	// gateway is where nodes send what is for none of them: the control plane's namespace, which has no way out.
	gateway    = controlplane.Addr
	nodeBits   = 24
	clusterDNS = "10.96.0.10"
	// overlay are the networks of pods and of Services, as the manifests have them.
	overlay = []netip.Prefix{netip.MustParsePrefix("10.16.0.0/16"), netip.MustParsePrefix("10.96.0.0/16")}
)

// entry is the node by which the control plane, where no agent runs, reaches pods and Services: kube-apiserver passes on requests
// to them, and calls webhooks and other API servers that are pods.
const entry = 1

func nodeAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 200, 0, byte(10 + n)}) }
func nodeName(n int) string     { return "node" + strconv.Itoa(n) }

// physicalAddr is the address of a node in the network for ProviderNetworks.
func physicalAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{172, 30, 0, byte(n)}) }

// lab is one cluster: its name and where its files are.
type lab struct {
	name  string
	nodes int
	// source is the repository; bin its programs; programs those of Kubernetes; state what belongs to this cluster.
	source, bin, programs, state string
}

func newLab(name string) (*lab, error) {
	if !regexp.MustCompile(`^[a-z0-9]{1,8}$`).MatchString(name) {
		return nil, fmt.Errorf("-name %q: 1 to 8 of a-z and 0-9", name)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &lab{name: name, bin: filepath.Dir(self), programs: os.Getenv("NORTHBOUND_CLUSTER_PROGRAMS")}
	l.source = filepath.Dir(l.bin)
	l.state = filepath.Join(cache, "northbound", "lab", name)
	return l, nil
}

func (l *lab) path(elem ...string) string {
	return filepath.Join(append([]string{l.state}, elem...)...)
}
func (l *lab) logs() string   { return l.path("log") }
func (l *lab) admin() string  { return l.path("control-plane", "pki", "admin.kubeconfig") }
func (l *lab) images() string { return filepath.Join(l.bin, "images") }

// networkNamespace is the name by which "ip netns" knows the namespace of the control plane or of a node.
func (l *lab) networkNamespace(where string) string { return "nblab-" + l.name + "-" + where }

// cgroup is the name of the group, in every hierarchy, that holds the pods of a node. Two kubelets with one root would
// remove each other's pods.
func (l *lab) cgroup(node string) string { return "nblab-" + l.name + "-" + node }

// check says what is missing before anything is started.
func (l *lab) check() error {
	if os.Getuid() != 0 {
		return errors.New("must run as root")
	}
	if l.nodes < 1 || l.nodes > 9 {
		return fmt.Errorf("-nodes=%d: 1 to 9", l.nodes)
	}
	for _, c := range []string{"containerd", "containerd-shim-runc-v2", "runc", "ctr", "nsenter", "nft"} {
		if _, err := exec.LookPath(c); err != nil {
			return fmt.Errorf("%w (make deps-lab)", err)
		}
	}
	for _, p := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"} {
		if _, err := os.Stat(filepath.Join(l.programs, p)); err != nil {
			return fmt.Errorf("%w: NORTHBOUND_CLUSTER_PROGRAMS is what hack/kubernetes/build.sh prints", err)
		}
	}
	if err := os.MkdirAll(l.state, 0o755); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(l.state, &fs); err != nil {
		return err
	}
	if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return fmt.Errorf("%s is on overlayfs, which cannot carry containerd's snapshots: set XDG_CACHE_HOME", l.state)
	}
	return nil
}

// enter is the start of a command line that runs the rest in the namespaces of the control plane or of a node.
func (l *lab) enter(where string) ([]string, error) {
	if where == "cp" {
		return []string{"nsenter", "--net=" + namespaceFile(l.networkNamespace(where)), "--"}, nil
	}
	pid, err := l.firstOf(where)
	if err != nil {
		return nil, err
	}
	return []string{"nsenter", "--target", strconv.Itoa(pid), "--mount", "--uts", "--net", "--pid", "--"}, nil
}

// kubectl is a command in the namespace of the control plane, as administrator.
func (l *lab) kubectl(args ...string) *exec.Cmd {
	c := exec.Command("nsenter", append([]string{
		"--net=" + namespaceFile(l.networkNamespace("cp")), "--", filepath.Join(l.bin, "kubectl"),
		// Discovery is cached by address, which all clusters share.
		"--kubeconfig=" + l.admin(), "--cache-dir=" + l.path("kubectl"),
	}, args...)...)
	c.Env = l.environment()
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	return c
}

// environment is the caller's without proxies, which must not come between the parts of the cluster.
func (l *lab) environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy", "kubeconfig", strings.ToLower(labVariable):
			continue
		}
		env = append(env, v)
	}
	return append(env, "KUBECONFIG="+l.admin(), "KUBERC=off")
}
