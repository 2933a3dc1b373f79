package cniserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

// sandbox is the network namespace of a pod.
type sandbox struct {
	ns netns.NsHandle
	*netlink.Handle
}

func openSandbox(path string) (*sandbox, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %q of the sandbox: %w", path, err)
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network namespace %q of the sandbox: %w", path, err), ns.Close())
	}
	return &sandbox{ns, h}, nil
}

func (b *sandbox) close() {
	b.Close()
	_ = b.ns.Close()
}

// do calls f on a thread in the sandbox.
func (b *sandbox) do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := netns.Set(b.ns)
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// find returns a link, nil when there is none of that name.
func find(h *netlink.Handle, name string) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return nil, nil
	}
	return link, err
}

// paired reports whether two links are the ends of one pair.
func paired(a, b netlink.Link) bool {
	return a != nil && b != nil && a.Type() == "veth" && b.Type() == "veth" &&
		a.Attrs().ParentIndex == b.Attrs().Index && b.Attrs().ParentIndex == a.Attrs().Index
}

// connect makes a pair of links: one on the node, which is up, and one in the sandbox. A pair that is there already stays; what is
// left of one is removed. It is an error if the sandbox has another link of that name.
func connect(h *host.Host, b *sandbox, hostName, ifName string) error {
	node, err := find(h.Handle, hostName)
	if err != nil {
		return err
	}
	inside, err := find(b.Handle, ifName)
	if err != nil {
		return err
	}
	if paired(node, inside) {
		return nil
	}
	if inside != nil {
		return cni.Errorf(cni.CodeFailed, "the sandbox has an interface %s already, which is not ours", ifName)
	}
	if node != nil {
		if err := h.LinkDel(node); err != nil {
			return fmt.Errorf("%s, which is left of an earlier attempt: %w", hostName, err)
		}
	}
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: hostName, Flags: net.FlagUp, TxQLen: 1000})
	veth.PeerName, veth.PeerNamespace = ifName, netlink.NsFd(int(b.ns))
	if err := h.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth pair %s and %s: %w", hostName, ifName, err)
	}
	// The node's end needs no address of its own. Without one it asks nobody for routers.
	if err := h.LinkSetIP6AddrGenMode(veth, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("%s: %w", hostName, err)
	}
	return nil
}

// disconnect removes a pair by its end on the node. It succeeds when there is none.
func disconnect(h *host.Host, hostName string) error {
	link, err := find(h.Handle, hostName)
	if err != nil || link == nil {
		return err
	}
	if err := h.LinkDel(link); err != nil {
		if again, _ := find(h.Handle, hostName); again == nil {
			return nil // it went with its sandbox
		}
		return fmt.Errorf("%s: %w", hostName, err)
	}
	return nil
}

// setup is what an interface inside a pod has.
type setup struct {
	ifName    string
	mac       net.HardwareAddr
	mtu       int // 0 for the kernel's
	addresses []cni.Address
	routes    []cni.Route
	// checksums says that the datapath takes packets without checksums. The userspace datapath does not.
	checksums bool
}

// configure makes an interface in the sandbox as it shall be. What is so already stays.
func (b *sandbox) configure(s *setup) error {
	link, err := b.LinkByName(s.ifName)
	if err != nil {
		return fmt.Errorf("%s in the sandbox: %w", s.ifName, err)
	}
	fail := func(what string, err error) error {
		return fmt.Errorf("%s of %s in the sandbox: %w", what, s.ifName, err)
	}
	if err := b.do(func() error { return s.tune() }); err != nil {
		return fail("settings", err)
	}
	if err := b.LinkSetHardwareAddr(link, s.mac); err != nil {
		return fail("MAC", err)
	}
	if s.mtu > 0 {
		if err := b.LinkSetMTU(link, s.mtu); err != nil {
			return fail("MTU", err)
		}
	}
	if err := b.LinkSetUp(link); err != nil {
		return fail("state", err)
	}
	for _, a := range s.addresses {
		addr := &netlink.Addr{IPNet: host.IPNet(a.Prefix)}
		if a.Prefix.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // nobody else has it: the API server has made sure
		}
		if err := b.AddrReplace(link, addr); err != nil {
			return fail("address "+a.Prefix.String(), err)
		}
	}
	for _, r := range s.routes {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: host.IPNet(r.Dst)}
		if r.GW.IsValid() {
			route.Gw = r.GW.AsSlice()
		} else {
			route.Scope = netlink.SCOPE_LINK
		}
		if err := b.RouteReplace(route); err != nil {
			return fail("route to "+r.Dst.String(), err)
		}
	}
	return nil
}

// tune changes what netlink cannot. It runs in the sandbox.
func (s *setup) tune() error {
	for _, a := range s.addresses {
		// Some runtimes switch IPv6 off in every sandbox.
		path := "/proc/sys/net/ipv6/conf/" + s.ifName + "/disable_ipv6"
		if now, err := os.ReadFile(path); a.Prefix.Addr().Is6() && err == nil && string(now) != "0\n" {
			if err := os.WriteFile(path, []byte("0"), 0); err != nil {
				return err
			}
		}
	}
	if s.checksums {
		return nil
	}
	e, err := ethtool.NewEthtool()
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.Change(s.ifName, map[string]bool{"tx-checksum-ip-generic": false}); err != nil {
		return fmt.Errorf("transmit checksums: %w", err)
	}
	return nil
}
