// Package vswitchtest gives tests a node of their own: a network namespace with a real Open vSwitch in it, on the userspace
// datapath, which needs nothing of the kernel and shares nothing with other nodes.
//
// Namespaces have no names: they are gone with the last process that holds them, however that ends.
package vswitchtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// patience bounds what must happen soon, on a machine that is busy.
const patience = 60 * time.Second

// Namespace is a network namespace of the test, with its loopback device up.
type Namespace struct{ fd netns.NsHandle }

// NewNamespace makes a network namespace; it is given up when the test ends.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	made := make(chan error, 1)
	n := &Namespace{fd: netns.None()}
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, since its namespace is another
		var err error
		n.fd, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	h := n.Netlink(t)
	lo, err := h.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	return n
}

// Close gives the namespace up before the test ends. It may be called more than once.
func (n *Namespace) Close() { _ = n.fd.Close() }

// Path is the path of the namespace for other processes, as long as the test's lives.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.fd)) }

// Netlink is a handle on the namespace's devices, closed when the test ends.
func (n *Namespace) Netlink(t testing.TB) *netlink.Handle {
	t.Helper()
	h, err := netlink.NewHandleAt(n.fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// Command is a command in the namespace; it is killed when its context ends.
func (n *Namespace) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.Path(), "--"}, args...)...)
}

// Run runs a command in the namespace and returns its output; the test fails when it does.
func (n *Namespace) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := n.Command(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Node is a namespace with Open vSwitch.
type Node struct {
	*Namespace
	t   testing.TB
	dir string
	in  ovn.Installation

	server, controller *Process
	switchd            *ovntest.Daemon
}

// Process is a program of the node.
type Process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts ovsdb-server with an initialized Open_vSwitch database and ovs-vswitchd. Everything is gone when the test ends;
// when it fails the logs are written to the test's.
func Start(t testing.TB) *Node {
	t.Helper()
	in, err := ovn.Find(os.Getenv(ovn.VersionEnv)) // ovn-controller must not be older than ovn-northd
	if err != nil {
		t.Skip(err)
	}
	n := &Node{Namespace: NewNamespace(t), t: t, dir: ovntest.Dir(t), in: in}
	schema, err := in.OVSSchema()
	if err != nil {
		t.Skip(err)
	}
	n.tool("ovsdb-tool", "create", n.path("conf.db"), schema)
	n.StartServer()
	n.Vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "external_ids:hostname=test")
	n.StartSwitchd()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(n.path("*.log"))
		for _, path := range logs {
			if b, err := os.ReadFile(path); err == nil {
				t.Logf("%s:\n%s", path, b)
			}
		}
	})
	return n
}

// Address is the address of the node's Open_vSwitch database.
func (n *Node) Address() string { return "unix:" + n.path("db.sock") }

// Dir is the directory of the node's sockets, logs and pidfiles.
func (n *Node) Dir() string { return n.dir }

// Server is ovsdb-server.
func (n *Node) Server() *Process { return n.server }

// KillSwitchd ends ovs-vswitchd as a crash would, and returns when it is gone; it is not started again.
func (n *Node) KillSwitchd() {
	n.t.Helper()
	if err := n.switchd.Kill(); err != nil {
		n.t.Error(err)
	}
}

// Controller is ovn-controller, nil unless StartController was called.
func (n *Node) Controller() *Process { return n.controller }

// StartServer starts ovsdb-server, also after it was killed.
func (n *Node) StartServer() {
	n.t.Helper()
	n.server = n.spawn("ovsdb-server", n.path("conf.db"), "--remote=punix:"+n.path("db.sock"), "--unixctl="+n.path("ovsdb-server.ctl"))
	n.until("ovsdb-server answers", func() bool {
		c, err := net.Dial("unix", n.path("db.sock"))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// StartSwitchd starts ovs-vswitchd, also after it was killed. When it crashes it is started again.
func (n *Node) StartSwitchd() {
	n.t.Helper()
	const name = "ovs-vswitchd"
	var err error
	n.switchd, err = ovntest.Keep(name, func() (*exec.Cmd, error) {
		cmd, err := n.command(name, n.Address(), "--disable-system", "--unixctl="+n.path("ovs-vswitchd.ctl"))
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd, cmd.Start()
	})
	if err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
	n.t.Cleanup(n.KillSwitchd)
	// ovs-vsctl waits until ovs-vswitchd has taken the change over.
	n.Vsctl("--timeout=60", "set", "Open_vSwitch", ".", fmt.Sprintf("other_config:started=%d", n.switchd.Pid()))
}

// StartController connects the node to a Southbound database as a chassis and starts ovn-controller. Tunnels end at an address
// of the loopback device: the node is alone.
func (n *Node) StartController(southbound, chassis string) {
	n.t.Helper()
	n.Vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:system-id="+chassis, "external_ids:ovn-remote="+southbound,
		"external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1", "external_ids:ovn-bridge-datapath-type=netdev",
		"external_ids:ovn-monitor-all=true")
	n.controller = n.spawn("ovn-controller", n.Address(), "--pidfile="+n.path("ovn-controller.pid")) // 23.03 has no --unixctl
	n.until("ovn-controller has made br-int", func() bool {
		return n.try("ovs-vsctl", "--db="+n.Address(), "--no-wait", "br-exists", "br-int") == nil
	})
}

// Vsctl runs ovs-vsctl on the node's database and returns its output.
func (n *Node) Vsctl(args ...string) string {
	n.t.Helper()
	return n.tool("ovs-vsctl", append([]string{"--db=" + n.Address()}, args...)...)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) tool(program string, args ...string) string {
	n.t.Helper()
	cmd, err := n.in.Command(context.WithoutCancel(n.t.Context()), program, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (n *Node) try(program string, args ...string) error {
	cmd, err := n.in.Command(n.t.Context(), program, args...)
	if err != nil {
		return err
	}
	return cmd.Run()
}

func (n *Node) until(what string, condition func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			n.t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // nothing tells when a program has begun to serve
	}
}

// spawn starts a program in the node's namespace.
func (n *Node) spawn(program string, args ...string) *Process {
	n.t.Helper()
	cmd, err := n.command(program, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return Spawn(n.t, program, cmd)
}

// command is a daemon's in the node's namespace.
func (n *Node) command(program string, args ...string) (*exec.Cmd, error) {
	line, err := n.in.Command(context.Background(), program, append(args, "--log-file="+n.path(program+".log"), "--no-chdir", "-vconsole:off", "-vsyslog:off")...)
	if err != nil {
		return nil, err
	}
	cmd := n.Command(context.Background(), line.Args...)
	cmd.Env = ovn.Environment(n.dir)
	return cmd, nil
}

// Spawn starts a process that ends with the test, or with the test's process, however that ends.
func Spawn(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel sends Pdeathsig when the thread that started the process ends: it waits here as long as that runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Kill ends the process as a crash would, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }
