package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
)

const (
	// routeProtocol marks the routes that are the agent's, see ip-route(8); it is not in rt_protos.
	routeProtocol = netlink.RouteProtocol(110)
	// answersTable is the routing table for answers to other nodes, and answersPriority the priority of its rule.
	answersTable    = 110
	answersPriority = 110
)

// routes is the owner of the node's routes through its port: to the pods of the default Vpc and to Services, and of the rule that
// sends answers to other nodes that came in through the port out through it.
//
// A node calls pods and Services from its own address, as others know it. When a Service leads it to another node, that node's
// direct answer would miss the load balancer, which is in the overlay; package nat marks such answers.
type routes struct {
	host     *host.Host
	node     func() *corev1.Node
	network  func() network
	services []netip.Prefix
}

// sync makes the routes as they should be: a difference is applied, routes of others are left alone.
func (r *routes) sync(context.Context) error {
	link, err := r.host.LinkByName(portName)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("there is no %s yet", portName)
	} else if err != nil {
		return fmt.Errorf("%s: %w", portName, err)
	}
	n, own := r.network(), nodeAddresses(r.node())
	for _, gateway := range n.gateway.All() {
		want := r.wanted(n, own, gateway, link.Attrs().Index)
		if err := r.apply(host.FamilyOf(gateway), want); err != nil {
			return err
		}
		if err := r.rule(host.FamilyOf(gateway)); err != nil {
			return err
		}
	}
	return nil
}

// key is what tells two of the agent's routes apart.
type key struct {
	to    netip.Prefix
	table int
}

func (r *routes) wanted(n network, own []netip.Addr, gateway netip.Addr, index int) map[key]netlink.Route {
	want := map[key]netlink.Route{}
	add := func(to netip.Prefix, table int, src netip.Addr) {
		route := netlink.Route{
			LinkIndex: index, Dst: host.IPNet(to), Gw: gateway.AsSlice(), Table: table, Protocol: routeProtocol,
			Family: host.FamilyOf(gateway), Type: unix.RTN_UNICAST,
		}
		if src.IsValid() {
			route.Src = src.AsSlice()
		}
		want[key{to, table}] = route
	}
	source := firstOf(own, gateway)
	for _, list := range [...][]netip.Prefix{n.pods, r.services} {
		for _, to := range list {
			// A prefix that contains the node itself would cut it off.
			if to.Addr().Is4() == gateway.Is4() && !containsAny(to, own) && !containsAny(to, []netip.Addr{gateway}) {
				add(to, unix.RT_TABLE_MAIN, source)
			}
		}
	}
	add(host.Everything(host.FamilyOf(gateway)), answersTable, netip.Addr{})
	return want
}

func containsAny(p netip.Prefix, addrs []netip.Addr) bool {
	for _, a := range addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (r *routes) apply(family int, want map[key]netlink.Route) error {
	have, err := r.host.RouteListFiltered(family, &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, route := range have {
		k := key{host.PrefixOf(route.Dst), route.Table}
		if route.Dst == nil {
			k.to = host.Everything(family)
		}
		wanted, ok := want[k]
		if ok && route.LinkIndex == wanted.LinkIndex && host.AddrOf(route.Gw) == host.AddrOf(wanted.Gw) && host.AddrOf(route.Src) == host.AddrOf(wanted.Src) {
			delete(want, k)
			continue
		}
		if !ok {
			if err := r.host.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route to %s: %w", k.to, err)
			}
		}
	}
	for k, route := range want {
		if err := r.host.RouteReplace(&route); err != nil {
			return fmt.Errorf("route to %s via %s: %w", k.to, route.Gw, err)
		}
	}
	return nil
}

// rule makes marked packets use the table of answers. A rule of that priority that somebody has changed is replaced.
func (r *routes) rule(family int) error {
	rules, err := r.host.RuleList(family)
	if err != nil {
		return fmt.Errorf("list routing rules: %w", err)
	}
	mask, found := nat.Mark, false
	for _, rule := range rules {
		if rule.Priority != answersPriority || rule.Table != answersTable {
			continue // Somebody else's.
		}
		if !found && rule.Mark == nat.Mark && rule.Mask != nil && *rule.Mask == mask && selectsByMarkAlone(&rule) {
			found = true
			continue
		}
		if err := r.host.RuleDel(&rule); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove routing rule %s: %w", rule, err)
		}
	}
	if found {
		return nil
	}
	rule := netlink.NewRule()
	rule.Family, rule.Priority, rule.Mark, rule.Mask, rule.Table = family, answersPriority, nat.Mark, &mask, answersTable
	if err := r.host.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add routing rule for answers: %w", err)
	}
	return nil
}

// selectsByMarkAlone reports whether a rule holds for all packets of its mark.
func selectsByMarkAlone(r *netlink.Rule) bool {
	return r.Src == nil && r.Dst == nil && r.IifName == "" && r.OifName == "" && !r.Invert && r.IPProto == 0 && r.Sport == nil && r.Dport == nil &&
		r.UIDRange == nil && r.Tos == 0
}
