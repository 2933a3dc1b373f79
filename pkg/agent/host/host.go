// Package host is the network namespace of the node: its links, addresses, routes, packet filter and kernel settings, read and
// changed through netlink and /proc/sys, without starting a program. All of it works on a namespace that is not the process's
// own, too, which is how tests have many nodes on one machine.
package host

import (
	"context"
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

	ns  netns.NsHandle
	own bool
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

// Watch calls notify once, and again whenever links, addresses or routes have changed, until the context ends or the kernel's messages cannot
// be followed any more, which it returns. Notify must not block. Several changes may be one call.
func (h *Host) Watch(ctx context.Context, notify func()) error {
	done := make(chan struct{})
	defer close(done)
	failed := make(chan error, 3)
	onError := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	links, addrs, routes := make(chan netlink.LinkUpdate), make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	// A subscription closes its channel after an error, as when messages were lost because there were too many.
	err := errors.Join(
		netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{Namespace: &h.ns, ErrorCallback: onError}),
		netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{Namespace: &h.ns, ErrorCallback: onError}),
		netlink.RouteSubscribeWithOptions(routes, done, netlink.RouteSubscribeOptions{Namespace: &h.ns, ErrorCallback: onError}))
	if err != nil {
		return fmt.Errorf("subscribe to changes of links, addresses and routes: %w", err)
	}
	notify()
	for open := true; open; {
		select {
		case <-ctx.Done():
			go drain(links, addrs, routes)
			return ctx.Err()
		case _, open = <-links:
		case _, open = <-addrs:
		case _, open = <-routes:
		}
		if open {
			notify()
		}
	}
	go drain(links, addrs, routes)
	select {
	case err := <-failed:
		return fmt.Errorf("changes of links, addresses and routes: %w", err)
	default:
		return errors.New("changes of links, addresses and routes: the subscription ended")
	}
}

// drain takes what subscriptions still send until they see that they are done.
func drain(links chan netlink.LinkUpdate, addrs chan netlink.AddrUpdate, routes chan netlink.RouteUpdate) {
	for range links {
	}
	for range addrs {
	}
	for range routes {
	}
}

// KernelDatapath says whether the kernel has Open vSwitch's datapath.
func (h *Host) KernelDatapath() bool {
	_, err := h.GenlFamilyGet("ovs_datapath")
	return err == nil
}
