package egress

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Priorities of the policies of the default Vpc's router.
const (
	SubnetPriority  = 31000
	NodePriority    = 30000
	RoutePriority   = 29800
	NATPriority     = 29500
	GatewayPriority = 29000
)

// IsOverlay reports whether a Subnet's router is that of the default Vpc.
func IsOverlay(cfg kubeovn.Config, s *v1.Subnet) bool {
	return s.Spec.Vpc == cfg.DefaultVpc && address.IsRouted(s)
}

// IsDistributed reports whether the packets of a Subnet's pods leave at the pods' own nodes.
func IsDistributed(cfg kubeovn.Config, s *v1.Subnet) bool {
	return IsOverlay(cfg, s) && s.Name != cfg.NodeSwitch && s.Spec.GatewayType != v1.GatewayCentralized
}

// IsCentralized reports whether the packets of a Subnet's pods leave at its gateway nodes.
func IsCentralized(cfg kubeovn.Config, s *v1.Subnet) bool {
	return IsOverlay(cfg, s) && s.Name != cfg.NodeSwitch && s.Spec.GatewayType == v1.GatewayCentralized
}

// IsNodePort reports whether an IP is a node's way into the default Vpc.
func IsNodePort(cfg kubeovn.Config, ip *v1.IP) bool {
	return ip.Spec.Subnet == cfg.NodeSwitch && ip.Spec.PodName == "" && ip.Spec.NodeName != "" && ip.Name == v1.NodePort(ip.Spec.NodeName)
}

// NodePort returns the addresses of a node's port, none when it has no port.
func NodePort(v storage.View, cfg kubeovn.Config, node string) ipam.Addrs {
	ip, ok := storage.Get[*v1.IP](v, nb.IPs, v1.NodePort(node))
	if !ok || !IsNodePort(cfg, ip) {
		return ipam.Addrs{}
	}
	addrs, _ := ipam.ParseAddrs(ip.Spec.Addresses()) // what is stored has been validated
	return addrs
}

// IsUsable reports whether a gateway may be on a Chassis: its agent says that it is ready, or it has no agent that says anything, as
// in an installation of OVN without Kubernetes.
func IsUsable(c *v1.Chassis) bool {
	ready := meta.FindStatusCondition(c.Status.Conditions, v1.ChassisReady)
	return ready == nil || ready.Status == metav1.ConditionTrue
}

const (
	centralizedBase = "centralized/" // centralized Subnets of the default Vpc
	nodeBase        = "on-node/"     // IPs by node
	groupKey        = "node-group"   // of the row of a Chassis' port group
	portsColumn     = "ports"        // of a port group
	mainTable       = ""             // of routes
)

// CentralizedKey is the index key of a Subnet that IsCentralized.
func CentralizedKey(subnet string) string { return centralizedBase + subnet }

// NodeKey is the index key of an IP that is on a node.
func NodeKey(node, ip string) string { return nodeBase + node + "/" + ip }

// Group is the name of the port group of a node's pods. Names of nodes have dots and hyphens; OVN takes those of port groups as words of
// its expressions, which have no hyphens.
func Group(node string) string { return "node." + strings.ReplaceAll(node, "-", "_") }

// GroupRow is the port group of a Chassis. Its members are the ports that name it in Membership.
func GroupRow(c *v1.Chassis) storage.Row {
	return storage.Row{Table: nb.PortGroup, Key: groupKey, Columns: ovsdb.Row{"name": ovsdb.String(Group(c.Name)), "external_ids": nb.ExternalIDs(nil)}}
}

// Membership is the place of an interface's port in the port group of its node; none for interfaces of other Subnets than distributed
// ones, and on nodes without a Chassis.
func Membership(v storage.View, cfg kubeovn.Config, s *v1.Subnet, ip *v1.IP) []storage.Parent {
	if ip.Spec.NodeName == "" || !IsDistributed(cfg, s) || v.Get(nb.Chassis, ip.Spec.NodeName) == nil {
		return nil
	}
	return []storage.Parent{{Table: nb.PortGroup, UUID: v.RowID(nb.Chassis, ip.Spec.NodeName, groupKey), Column: portsColumn}}
}

// Gateways are the names of the Chassis that may be the gateway of a centralized Subnet, the best first: those of gatewayNode in their
// order, then those that gatewayNodeSelectors select, ascending.
func Gateways(v storage.View, s *v1.Subnet) []string {
	names := named(s)
	if len(s.Spec.GatewayNodeSelectors) == 0 {
		return names
	}
	for o := range v.List(nb.Chassis) {
		if !slices.Contains(names, o.GetName()) && selected(s, o.GetLabels()) {
			names = append(names, o.GetName())
		}
	}
	return names
}

// named are the nodes of gatewayNode, "node1,node2:address".
func named(s *v1.Subnet) []string {
	var names []string
	for part := range strings.SplitSeq(s.Spec.GatewayNode, ",") {
		node, _, _ := strings.Cut(strings.TrimSpace(part), ":")
		if node != "" && !slices.Contains(names, node) {
			names = append(names, node)
		}
	}
	return names
}

func selected(s *v1.Subnet, of map[string]string) bool {
	return slices.ContainsFunc(s.Spec.GatewayNodeSelectors, func(selector metav1.LabelSelector) bool {
		parsed, err := metav1.LabelSelectorAsSelector(&selector)
		return err == nil && parsed.Matches(labels.Set(of))
	})
}

// Active is the gateways of a centralized Subnet that are in use, with the addresses of their ports: the first that is usable, or all of
// them with enableEcmp.
func Active(v storage.View, cfg kubeovn.Config, s *v1.Subnet) (nodes []string, hops []ipam.Addrs) {
	for _, node := range Gateways(v, s) {
		c, ok := storage.Get[*v1.Chassis](v, nb.Chassis, node)
		port := NodePort(v, cfg, node)
		if !ok || !IsUsable(c) || port == (ipam.Addrs{}) {
			continue
		}
		nodes, hops = append(nodes, node), append(hops, port)
		if !s.Spec.EnableEcmp && !cfg.EnableEcmp {
			break
		}
	}
	return nodes, hops
}

// AffectedByChassis are the objects whose rows depend on a Chassis without referring to it: when it comes or goes, the IPs on the node;
// when its fitness to be a gateway changes, the centralized Subnets that may use it.
func AffectedByChassis(v storage.View, old, c *v1.Chassis) []storage.Ref {
	if old != nil && c != nil {
		if IsUsable(old) == IsUsable(c) && maps.Equal(old.Labels, c.Labels) {
			return nil
		}
		return centralized(v, c.Name)
	}
	node := old
	if c != nil {
		node = c
	}
	refs := centralized(v, node.Name)
	base := NodeKey(node.Name, "")
	for _, o := range v.Scan(base, strings.TrimSuffix(base, "/")+"0") {
		refs = append(refs, storage.Ref{Resource: nb.IPs, Name: o.GetName()})
	}
	return refs
}

// AffectedByPort are the centralized Subnets that may use a node as their gateway, when it gets or loses its port or its address.
func AffectedByPort(v storage.View, cfg kubeovn.Config, old, ip *v1.IP) []storage.Ref {
	var before, after, node string
	if old != nil && IsNodePort(cfg, old) {
		before, node = old.Spec.Addresses(), old.Spec.NodeName
	}
	if ip != nil && IsNodePort(cfg, ip) {
		after, node = ip.Spec.Addresses(), ip.Spec.NodeName
	}
	if before == after {
		return nil
	}
	return centralized(v, node)
}

// centralized are the centralized Subnets that name a node, and those that select nodes by their labels.
func centralized(v storage.View, node string) []storage.Ref {
	var refs []storage.Ref
	for _, o := range v.Scan(centralizedBase, strings.TrimSuffix(centralizedBase, "/")+"0") {
		s, ok := o.(*v1.Subnet)
		if ok && (len(s.Spec.GatewayNodeSelectors) > 0 || slices.Contains(named(s), node)) {
			refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: s.Name})
		}
	}
	return refs
}

// Allow is a policy of the default Vpc's router that forwards as routed.
func Allow(v storage.View, cfg kubeovn.Config, key string, priority int, match string) storage.Row {
	return policy(v, cfg, key, priority, match, v1.PolicyRouteAllow, nil)
}

// Reroute is a policy of the default Vpc's router that forwards to one of several addresses.
func Reroute(v storage.View, cfg kubeovn.Config, key string, priority int, match string, hops ...netip.Addr) storage.Row {
	return policy(v, cfg, key, priority, match, v1.PolicyRouteReroute, hops)
}

func policy(v storage.View, cfg kubeovn.Config, key string, priority int, match string, action v1.PolicyRouteAction, hops []netip.Addr) storage.Row {
	texts := make([]string, len(hops))
	for i, hop := range hops {
		texts[i] = hop.String()
	}
	return storage.Row{
		Table: nb.RouterPolicy,
		Key:   key,
		Columns: ovsdb.Row{
			"priority":     ovsdb.Int(int64(priority)),
			"match":        ovsdb.String(match),
			"action":       ovsdb.String(string(action)),
			"nexthops":     ovsdb.Strings(texts...),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, cfg.DefaultVpc, "policies"),
	}
}

// Family is "4" or "6", as OVN's expressions and keys of rows have it.
func Family(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

// From matches packets from a prefix, or from an address, and To those that go there.
func From(p netip.Prefix) string { return fmt.Sprintf("ip%s.src == %s", Family(p.Addr()), text(p)) }

// To matches packets that go to a prefix, or to an address.
func To(p netip.Prefix) string { return fmt.Sprintf("ip%s.dst == %s", Family(p.Addr()), text(p)) }

func text(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Routes are the default routes of the default Vpc in all its tables: into the Subnet of the nodes, where policies choose the node. A
// table that has a default route of the address family already, as users may write it, keeps that one.
func Routes(v storage.View, cfg kubeovn.Config, vpc *v1.Vpc, others []v1.StaticRoute) []v1.StaticRoute {
	join, ok := storage.Get[*v1.Subnet](v, nb.Subnets, cfg.NodeSwitch)
	if vpc.Name != cfg.DefaultVpc || !ok || !IsOverlay(cfg, join) {
		return nil
	}
	gateway, _ := ipam.Gateways(join.Spec.CIDRBlock, join.Spec.Gateway) // what is stored has been validated
	tables := []string{mainTable}
	for s := range storage.ReferrersOf[*v1.Subnet](v, nb.Vpcs, vpc.Name) {
		if IsOverlay(cfg, s) {
			tables = append(tables, s.Spec.RouteTable)
		}
	}
	for _, r := range vpc.Spec.StaticRoutes {
		tables = append(tables, r.RouteTable)
	}
	slices.Sort(tables)
	var routes []v1.StaticRoute
	for _, table := range slices.Compact(tables) {
		for _, hop := range gateway.All() {
			r := v1.StaticRoute{Policy: v1.PolicyDst, CIDR: netip.PrefixFrom(anyOf(hop), 0).String(), NextHopIP: hop.String(), RouteTable: table}
			if !slices.ContainsFunc(others, func(o v1.StaticRoute) bool {
				return o.Policy == v1.PolicyDst && o.CIDR == r.CIDR && o.RouteTable == table
			}) {
				routes = append(routes, r)
			}
		}
	}
	return routes
}

func anyOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
