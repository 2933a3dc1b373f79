// Package hosttest makes nodes for tests: network namespaces without names, which the kernel removes when the test's process
// ends in whatever way, and the links between them.
package hosttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// New makes a network namespace with a loopback interface that is up.
func New(t testing.TB) *host.Host {
	t.Helper()
	type made struct {
		ns  netns.NsHandle
		err error
	}
	result := make(chan made)
	go func() {
		runtime.LockOSThread() // The thread ends with the goroutine.
		ns, err := netns.New()
		result <- made{ns, err}
	}()
	m := <-result
	if m.err != nil {
		t.Fatal(m.err)
	}
	defer m.ns.Close()
	h, err := host.Open(fmt.Sprintf("/proc/self/fd/%d", m.ns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	Up(t, h, "lo")
	// Duplicate address detection would only delay tests.
	Sysctl(t, h, "net/ipv6/conf/default/accept_dad", "0")
	return h
}

// Sysctl sets a kernel setting.
func Sysctl(t testing.TB, h *host.Host, name, value string) {
	t.Helper()
	if err := h.SetSysctl(name, value); err != nil {
		t.Fatal(err)
	}
}

// Connect joins two namespaces by a pair of interfaces, which are up.
func Connect(t testing.TB, a *host.Host, nameA string, b *host.Host, nameB string) {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: nameA}, PeerName: nameB}
	var fd *os.File
	if err := b.Do(func() (err error) { fd, err = os.Open("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	veth.PeerNamespace = netlink.NsFd(int(fd.Fd()))
	if err := a.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	Up(t, a, nameA)
	Up(t, b, nameB)
}

// Link finds an interface.
func Link(t testing.TB, h *host.Host, name string) netlink.Link {
	t.Helper()
	link, err := h.LinkByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return link
}

// Up starts an interface.
func Up(t testing.TB, h *host.Host, name string) {
	t.Helper()
	if err := h.LinkSetUp(Link(t, h, name)); err != nil {
		t.Fatal(err)
	}
}

// Addr gives addresses, as 10.0.0.1/24, to an interface. They can be used at once: without the flag, one of IPv6 waits until the kernel has
// noticed that the interface is connected.
func Addr(t testing.TB, h *host.Host, name string, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		if addr.IP.To4() == nil {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(Link(t, h, name), addr); err != nil {
			t.Fatalf("%s on %s: %v", a, name, err)
		}
	}
}

// Route adds a route: a prefix, or "default", via a gateway.
func Route(t testing.TB, h *host.Host, to, via string) {
	t.Helper()
	route := &netlink.Route{Gw: net.ParseIP(via)}
	if to == "default" && route.Gw.To4() != nil {
		to = "0.0.0.0/0"
	} else if to == "default" {
		to = "::/0"
	}
	var err error
	if _, route.Dst, err = net.ParseCIDR(to); err != nil {
		t.Fatal(err)
	}
	if err := h.RouteAdd(route); err != nil {
		t.Fatalf("route to %s via %s: %v", to, via, err)
	}
}

// Start runs a program in the namespace until the test ends.
func Start(t testing.TB, h *host.Host, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	var output strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, output.String())
		}
	})
	return cmd
}

// Echo answers every TCP connection to a port of the namespace with the address that it comes from, until the test ends.
func Echo(t testing.TB, h *host.Host, port int) { Serve(t, h, port, "") }

// Serve answers every TCP connection to a port with a text; with the address that the connection comes from when it is empty.
func Serve(t testing.TB, h *host.Host, port int, text string) {
	t.Helper()
	var listener net.Listener
	if err := h.Do(func() (err error) { listener, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			answer := text
			if answer == "" {
				answer = netip.MustParseAddrPort(c.RemoteAddr().String()).Addr().Unmap().String()
			}
			_, _ = io.WriteString(c, answer)
			c.Close()
		}
	}()
}

// Call connects from the namespace and returns the answer.
func Call(t testing.TB, h *host.Host, from, to string) (string, error) {
	t.Helper()
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	var answer []byte
	err := h.Do(func() error {
		// Without a context, a connection is made by this very thread.
		c, err := dialer.Dial("tcp", to)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		answer, err = io.ReadAll(c)
		return err
	})
	return string(answer), err
}

// Eventually asks until there is no error; it fails the test after a minute.
func Eventually(t testing.TB, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(errors.Join(errors.New("not within a minute"), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Run runs a program in the namespace to its end and returns what it writes.
func Run(t testing.TB, h *host.Host, name string, args ...string) string {
	t.Helper()
	var output strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	err := h.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output.String())
	}
	return output.String()
}
