package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Main runs the tests of a binary on a bed, to which it sets the variable, and returns the exit code: it is what TestMain is for.
// The binary runs itself again in namespaces of its own. Without the rights for that the tests run without a bed, and Begin skips them.
func Main(m *testing.M, bed **Bed) int {
	if os.Geteuid() != 0 {
		fmt.Println("no data plane: network namespaces need root")
		return m.Run()
	}
	isolated, err := isIsolated()
	if err != nil {
		return failed(err)
	}
	if !isolated {
		return runIsolated()
	}
	if err := settleIn(); err != nil {
		return failed(err)
	}
	if *bed, err = Start(context.Background(), os.Getenv("TMPDIR")); err != nil {
		return failed(err)
	}
	code := m.Run()
	if err := (*bed).Stop(); err != nil {
		return failed(err)
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "testbed:", err)
	return 1
}

// isIsolated reports whether this is the first process of a namespace, and alone in its network.
func isIsolated() (bool, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return false, err
	}
	outside := func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 }
	return os.Getpid() == 1 && !slices.ContainsFunc(interfaces, outside), nil
}

// runIsolated runs this program with its arguments in new namespaces, in which it is the first process: when it ends, or this process
// does, the kernel ends all that it has started and removes all networks. Its files are in one folder, kept when it fails.
func runIsolated() int {
	dir, err := os.MkdirTemp("", "nbdp")
	if err != nil {
		return failed(err)
	}
	runtime.LockOSThread() // the kernel sends Pdeathsig when the thread ends
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
			fmt.Fprintln(os.Stderr, "logs are in", dir)
			return exit.ExitCode()
		}
		return failed(fmt.Errorf("%w; logs are in %s", err, dir))
	}
	if err := os.RemoveAll(dir); err != nil {
		return failed(err)
	}
	return 0
}

// settleIn makes new namespaces habitable: /proc shows the processes of this one, and the loopback interface is up.
func settleIn() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}
