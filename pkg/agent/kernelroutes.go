package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// metricOfConnected is the metric of the kernel's own routes to the prefixes of addresses of IPv6 (IP6_RT_PRIO_ADDRCONF).
const metricOfConnected = 256

// keepKernelRoutes restores the routes that the kernel makes with an interface's addresses, and never again when somebody removes
// them: to the prefix, on which all routes through a gateway in it build, and to the address itself.
func keepKernelRoutes(h *host.Host, link netlink.Link, addrs []netip.Prefix) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		if !slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return host.FamilyOf(a.Addr()) == family }) {
			continue
		}
		filter := &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_UNSPEC}
		have, err := h.RouteListFiltered(family, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes through %s: %w", link.Attrs().Name, err)
		}
		for _, a := range addrs {
			if host.FamilyOf(a.Addr()) != family {
				continue
			}
			if err := keepRoutesOf(h, link, a, have); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepRoutesOf restores the kernel's routes of one address.
func keepRoutesOf(h *host.Host, link netlink.Link, a netip.Prefix, have []netlink.Route) error {
	for _, want := range kernelRoutes(link.Attrs().Index, a) {
		if slices.ContainsFunc(have, func(r netlink.Route) bool { return sameKernelRoute(r, want) }) {
			continue
		}
		if a.Addr().Is6() && want.Type == unix.RTN_LOCAL {
			// Nobody but the kernel can make this one as it was: the address is given again.
			if err := h.AddrDel(link, addressOf(a)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return fmt.Errorf("give %s again to %s: %w", a, link.Attrs().Name, err)
			}
			return h.AddrAdd(link, addressOf(a))
		}
		if err := h.RouteReplace(&want); err != nil {
			return fmt.Errorf("route to %s through %s: %w", want.Dst, link.Attrs().Name, err)
		}
	}
	return nil
}

// addressOf is an address for an interface, without duplicate address detection.
func addressOf(a netip.Prefix) *netlink.Addr {
	addr := &netlink.Addr{IPNet: host.IPNet(a)}
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

// kernelRoutes are the routes that the kernel makes with an address: that to the address itself first, which must be there before it
// can be the source of another.
func kernelRoutes(link int, a netip.Prefix) []netlink.Route {
	self, all := netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Masked()
	local := netlink.Route{
		LinkIndex: link, Dst: host.IPNet(self), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Protocol: unix.RTPROT_KERNEL, Scope: netlink.SCOPE_HOST,
	}
	connected := netlink.Route{
		LinkIndex: link, Dst: host.IPNet(all), Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Protocol: unix.RTPROT_KERNEL, Scope: netlink.SCOPE_LINK,
	}
	if a.Addr().Is6() {
		local.Scope, connected.Scope, connected.Priority = netlink.SCOPE_UNIVERSE, netlink.SCOPE_UNIVERSE, metricOfConnected
		return []netlink.Route{local, connected}
	}
	local.Src, connected.Src = a.Addr().AsSlice(), a.Addr().AsSlice()
	routes := []netlink.Route{local}
	if a.Bits() < a.Addr().BitLen() {
		routes = append(routes, connected)
	}
	if a.Bits() < a.Addr().BitLen()-1 {
		last := netipx.PrefixLastIP(all)
		routes = append(routes, netlink.Route{
			LinkIndex: link, Dst: host.IPNet(netip.PrefixFrom(last, last.BitLen())), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_BROADCAST,
			Protocol: unix.RTPROT_KERNEL, Scope: netlink.SCOPE_LINK, Src: a.Addr().AsSlice(),
		})
	}
	return routes
}

// sameKernelRoute reports whether a route does what one of the kernel's does.
func sameKernelRoute(have, want netlink.Route) bool {
	return host.PrefixOf(have.Dst) == host.PrefixOf(want.Dst) && have.Table == want.Table && have.Type == want.Type && have.Gw == nil &&
		have.Scope == want.Scope && have.Src.Equal(want.Src) && (want.Priority == 0 || have.Priority == want.Priority)
}
