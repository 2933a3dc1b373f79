package subnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Priorities of the router's policies for packets from an interconnected underlay; Kube-OVN's.
const (
	overlayPriority  = 31000
	physicalPriority = 29400
	// With overlayOnlyRouting the physical gateway gets also what is for nodes, whose policies are of priority 30000.
	overlayOnlyPriority = 30050
)

var interconnectionPath = specPath.Child("u2oInterconnectionIP")

// isInterconnected reports whether the Vpc's router has an address in the underlay besides the physical gateway.
func isInterconnected(s *v1.Subnet) bool {
	return s.Spec.U2OInterconnection && hasLocalnet(s) && s.Spec.Vpc != "" && s.Spec.CIDRBlock != ""
}

const interconnectedBase = "u2o/" // interconnected underlays by Vpc

func interconnectedKey(vpc, subnet string) string { return interconnectedBase + vpc + "/" + subnet }

// interconnection is the router's address in an interconnected underlay, written by claimInterconnection.
func interconnection(s *v1.Subnet) ipam.Addrs {
	addrs, _ := ipam.ParseAddrs(s.Status.U2OInterconnectionIP)
	return addrs
}

// claimInterconnection gives the router its addresses in an interconnected underlay, for as long as the Subnet is one.
func claimInterconnection(v storage.View, old, s *v1.Subnet) field.ErrorList {
	var has ipam.Addrs
	if old != nil && isInterconnected(old) {
		has = interconnection(old)
	}
	s.Status.U2OInterconnectionIP = ""
	if !isInterconnected(s) {
		return nil
	}
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	wanted, _ := ipam.ParseAddrs(s.Spec.U2OInterconnectionIP)
	missing := prefixes
	for _, f := range []struct {
		has, wanted netip.Addr
		missing     *netip.Prefix
	}{{has.V4, wanted.V4, &missing.V4}, {has.V6, wanted.V6, &missing.V6}} {
		switch {
		case !f.has.IsValid():
		case f.wanted.IsValid() && f.wanted != f.has:
			return field.ErrorList{field.Invalid(interconnectionPath, s.Spec.U2OInterconnectionIP, fmt.Sprintf("the router has %s: set u2oInterconnection to false before it gets another address", f.has))}
		case !f.missing.Contains(f.has):
			return field.ErrorList{field.Invalid(cidrPath, s.Spec.CIDRBlock, fmt.Sprintf("the router's address %s (status.u2oInterconnectionIP) would be left outside", f.has))}
		default:
			*f.missing = netip.Prefix{}
		}
	}
	if missing != (ipam.Prefixes{}) {
		grant, errs := allocateInterconnection(v, s, missing, wanted)
		if len(errs) > 0 {
			return errs
		}
		if missing.V4.IsValid() {
			has.V4 = grant.V4
		}
		if missing.V6.IsValid() {
			has.V6 = grant.V6
		}
	}
	s.Status.U2OInterconnectionIP = has.String()
	return nil
}

// allocateInterconnection allocates in some of the prefixes of the Subnet. Its own vips may not be in the snapshot yet.
func allocateInterconnection(v storage.View, s *v1.Subnet, in ipam.Prefixes, wanted ipam.Addrs) (ipam.Addrs, field.ErrorList) {
	part := s.DeepCopy()
	part.Spec.CIDRBlock = in.String()
	part.Spec.ExcludeIps = slices.Concat(part.Spec.ExcludeIps, part.Spec.Vips)
	if !in.V4.IsValid() {
		wanted.V4 = netip.Addr{}
	}
	if !in.V6.IsValid() {
		wanted.V6 = netip.Addr{}
	}
	grant, errs := address.Allocate(v, part, address.Request{
		Resource: nb.Subnets, Name: s.Name, Noun: "u2oInterconnectionIP", Addrs: wanted, NoMAC: true,
		Paths: address.Paths{Subnet: interconnectionPath, V4: interconnectionPath, V6: interconnectionPath, MAC: interconnectionPath},
	})
	return grant.Addrs, errs
}

// interconnectionPolicies send packets from the underlay that the router gets to the overlay Subnets of the Vpc, and all others to
// the physical gateway: the underlay's interfaces have the router as their gateway (podnet.Routers).
func interconnectionPolicies(v storage.View, s *v1.Subnet, net network) []storage.Row {
	if !isInterconnected(s) {
		return nil
	}
	physical := int64(physicalPriority)
	if s.Spec.U2OFeatures != nil && s.Spec.U2OFeatures.OverlayOnlyRouting {
		physical = overlayOnlyPriority
	}
	var rows []storage.Row
	for _, p := range net.prefixes.All() {
		f := family(p)
		var inside []string
		for q := range prefix.All(v, prefix.InVpc(s.Spec.Vpc)) {
			if q.Addr().Is4() == p.Addr().Is4() {
				inside = append(inside, q.String())
			}
		}
		gateway := net.gateway.V4
		if p.Addr().Is6() {
			gateway = net.gateway.V6
		}
		rows = append(rows,
			interconnectionPolicy(v, s, "u2o/overlay/"+f, overlayPriority, fmt.Sprintf("%s.src == %s && %s.dst == {%s}", f, p, f, strings.Join(inside, ", ")), "allow", ovsdb.Empty),
			interconnectionPolicy(v, s, "u2o/physical/"+f, physical, fmt.Sprintf("%s.src == %s", f, p), "reroute", ovsdb.Strings(gateway.String())))
	}
	return rows
}

// routeTable is the router's table for packets from a Subnet; empty, the main one. An interconnected underlay has its own: OVN drops a packet for which there is no route before it looks at policies, and the Vpc need not
// have a default route. The default Vpc has one in all tables. Users' tables have no slash in their names.
func (k kind) routeTable(s *v1.Subnet) string {
	if s.Spec.RouteTable == "" && isInterconnected(s) && s.Spec.Vpc != k.cfg.DefaultVpc {
		return "u2o/" + s.Name
	}
	return s.Spec.RouteTable
}

// physicalRoutes are the default routes in an underlay's own table.
func (k kind) physicalRoutes(v storage.View, s *v1.Subnet, net network) []storage.Row {
	table := k.routeTable(s)
	if table == s.Spec.RouteTable {
		return nil
	}
	var rows []storage.Row
	for _, gateway := range net.gateway.All() {
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		rows = append(rows, storage.Row{
			Table: nb.StaticRoute,
			Key:   "u2o/default/" + family(all),
			Columns: ovsdb.Row{
				"ip_prefix":    ovsdb.String(all.String()),
				"nexthop":      ovsdb.String(gateway.String()),
				"policy":       ovsdb.String("dst-ip"),
				"route_table":  ovsdb.String(table),
				"bfd":          ovsdb.Empty,
				"options":      ovsdb.Map(nil),
				"external_ids": nb.ExternalIDs(nil),
			},
			Parents: nb.InRouter(v, s.Spec.Vpc, "static_routes"),
		})
	}
	return rows
}

func interconnectionPolicy(v storage.View, s *v1.Subnet, key string, priority int64, match, action string, hops ovsdb.Value) storage.Row {
	return storage.Row{
		Table: nb.RouterPolicy,
		Key:   key,
		Columns: ovsdb.Row{
			"priority":     ovsdb.Int(priority),
			"match":        ovsdb.String(match),
			"action":       ovsdb.String(action),
			"nexthops":     hops,
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, s.Spec.Vpc, "policies"),
	}
}

// affected are the interconnected underlays of the Vpc, whose policies name its prefixes, when those change.
func affected(v storage.View, old, s *v1.Subnet) []storage.Ref {
	if old != nil && s != nil && old.Spec.CIDRBlock == s.Spec.CIDRBlock && slices.Equal(scopes(old), scopes(s)) {
		return nil
	}
	var refs []storage.Ref
	for _, x := range []*v1.Subnet{old, s} {
		if x == nil || x.Spec.Vpc == "" {
			continue
		}
		base := interconnectedKey(x.Spec.Vpc, "")
		for _, other := range v.Scan(base, strings.TrimSuffix(base, "/")+"0") {
			refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: other.GetName()})
		}
	}
	return refs
}
