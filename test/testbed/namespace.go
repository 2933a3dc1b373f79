package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace without a name: the kernel removes it, with its interfaces, when it is closed and nothing runs
// in it or holds a socket of it.
type Namespace struct {
	handle netns.NsHandle
	links  *netlink.Handle
}

// NewNamespace returns a namespace whose loopback interface is up.
func NewNamespace() (*Namespace, error) {
	handle, err := newHandle()
	if err != nil {
		return nil, err
	}
	links, err := netlink.NewHandleAt(handle, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(err, handle.Close())
	}
	n := &Namespace{handle, links}
	if err := n.up("lo"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func newHandle() (handle netns.NsHandle, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, as it is in the new namespace
		handle, err = netns.New()
	}()
	<-done
	return handle, err
}

// Close gives the namespace up.
func (n *Namespace) Close() error {
	n.links.Close()
	return n.handle.Close()
}

// Do runs f in the namespace: sockets that it opens and processes that it starts belong to it, also afterwards. Goroutines that
// f starts do not.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			result <- err
			return
		}
		defer home.Close()
		if err := netns.Set(n.handle); err != nil {
			result <- err
			return
		}
		err = f()
		if back := netns.Set(home); back == nil {
			runtime.UnlockOSThread() // else the thread ends with the goroutine
		}
		result <- err
	}()
	return <-result
}

// Run runs a command in the namespace to its end.
func (n *Namespace) Run(cmd *exec.Cmd) error {
	return n.Do(func() error {
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
		}
		return nil
	})
}

// connect makes a cable: an interface in each of two namespaces.
func connect(a *Namespace, nameA string, b *Namespace, nameB string) error {
	cable := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: nameA, MTU: cableMTU, Namespace: netlink.NsFd(a.handle)},
		PeerName:      nameB,
		PeerNamespace: netlink.NsFd(b.handle),
	}
	if err := a.links.LinkAdd(cable); err != nil {
		return fmt.Errorf("cable %s - %s: %w", nameA, nameB, err)
	}
	return errors.Join(a.plain(nameA), a.up(nameA), b.plain(nameB), b.up(nameB))
}

const cableMTU = 1500

// plain turns checksum offload off: the userspace datapath forwards packets as they are, without the checksums that an interface
// would have filled in.
func (n *Namespace) plain(name string) error {
	return n.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		return e.Change(name, map[string]bool{"tx-checksum-ip-generic": false})
	})
}

func (n *Namespace) up(name string) error {
	return n.change(name, n.links.LinkSetUp)
}

func (n *Namespace) down(name string) error {
	return n.change(name, n.links.LinkSetDown)
}

func (n *Namespace) change(name string, f func(netlink.Link) error) error {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if err := f(link); err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}

// AddAddress gives an interface an address, usable at once.
func (n *Namespace) AddAddress(name string, p netip.Prefix) error {
	return n.change(name, func(link netlink.Link) error {
		addr := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		return n.links.AddrAdd(link, addr)
	})
}

// DeleteAddress takes an address away.
func (n *Namespace) DeleteAddress(name string, p netip.Prefix) error {
	return n.change(name, func(link netlink.Link) error {
		return n.links.AddrDel(link, &netlink.Addr{IPNet: ipNet(p)})
	})
}

// AddRoute sends packets for a prefix to a neighbour.
func (n *Namespace) AddRoute(to netip.Prefix, via netip.Addr) error {
	if err := n.links.RouteAdd(&netlink.Route{Dst: ipNet(to), Gw: via.AsSlice()}); err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, via, err)
	}
	return nil
}

// set writes a parameter of the kernel below /proc/sys/net.
func (n *Namespace) set(path, value string) error {
	return n.Do(func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) })
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
