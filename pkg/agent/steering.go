package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// steering is how traffic of a Subnet with externalEgressGateway leaves at this node: by routing rules of a priority to a table of its
// own, whose default route is the gateway. The traffic keeps its source.
type steering struct {
	subnet          string
	prefixes        ipam.Prefixes
	gateway         ipam.Addrs
	priority, table int
	// byPod says that the Subnet is distributed: each node has rules for the addresses of its own pods.
	byPod bool
}

// steeringOf returns how a Subnet's traffic leaves at a node, and whether it has an external gateway there. A centralized Subnet has one at
// the nodes that its gatewayNode names, and at those that its status says are active.
func steeringOf(s *v1.Subnet, cidr ipam.Prefixes, node string) (steering, bool) {
	gateway, err := ipam.ParseAddrs(s.Spec.ExternalEgressGateway)
	if err != nil || gateway == (ipam.Addrs{}) {
		return steering{}, false
	}
	to := steering{
		subnet: s.Name, prefixes: cidr, gateway: gateway, byPod: s.Spec.GatewayType != v1.GatewayCentralized,
		priority: int(s.Spec.PolicyRoutingPriority), table: int(s.Spec.PolicyRoutingTableID),
	}
	return to, to.byPod || slices.ContainsFunc(strings.Split(s.Spec.GatewayNode+","+s.Status.ActivateGateway, ","), func(entry string) bool {
		name, _, _ := strings.Cut(strings.TrimSpace(entry), ":")
		return name == node
	})
}

// sources are the sources of one family whose packets leave by the gateway; none when the gateway has not that family.
func (s *steering) sources(v4 bool, pods func(subnet string) []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	if !s.to(v4).IsValid() {
		return nil
	}
	if s.byPod {
		for _, a := range pods(s.subnet) {
			if a.Is4() == v4 {
				out = append(out, netip.PrefixFrom(a, a.BitLen()))
			}
		}
		return out
	}
	for _, p := range s.prefixes.All() {
		if p.Addr().Is4() == v4 {
			out = append(out, p)
		}
	}
	return out
}

// to is the gateway's address of a family; the zero Addr when there is none.
func (s *steering) to(v4 bool) netip.Addr {
	if v4 {
		return s.gateway.V4
	}
	return s.gateway.V6
}

// steeringRule is a routing rule of the agent for a source.
type steeringRule struct {
	from            netip.Prefix
	priority, table int
}

// egress is the owner of the routing tables and rules of Subnets with external gateways. It is not a part of routes: a gateway that a user
// has named wrongly does not make the node unready.
type egress struct {
	routes
	// pods are the addresses of a Subnet's pods on this node.
	pods func(subnet string) []netip.Addr
}

// sync makes tables and rules as they should be: a difference is applied, routes and rules of others are left alone.
func (e *egress) sync(context.Context) error {
	index, err := e.portIndex()
	if err != nil {
		return err
	}
	n := e.network()
	var errs []error
	for _, overlay := range n.gateway.All() {
		family := host.FamilyOf(overlay)
		want := map[key]netlink.Route{}
		for i := range n.steered {
			if to := n.steered[i].to(overlay.Is4()); to.IsValid() {
				// What a node port leads back into the overlay does not leave.
				e.overlay(want, n, overlay, index, n.steered[i].table)
				all := key{host.Everything(family), n.steered[i].table}
				want[all] = routeTo(all, to, 0)
			}
		}
		errs = append(errs, e.apply(family, want, func(table int) bool { return !isOwnTable(table) }), e.steer(family, n.steered))
	}
	return errors.Join(errs...)
}

// steer makes the rules of a family those of the Subnets with external gateways: a difference is applied, rules of others, which have
// another protocol, are left alone.
func (e *egress) steer(family int, subnets []steering) error {
	want := map[steeringRule]bool{}
	for i := range subnets {
		for _, from := range subnets[i].sources(family == netlink.FAMILY_V4, e.pods) {
			want[steeringRule{from, subnets[i].priority, subnets[i].table}] = true
		}
	}
	rules, err := e.host.RuleList(family)
	if err != nil {
		return fmt.Errorf("list routing rules: %w", err)
	}
	var errs []error
	for _, rule := range rules {
		if rule.Protocol != uint8(routeProtocol) || rule.Priority == answersPriority && rule.Table == answersTable {
			continue
		}
		have := steeringRule{host.PrefixOf(rule.Src), rule.Priority, rule.Table}
		if want[have] && selectsBySource(&rule) {
			delete(want, have)
		} else if err := e.host.RuleDel(&rule); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove routing rule %s: %w", rule, err))
		}
	}
	for missing := range want {
		rule := netlink.NewRule()
		rule.Family, rule.Src, rule.Priority, rule.Table, rule.Protocol = family, host.IPNet(missing.from), missing.priority, missing.table, uint8(routeProtocol)
		if err := e.host.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add routing rule from %s to table %d: %w", missing.from, missing.table, err))
		}
	}
	return errors.Join(errs...)
}

// selectsBySource reports whether a rule holds for all packets of its source.
func selectsBySource(r *netlink.Rule) bool {
	return r.Dst == nil && r.Mark == 0 && r.IifName == "" && r.OifName == "" && !r.Invert && r.IPProto == 0 && r.Sport == nil && r.Dport == nil &&
		r.UIDRange == nil && r.Tos == 0
}

// podAddresses are the addresses of the pods of a Subnet on this node, ascending.
func (a *Agent) podAddresses(subnet string) []netip.Addr {
	var out []netip.Addr
	for _, ip := range a.ipsOfPods() {
		if addrs, err := ipam.ParseAddrs(ip.Spec.Addresses()); err == nil && ip.Spec.Subnet == subnet {
			out = append(out, addrs.All()...)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// isSteered reports whether a change of a pod's IP concerns the routing rules: one of the two is nil when the IP is new or gone.
func (a *Agent) isSteered(before, after any) bool {
	ip, ok := cmp.Or(after, before).(*v1.IP)
	if !ok {
		return false
	}
	s, err := a.subnets.Get(ip.Spec.Subnet)
	return err == nil && s.Spec.ExternalEgressGateway != ""
}
