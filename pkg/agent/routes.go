package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

const (
	// routeProtocol marks the routes that are the agent's, see ip-route(8); it is not in rt_protos.
	routeProtocol = netlink.RouteProtocol(110)
	// answersTable is the routing table for answers to other nodes, and answersPriority the priority of its rule.
	answersTable    = v1.AnswersTable
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
	index, err := r.portIndex()
	if err != nil {
		return err
	}
	n := r.network()
	var errs []error
	for _, gateway := range n.gateway.All() {
		family := host.FamilyOf(gateway)
		want := map[key]netlink.Route{}
		r.overlay(want, n, gateway, index, unix.RT_TABLE_MAIN)
		all := key{host.Everything(family), answersTable}
		want[all] = routeTo(all, gateway, index)
		errs = append(errs, r.apply(family, want, isOwnTable), r.rule(family))
	}
	return errors.Join(errs...)
}

// portIndex is the index of the node's port.
func (r *routes) portIndex() (int, error) {
	link, err := r.host.LinkByName(portName)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return 0, fmt.Errorf("there is no %s yet", portName)
	} else if err != nil {
		return 0, fmt.Errorf("%s: %w", portName, err)
	}
	return link.Attrs().Index, nil
}

// isOwnTable reports whether the routes of protocol routeProtocol in a table are those of routes; those in others are of egress.
func isOwnTable(table int) bool { return table == unix.RT_TABLE_MAIN || table == answersTable }

// key is what tells two of the agent's routes apart.
type key struct {
	to    netip.Prefix
	table int
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.table, other.table), k.to.Compare(other.to))
}

// routeTo is a route of the agent; index 0 lets the kernel find the interface by which the gateway is reached.
func routeTo(k key, gateway netip.Addr, index int) netlink.Route {
	return netlink.Route{
		LinkIndex: index, Dst: host.IPNet(k.to), Gw: gateway.AsSlice(), Table: k.table, Protocol: routeProtocol, Family: host.FamilyOf(gateway),
		Type: unix.RTN_UNICAST,
	}
}

// overlay adds the routes of a table to what is reached through the node's port.
func (r *routes) overlay(want map[key]netlink.Route, n network, gateway netip.Addr, index, table int) {
	own := nodeAddresses(r.node())
	source := firstOf(own, gateway)
	for _, list := range [...][]netip.Prefix{n.pods, r.services} {
		for _, to := range list {
			// A prefix that contains the node itself would cut it off.
			if to.Addr().Is4() != gateway.Is4() || containsAny(to, own) || containsAny(to, []netip.Addr{gateway}) {
				continue
			}
			route := routeTo(key{to, table}, gateway, index)
			if source.IsValid() {
				route.Src = source.AsSlice()
			}
			want[key{to, table}] = route
		}
	}
}

func containsAny(p netip.Prefix, addrs []netip.Addr) bool {
	for _, a := range addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// apply makes the agent's routes of a family in the tables that are owned those that are wanted. One that cannot be made does not keep
// others from being made.
func (r *routes) apply(family int, want map[key]netlink.Route, owned func(table int) bool) error {
	have, err := r.host.RouteListFiltered(family, &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, route := range have {
		if !owned(route.Table) {
			continue
		}
		k := key{host.PrefixOf(route.Dst), route.Table}
		if route.Dst == nil {
			k.to = host.Everything(family)
		}
		wanted, ok := want[k]
		if ok && (wanted.LinkIndex == 0 || route.LinkIndex == wanted.LinkIndex) && host.AddrOf(route.Gw) == host.AddrOf(wanted.Gw) && host.AddrOf(route.Src) == host.AddrOf(wanted.Src) {
			delete(want, k)
			continue
		}
		if !ok {
			if err := r.host.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route to %s: %w", k.to, err)
			}
		}
	}
	var errs []error
	for _, k := range slices.SortedFunc(maps.Keys(want), key.compare) {
		route := want[k]
		if err := r.host.RouteReplace(&route); err != nil {
			errs = append(errs, fmt.Errorf("route to %s via %s in table %d: %w", k.to, route.Gw, k.table, err))
		}
	}
	return errors.Join(errs...)
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
