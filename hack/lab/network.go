package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The bridges in the control plane's namespace. What they are connected to is named after the node.
const (
	nodeBridge     = "nodes"
	underlayBridge = "underlay"
	physicalBridge = "physical"
)

// namespaceFile is where "ip netns" looks for a network namespace.
func namespaceFile(name string) string { return filepath.Join("/run/netns", name) }

// nameNamespace makes the network namespace of a process known to "ip netns" until forgetNamespace.
func nameNamespace(name string, pid int) error {
	if err := os.MkdirAll(filepath.Dir(namespaceFile(name)), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(namespaceFile(name), os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	_ = file.Close()
	return unix.Mount(fmt.Sprintf("/proc/%d/ns/net", pid), namespaceFile(name), "", unix.MS_BIND, "")
}

func forgetNamespace(name string) error {
	if err := unix.Unmount(namespaceFile(name), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", namespaceFile(name), err)
	}
	if err := os.Remove(namespaceFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// network configures the network namespace of a process.
type network struct {
	ns netns.NsHandle
	*netlink.Handle
}

func openNetwork(pid int) (*network, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, err
	}
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return &network{ns: ns, Handle: h}, nil
}

func (n *network) close() {
	n.Close()
	_ = n.ns.Close()
}

// bridge adds a bridge; with an address it is an interface of the namespace too.
func (n *network) bridge(name string, addr netip.Prefix) error {
	if err := n.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	return n.up(name, addr)
}

// up sets an interface up, with an address unless that is zero.
func (n *network) up(name string, addr netip.Prefix) error {
	link, err := n.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if addr.IsValid() {
		ip := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), addr.Addr().BitLen())}
		if err := n.AddrAdd(link, &netlink.Addr{IPNet: ip}); err != nil {
			return fmt.Errorf("address %v of %s: %w", addr, name, err)
		}
	}
	return n.LinkSetUp(link)
}

// plug connects an interface of another namespace with a bridge of this one.
func (n *network) plug(bridge, port string, other *network, name string) error {
	br, err := n.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: br.Attrs().Index},
		PeerName:  name, PeerNamespace: netlink.NsFd(other.ns),
	}
	if err := n.LinkAdd(veth); err != nil {
		return fmt.Errorf("interface %s: %w", port, err)
	}
	return n.up(port, netip.Prefix{})
}

// routeToOverlay makes pods and Services known to the control plane.
func routeToOverlay(cp *network) error {
	for _, p := range overlay {
		dst := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		if err := cp.RouteAdd(&netlink.Route{Dst: dst, Gw: nodeAddr(entry).AsSlice()}); err != nil {
			return fmt.Errorf("route to %v: %w", p, err)
		}
	}
	return nil
}

// admitControlPlane gives what the control plane sends to pods and Services this node's address in the overlay. Otherwise pods
// on other nodes would answer by those.
func admitControlPlane() error {
	rules := fmt.Sprintf(`table ip lab {
	chain postrouting {
		type nat hook postrouting priority srcnat - 10
		ip saddr %v oifname ovn0 masquerade
	}
}`, gateway)
	c := exec.Command("nft", "--file", "-")
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// connectNode plugs a node into the cluster's networks: eth0 has its address, eth1 is for tunnels and has none, eth2 is for
// ProviderNetworks. With the userspace data path the address of tunnels belongs to a bridge of Open vSwitch
// (deploy/underlay.sh), and a node's own address must not depend on that.
func connectNode(cp, node *network, n int) error {
	if err := cp.plug(nodeBridge, nodeName(n), node, "eth0"); err != nil {
		return err
	}
	if err := cp.plug(underlayBridge, nodeName(n)+"u", node, "eth1"); err != nil {
		return err
	}
	if err := cp.plug(physicalBridge, nodeName(n)+"p", node, "eth2"); err != nil {
		return err
	}
	if err := errors.Join(
		node.up("lo", netip.Prefix{}),
		node.up("eth0", netip.PrefixFrom(nodeAddr(n), nodeBits)),
		node.up("eth1", netip.Prefix{}),
		node.up("eth2", netip.PrefixFrom(physicalAddr(n), nodeBits)),
	); err != nil {
		return err
	}
	return node.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()})
}
