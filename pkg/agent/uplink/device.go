package uplink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// addresses are those of a device that can move: not the link-local ones, which belong to the device, and not those that IPv6
// makes from routers' advertisements, which the other device makes for itself.
func (u *Uplinks) addresses(link netlink.Link) ([]netip.Prefix, error) {
	list, err := u.Host.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	var out []netip.Prefix
	for _, a := range list {
		p := host.PrefixOf(a.IPNet)
		if p.Addr().IsLinkLocalUnicast() || p.Addr().Is6() && a.Flags&unix.IFA_F_PERMANENT == 0 {
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// routesOf are the routes through a device that the kernel does not make from addresses, as an IPv4 and an IPv6 table.
func (u *Uplinks) routesOf(link netlink.Link) ([]route, error) {
	var out []route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := u.Host.RouteListFiltered(family, &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("routes through %s: %w", link.Attrs().Name, err)
		}
		for _, r := range list {
			if r.Protocol == unix.RTPROT_KERNEL || r.Protocol == unix.RTPROT_RA || r.Type != unix.RTN_UNICAST || r.Table == unix.RT_TABLE_LOCAL {
				continue
			}
			to := host.PrefixOf(r.Dst)
			if !to.IsValid() {
				to = host.Everything(family)
			}
			out = append(out, route{
				To: to, Gateway: host.AddrOf(r.Gw), Source: host.AddrOf(r.Src), Table: r.Table, Priority: r.Priority, Protocol: int(r.Protocol), Scope: int(r.Scope),
			})
		}
	}
	return out, nil
}

// give gives a device the plan's addresses. The same address may be on two devices for a moment.
func (u *Uplinks) give(p *plan, device string) error {
	link, err := u.Host.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := u.Host.LinkSetUp(link); err != nil {
			return fmt.Errorf("start %s: %w", device, err)
		}
	}
	for _, a := range p.Addresses {
		addr := &netlink.Addr{IPNet: host.IPNet(a)}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // It was in use a moment ago.
		}
		if err := u.Host.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add %s to %s: %w", a, device, err)
		}
	}
	return nil
}

// release takes the addresses, and with them the routes, from the interface.
func (u *Uplinks) release(link netlink.Link) error {
	list, err := u.Host.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	for _, a := range list {
		if a.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := u.Host.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove %s from %s: %w", a.IPNet, link.Attrs().Name, err)
		}
	}
	return nil
}

// routes makes the plan's routes go through a device: first those to neighbours, on which the others build.
func (u *Uplinks) routes(p *plan, device string) error {
	link, err := u.Host.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	have, err := u.routesOf(link)
	if err != nil {
		return err
	}
	want := slices.Clone(p.Routes)
	slices.SortStableFunc(want, func(x, y route) int { return y.Scope - x.Scope }) // link is 253, universe 0
	for _, r := range want {
		if slices.Contains(have, r) {
			continue
		}
		nl := &netlink.Route{
			LinkIndex: link.Attrs().Index, Dst: host.IPNet(r.To), Table: r.Table, Priority: r.Priority, Family: host.FamilyOf(r.To.Addr()),
			Protocol: netlink.RouteProtocol(r.Protocol), Scope: netlink.Scope(r.Scope),
		}
		if r.Gateway.IsValid() {
			nl.Gw = r.Gateway.AsSlice()
		}
		if r.Source.IsValid() {
			nl.Src = r.Source.AsSlice()
		}
		if err := u.Host.RouteReplace(nl); err != nil {
			return fmt.Errorf("route to %s through %s: %w", r.To, device, err)
		}
	}
	return nil
}

// gone returns nil when ovs-vswitchd has removed the bridge's device.
func (u *Uplinks) gone(bridge string) error {
	_, err := u.Host.LinkByName(bridge)
	switch {
	case err == nil:
		return fmt.Errorf("device %s is still there: %w", bridge, ErrNotYet)
	case errors.As(err, new(netlink.LinkNotFoundError)):
		return nil
	}
	return err
}
