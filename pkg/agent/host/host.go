// Package host is the network namespace of the node: its links, addresses, routes, packet filter and kernel settings, read and
// changed through netlink and /proc/sys, without starting a program. All of it works on a namespace that is not the process's
// own, too, which is how tests have many nodes on one machine.
package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Host is a network namespace. Its netlink handle, and all its methods, may be used by several goroutines.
type Host struct {
	*netlink.Handle

	ns    netns.NsHandle
	own   bool
	downs downs
}

// Open opens the namespace at a path, as /run/netns/a; the process's own when the path is empty.
func Open(path string) (*Host, error) {
	h := &Host{own: path == ""}
	var err error
	if h.own {
		h.ns, err = netns.Get()
	} else {
		h.ns, err = netns.GetFromPath(path)
	}
	if err != nil {
		return nil, fmt.Errorf("network namespace %q: %w", path, err)
	}
	if h.Handle, err = netlink.NewHandleAt(h.ns); err != nil {
		return nil, errors.Join(fmt.Errorf("network namespace %q: %w", path, err), h.ns.Close())
	}
	return h, nil
}

// Close releases the namespace.
func (h *Host) Close() error {
	h.downs.close()
	h.Handle.Close()
	return h.ns.Close()
}

// Nftables returns a connection to the namespace's packet filter. It holds nothing that must be released.
func (h *Host) Nftables() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(int(h.ns)))
}

// Do calls f in the namespace: what f opens or starts belongs to it.
func (h *Host) Do(f func() error) error {
	if h.own {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with this goroutine, so that no other goroutine finds itself in the namespace.
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			result <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}

// Sysctl reads a kernel setting, as "net/ipv4/ip_forward".
func (h *Host) Sysctl(name string) (value string, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile(sysctlPath(name))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value, err
}

// SetSysctl changes a kernel setting; one that has the value already is not written.
func (h *Host) SetSysctl(name, value string) error {
	if now, err := h.Sysctl(name); err == nil && now == value {
		return nil
	}
	return h.Do(func() error { return os.WriteFile(sysctlPath(name), []byte(value), 0) })
}

func sysctlPath(name string) string { return filepath.Join("/proc/sys", name) }

// KernelDatapath says whether the kernel has Open vSwitch's datapath.
func (h *Host) KernelDatapath() bool {
	_, err := h.GenlFamilyGet("ovs_datapath")
	return err == nil
}
