// Package uplink connects a node's interfaces with physical networks: an interface becomes a port of a bridge of Open vSwitch,
// and the bridge takes over its MAC, its addresses and the routes through them, so that the node stays reachable at them.
//
// An interface that carries the node's own address must not be lost in between. What is to be moved is written to a plan on disk
// before anything is touched; every step can be repeated, and Connect and Disconnect begin with what they find. So a move that a
// crash interrupts is completed by the next Connect, or undone by the next Disconnect, wherever it stood, and a reboot, after
// which the interface has its addresses again while the bridge is still in the database, is a move like another.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
)

// bridgePrefix begins the names of bridges.
const bridgePrefix = "br-"

// ownerKey is the key of a bridge's external_ids that names the network for which the agent made it.
const ownerKey = "northbound-provider-network"

// ErrNotYet is the error when ovs-vswitchd has not done its part yet; changes of links tell when to try again.
var ErrNotYet = errors.New("ovs-vswitchd is not done yet")

// Uplinks connects the interfaces of one node. It is for one goroutine at a time.
type Uplinks struct {
	// Host is the node's network namespace, Switch its Open vSwitch.
	Host   *host.Host
	Switch *vswitch.Switch
	// Dir is the folder for plans. It must survive a reboot.
	Dir string
	// Boot identifies the boot of the machine; the kernel's identifier when empty.
	Boot string

	// downs are the counts of Host.Downs of bridges' devices when their addresses and routes were last looked at, by network.
	downs map[string]int
	// before is called before each step: tests stop there.
	before func(step string) error
}

// Bridge is the name of the bridge of a network.
func Bridge(network string) string { return bridgePrefix + network }

// Connected are the networks that have been connected, or whose connection was begun.
func (u *Uplinks) Connected() ([]string, error) { return u.store().networks() }

func (u *Uplinks) store() store { return store{u.Dir} }

// Connect connects an interface with a network; when it returns without an error, the bridge carries the interface's addresses
// and routes. An interface that the network had before is given back first. What is as it should be is left alone.
func (u *Uplinks) Connect(ctx context.Context, network, nic, datapath string) error {
	p, err := u.store().load(network)
	if err != nil {
		return fmt.Errorf("plan of network %s: %w", network, err)
	}
	if p != nil && (p.Undo || p.Interface != nic) {
		if err := u.Disconnect(ctx, network); err != nil {
			return err
		}
		p = nil
	}
	link, err := u.nic(network, nic, p != nil)
	if err != nil {
		return err
	}
	next, err := u.planned(p, network, link)
	if err != nil {
		return err
	}
	steps := []step{
		{"plan", func() error { return u.saveChanged(p, next) }},
		{"bridge", func() error { return u.bridge(ctx, next, datapath) }},
		{"start", func() error { return u.startBridge(next, link) }},
	}
	if !next.Moved {
		steps = append(steps,
			step{"take", func() error { return u.take(next) }},
			step{"release", func() error { return u.release(link) }},
			step{"routes", func() error { return u.routes(next, next.Bridge) }},
			step{"moved", func() error { next.Moved = true; return u.store().save(next) }},
		)
	}
	return u.run(append(steps, step{"silence", func() error { return u.silence(nic, datapath) }}))
}

// Disconnect gives the interface of a network its addresses and routes back and removes the bridge. A network that is not
// connected is left alone. An interface that the node does not have any more gets nothing: should it come again, the machine's own
// configuration says what it has.
func (u *Uplinks) Disconnect(ctx context.Context, network string) error {
	p, err := u.store().load(network)
	if p == nil || err != nil {
		return err
	}
	return u.run([]step{
		{"undo-plan", func() error { return u.undo(p) }},
		{"undo-silence", func() error { return u.unsilence(p.Interface) }},
		{"undo-bridge", func() error {
			// ovs-vswitchd removes the device, and with it the addresses and routes.
			return u.Switch.Apply(ctx, vswitch.RemovePort(p.Interface), vswitch.RemoveBridge(p.Bridge))
		}},
		{"undo-release", func() error { return u.gone(p.Bridge) }},
		{"undo-take", func() error { return u.giveBack(ctx, p, u.give) }},
		{"undo-routes", func() error { return u.giveBack(ctx, p, u.routes) }},
		{"undo-forget", func() error { return u.store().remove(network) }},
	})
}

// giveBack gives the interface of a plan a part of what it had, if it is still there.
func (u *Uplinks) giveBack(ctx context.Context, p *plan, part func(p *plan, device string) error) error {
	err := part(p, p.Interface)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		klog.FromContext(ctx).Info("The interface does not exist any more: nothing gets its addresses and routes back", "interface", p.Interface, "network", p.Network)
		return nil
	}
	return err
}

type step struct {
	name string
	do   func() error
}

func (u *Uplinks) run(steps []step) error {
	for _, s := range steps {
		if u.before != nil {
			if err := u.before(s.name); err != nil {
				return err
			}
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

// nic finds the interface and checks that it can be moved. A bridge for which there is a plan is the agent's, whatever the database says.
func (u *Uplinks) nic(network, nic string, planned bool) (netlink.Link, error) {
	link, err := u.Host.LinkByName(nic)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, fmt.Errorf("the node has no interface %s", nic)
	} else if err != nil {
		return nil, fmt.Errorf("interface %s: %w", nic, err)
	}
	now := u.Switch.Snapshot()
	if b := now.Bridge(nic); b != nil {
		return nil, fmt.Errorf("interface %s is a bridge of Open vSwitch", nic)
	}
	if b := now.BridgeOf(nic); b != nil && b.Name != Bridge(network) {
		return nil, fmt.Errorf("interface %s is a port of bridge %s", nic, b.Name)
	}
	if b := now.Bridge(Bridge(network)); b != nil && !planned && b.ExternalIDs[ownerKey] != network {
		return nil, fmt.Errorf("bridge %s exists and is not the agent's: remove it, or map the network to it in external_ids:ovn-bridge-mappings and exclude the node", b.Name)
	}
	if master := link.Attrs().MasterIndex; master != 0 {
		if m, err := u.Host.LinkByIndex(master); err == nil && m.Type() != "openvswitch" {
			return nil, fmt.Errorf("interface %s belongs to %s", nic, m.Attrs().Name)
		}
	}
	return link, nil
}

// planned is the plan for an interface as it is now. What an earlier plan of the same boot has is kept: it may have left the
// interface already. After another boot, the machine's own configuration counts, if it gave the interface an address.
func (u *Uplinks) planned(old *plan, network string, link netlink.Link) (*plan, error) {
	boot, err := u.boot()
	if err != nil {
		return nil, err
	}
	attrs := link.Attrs()
	next := &plan{Network: network, Bridge: Bridge(network), Interface: attrs.Name, MAC: attrs.HardwareAddr.String(), MTU: attrs.MTU, Boot: boot}
	if next.Addresses, err = u.addresses(link); err != nil {
		return nil, err
	}
	if next.Routes, err = u.routesOf(link); err != nil {
		return nil, err
	}
	if old == nil || old.Boot != boot && len(next.Addresses) > 0 {
		return next, nil
	}
	if old.Moved && len(next.Addresses) == 0 && len(next.Routes) == 0 {
		if done, err := u.settled(old, next); done || err != nil {
			return next, err
		}
	}
	next.Addresses = union(old.Addresses, next.Addresses)
	next.Routes = union(old.Routes, next.Routes)
	return next, nil
}

// settled says whether the bridge still has what was moved; then the next plan has what the bridge has now: from then on it is
// the operator's to change. A bridge whose device was lost, and with it the addresses, is not settled; nor is one that went down, from
// which the kernel has taken routes.
func (u *Uplinks) settled(old, next *plan) (bool, error) {
	link, err := u.Host.LinkByName(old.Bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return false, nil
	}
	addrs, err := u.addresses(link)
	if err != nil || len(addrs) == 0 && len(old.Addresses) > 0 {
		return false, err
	}
	routes, err := u.routesOf(link)
	if err != nil {
		return false, err
	}
	if down, err := u.wentDown(old.Network, link); down || err != nil {
		return false, err
	}
	next.Addresses, next.Routes, next.Moved = addrs, routes, true
	return true, nil
}

// wentDown reports whether a bridge's device has been down since its addresses and routes were last given to it, as far as this process
// knows.
func (u *Uplinks) wentDown(network string, bridge netlink.Link) (bool, error) {
	now, err := u.Host.Downs(bridge)
	if err != nil {
		return false, err
	}
	last, known := u.downs[network]
	if !known {
		u.note(network, now)
	}
	return known && last != now, nil
}

func (u *Uplinks) note(network string, downs int) {
	if u.downs == nil {
		u.downs = map[string]int{}
	}
	u.downs[network] = downs
}

// take gives the bridge's device the plan's addresses. From here on it is noticed when the device goes down.
func (u *Uplinks) take(p *plan) error {
	link, err := u.Host.LinkByName(p.Bridge)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Bridge, err)
	}
	now, err := u.Host.Downs(link)
	if err != nil {
		return err
	}
	u.note(p.Network, now)
	return u.give(p, p.Bridge)
}

func union[T comparable](x, y []T) []T {
	out := slices.Clone(x)
	for _, v := range y {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (u *Uplinks) boot() (string, error) {
	if u.Boot != "" {
		return u.Boot, nil
	}
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// saveChanged saves a plan that is unlike the one on disk.
func (u *Uplinks) saveChanged(old, next *plan) error {
	if old != nil && old.MAC == next.MAC && old.MTU == next.MTU && old.Boot == next.Boot && old.Moved == next.Moved &&
		slices.Equal(old.Addresses, next.Addresses) && slices.Equal(old.Routes, next.Routes) {
		return nil
	}
	return u.store().save(next)
}

// undo notes that the interface is on its way back, with what the bridge has got meanwhile.
func (u *Uplinks) undo(p *plan) error {
	if p.Undo {
		return nil
	}
	p.Undo = true
	if link, err := u.Host.LinkByName(p.Bridge); err == nil {
		addrs, err := u.addresses(link)
		if err != nil {
			return err
		}
		routes, err := u.routesOf(link)
		if err != nil {
			return err
		}
		p.Addresses, p.Routes = union(p.Addresses, addrs), union(p.Routes, routes)
	}
	return u.store().save(p)
}

// bridge makes the bridge with the interface as its port, in one transaction. It has the interface's MAC, which the network knows.
func (u *Uplinks) bridge(ctx context.Context, p *plan, datapath string) error {
	return u.Switch.Apply(ctx,
		vswitch.EnsureBridge(vswitch.BridgeSpec{
			Name: p.Bridge, DatapathType: datapath, FailMode: "standalone",
			OtherConfig: map[string]string{"hwaddr": p.MAC}, ExternalIDs: map[string]string{ownerKey: p.Network},
		}),
		vswitch.EnsurePort(vswitch.PortSpec{Name: p.Interface, Bridge: p.Bridge}))
}

// startBridge starts the interface and the bridge's own device, when ovs-vswitchd has made it.
func (u *Uplinks) startBridge(p *plan, nic netlink.Link) error {
	link, err := u.Host.LinkByName(p.Bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("bridge %s: %w", p.Bridge, ErrNotYet)
	} else if err != nil {
		return fmt.Errorf("bridge %s: %w", p.Bridge, err)
	}
	if link.Attrs().HardwareAddr.String() != p.MAC {
		return fmt.Errorf("bridge %s with MAC %s: %w", p.Bridge, p.MAC, ErrNotYet)
	}
	if f := u.Switch.Snapshot().Interface(p.Interface); f == nil || f.OFPort <= 0 {
		if f != nil && f.Error != "" {
			return fmt.Errorf("interface %s cannot be a port of %s: %s", p.Interface, p.Bridge, f.Error)
		}
		return fmt.Errorf("port %s of bridge %s: %w", p.Interface, p.Bridge, ErrNotYet)
	}
	for _, l := range []netlink.Link{nic, link} {
		if l.Attrs().Flags&net.FlagUp == 0 {
			if err := u.Host.LinkSetUp(l); err != nil {
				return fmt.Errorf("start %s: %w", l.Attrs().Name, err)
			}
		}
	}
	return nil
}
