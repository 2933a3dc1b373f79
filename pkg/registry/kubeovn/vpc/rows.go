package vpc

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// rows returns the router with its routes, policies and ports to peers. The key of a row says what OVN distinguishes it by, so that a
// change of one route leaves all others as they are.
func (k kind) rows(v storage.View, vpc *v1.Vpc) ([]storage.Row, error) {
	peers := mutualPeers(v, vpc)
	rows := []storage.Row{router(vpc, len(peers) > 0)}
	ports := k.externalPorts(v, vpc)
	rows = append(rows, k.externalRows(v, vpc, ports)...)
	sessions := map[string]bool{}
	for _, p := range ports {
		for _, s := range bfdSessions(v, vpc, p) {
			sessions[s.id(v, vpc)] = p.isDefault
		}
	}
	for _, r := range slices.Concat(vpc.Spec.StaticRoutes, k.derivedRoutes(v, vpc, ports)) {
		if !sessions[r.BfdID] {
			r.BfdID = "" // the session is gone with its peer: nobody says any more that the next hop is dead
		}
		row, err := staticRoute(v, vpc, r)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	rows = append(rows, k.routePolicies(v, vpc)...)
	for _, p := range vpc.Spec.PolicyRoutes {
		row, err := policy(v, vpc, p)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	for _, p := range peers {
		rows = append(rows, peerPort(v, vpc, p))
	}
	return rows, nil
}

func router(vpc *v1.Vpc, peered bool) storage.Row {
	// A router with neighbours that it does not know from the database must learn them from their requests.
	learn := peered || vpc.Spec.EnableExternal || len(vpc.Spec.ExtraExternalSubnets) > 0
	return storage.Row{
		Table: nb.LogicalRouter,
		Key:   nb.RouterKey,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(vpc.Name),
			"external_ids": nb.ExternalIDs(nil),
			"options": ovsdb.Map(map[string]string{
				"mac_binding_age_threshold":     "300",
				"dynamic_neigh_routers":         "true",
				"always_learn_from_arp_request": strconv.FormatBool(learn),
			}),
		},
	}
}

func staticRoute(v storage.View, vpc *v1.Vpc, r v1.StaticRoute) (storage.Row, error) {
	p, err := routePrefix(r.CIDR)
	if err != nil {
		return storage.Row{}, fmt.Errorf("static route: %w", err)
	}
	options := map[string]string{}
	if r.ECMPMode == ECMPSymmetricReply {
		options["ecmp_symmetric_reply"] = "true"
	}
	bfd := ovsdb.Empty
	if id, err := ovsdb.ParseUUID(r.BfdID); err == nil {
		bfd = ovsdb.Ref(id)
	}
	direction := "dst-ip"
	if policyOf(r) == v1.PolicySrc {
		direction = "src-ip"
	}
	return storage.Row{
		Table: nb.StaticRoute,
		Key:   "route/" + routeKey(r),
		Columns: ovsdb.Row{
			"ip_prefix":    ovsdb.String(p.String()),
			"nexthop":      ovsdb.String(r.NextHopIP),
			"policy":       ovsdb.String(direction),
			"route_table":  ovsdb.String(r.RouteTable),
			"bfd":          bfd,
			"options":      ovsdb.Map(options),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, vpc.Name, "static_routes"),
	}, nil
}

// routePolicies are for the static routes that the user of the default Vpc made: packets for which there is one do not leave at a node.
// Default routes have none: what to do with packets for the outside is what gateways of Subnets are for.
func (k kind) routePolicies(v storage.View, vpc *v1.Vpc) []storage.Row {
	if vpc.Name != k.cfg.DefaultVpc {
		return nil
	}
	var rows []storage.Row
	seen := map[string]bool{}
	for _, r := range vpc.Spec.StaticRoutes {
		p, err := routePrefix(r.CIDR)
		if err != nil || p.Bits() == 0 {
			continue
		}
		match := egress.To(p)
		if policyOf(r) == v1.PolicySrc {
			match = egress.From(p)
		}
		if !seen[match] {
			rows = append(rows, egress.Allow(v, k.cfg, "route-policy/"+nb.Digest(match), egress.RoutePriority, match))
		}
		seen[match] = true
	}
	return rows
}

func policy(v storage.View, vpc *v1.Vpc, p v1.PolicyRoute) (storage.Row, error) {
	hops := ovsdb.Empty
	if p.Action == v1.PolicyRouteReroute {
		addrs, err := nextHops(p)
		if err != nil {
			return storage.Row{}, fmt.Errorf("policy route: %w", err)
		}
		texts := make([]string, len(addrs))
		for i, a := range addrs {
			texts[i] = a.String()
		}
		hops = ovsdb.Strings(texts...)
	}
	return storage.Row{
		Table: nb.RouterPolicy,
		Key:   fmt.Sprintf("policy/%d/%s", p.Priority, nb.Digest(p.Match)),
		Columns: ovsdb.Row{
			"priority":     ovsdb.Int(int64(p.Priority)),
			"match":        ovsdb.String(match.Row(p.Match)),
			"action":       ovsdb.String(string(p.Action)),
			"nexthops":     hops,
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, vpc.Name, "policies"),
	}, nil
}

func peerPort(v storage.View, vpc *v1.Vpc, p peer) storage.Row {
	return storage.Row{
		Table: nb.LogicalRouterPort,
		Key:   "peer/" + p.remote.Name,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(nb.PeerPort(vpc.Name, p.remote.Name)),
			"mac":          ovsdb.String(linkMAC(vpc.Name, p.remote.Name)),
			"networks":     ovsdb.Strings(texts(p.local)...),
			"peer":         ovsdb.String(nb.PeerPort(p.remote.Name, vpc.Name)),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, vpc.Name, "ports"),
	}
}

func texts(p ipam.Prefixes) []string {
	var out []string
	for _, x := range p.All() {
		out = append(out, x.String())
	}
	return out
}

// linkMAC is the MAC of one side of the link between two Vpcs: a function of both names whose last bit tells the sides
// apart. A link is a network of two stations, so that nothing else can have it.
func linkMAC(local, remote string) string {
	lower, upper, side := local, remote, byte(0)
	if remote < local {
		lower, upper, side = remote, local, 1
	}
	sum := sha256.Sum256([]byte(lower + "\x00" + upper))
	// A bit that is always set keeps it from being zero.
	return fmt.Sprintf("00:00:00:%02X:%02X:%02X", sum[0]|0x02, sum[1], sum[2]&^1|side)
}
