package agent

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// nodeAddresses are the addresses at which a node is reached, in the order in which the Node has them.
func nodeAddresses(node *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	if node == nil {
		return nil
	}
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		if addr, err := ipam.ParseAddr(a.Address); err == nil && !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// firstOf is the first address of the family of another, the zero Addr when there is none.
func firstOf(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// tunnel is where a node's tunnels end.
type tunnel struct {
	addrs []netip.Addr
	link  netlink.Link
}

// findTunnel finds the interface for tunnels: the first one that matches one of the patterns, in their order, with its
// addresses; without patterns, the one that has the node's first address.
func findTunnel(h *host.Host, patterns []string, node []netip.Addr) (tunnel, error) {
	links, err := h.LinkList()
	if err != nil {
		return tunnel{}, fmt.Errorf("list interfaces: %w", err)
	}
	if len(patterns) == 0 {
		return tunnelOf(h, links, node)
	}
	for _, pattern := range patterns {
		matches, err := regexp.Compile("^(" + pattern + ")$")
		if err != nil {
			return tunnel{}, fmt.Errorf("interface pattern %q: %w", pattern, err)
		}
		for _, link := range links {
			if !matches.MatchString(link.Attrs().Name) {
				continue
			}
			t, err := tunnelAt(h, links, link)
			if err != nil || len(t.addrs) > 0 {
				return t, err
			}
		}
	}
	return tunnel{}, fmt.Errorf("no interface with an address matches %q: --iface must name one", patterns)
}

// tunnelAt is the tunnel at an interface; when it has no address, at the bridge that has taken over its MAC and addresses.
func tunnelAt(h *host.Host, links []netlink.Link, link netlink.Link) (tunnel, error) {
	addrs, err := globalAddresses(h, link)
	if err != nil || len(addrs) > 0 {
		return tunnel{addrs: addrs[:min(1, len(addrs))], link: link}, err
	}
	mac := link.Attrs().HardwareAddr.String()
	for _, other := range links {
		if mac == "" || other.Attrs().HardwareAddr.String() != mac || other.Attrs().Index == link.Attrs().Index {
			continue
		}
		addrs, err := globalAddresses(h, other)
		if err != nil || len(addrs) > 0 {
			return tunnel{addrs: addrs[:min(1, len(addrs))], link: other}, err
		}
	}
	return tunnel{}, nil
}

func tunnelOf(h *host.Host, links []netlink.Link, node []netip.Addr) (tunnel, error) {
	if len(node) == 0 {
		return tunnel{}, fmt.Errorf("the node has no address: its Node has no InternalIP yet, and neither --node-ip nor --iface is given")
	}
	for _, link := range links {
		addrs, err := globalAddresses(h, link)
		if err != nil {
			return tunnel{}, err
		}
		if slices.Contains(addrs, node[0]) {
			return tunnel{addrs: node[:1], link: link}, nil
		}
	}
	return tunnel{}, fmt.Errorf("no interface has the node's address %s: --iface must name the one for tunnels", node[0])
}

// globalAddresses are the addresses of an interface at which others may reach it.
func globalAddresses(h *host.Host, link netlink.Link) ([]netip.Addr, error) {
	list, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	var addrs []netip.Addr
	for _, a := range list {
		if addr := host.AddrOf(a.IP); addr.IsGlobalUnicast() {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// overhead is what an encapsulation adds to a packet, with a reserve, as Kube-OVN has it.
func overhead(encap v1.EncapType, outer netip.Addr) int {
	bytes := 100
	if encap == v1.EncapVXLAN {
		bytes = 50
	}
	if outer.Is6() {
		bytes += 20
	}
	return bytes
}
