package vpc

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// externalRows are the router's ports in external Subnets with what belongs to them. A BFD row goes in the transaction in which
// its port goes: one that stays behind crashes northd.
func (k kind) externalRows(v storage.View, vpc *v1.Vpc, ports []externalPort) []storage.Row {
	var rows []storage.Row
	for _, p := range ports {
		rows = append(rows, externalRouterPort(v, vpc, p), externalSwitchPort(v, vpc, p))
		rows = append(rows, gateways(v, vpc, p)...)
		if p.isDefault {
			for _, s := range bfdSessions(v, vpc, p) {
				rows = append(rows, s.row())
			}
		}
	}
	return rows
}

func externalRouterPort(v storage.View, vpc *v1.Vpc, p externalPort) storage.Row {
	networks := make([]string, len(p.networks))
	for i, n := range p.networks {
		networks[i] = n.String()
	}
	return storage.Row{
		Table: nb.LogicalRouterPort,
		Key:   nb.ExternalPortKey(p.subnet),
		Columns: ovsdb.Row{
			"name":         ovsdb.String(p.name),
			"mac":          ovsdb.String(p.mac),
			"networks":     ovsdb.Strings(networks...),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, vpc.Name, "ports"),
	}
}

// externalSwitchPort is the other end of the port. The active gateway announces the NAT addresses of the router there, so that
// the physical network learns where they are when another chassis takes over.
func externalSwitchPort(v storage.View, vpc *v1.Vpc, p externalPort) storage.Row {
	return storage.Row{
		Table: nb.LogicalSwitchPort,
		Key:   "external-lsp/" + p.subnet,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(nb.PatchPort(p.subnet, vpc.Name)),
			"type":         ovsdb.String("router"),
			"addresses":    ovsdb.Strings("router"),
			"options":      ovsdb.Map(map[string]string{"router-port": p.name, "nat-addresses": "router"}),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InSwitch(v, p.subnet, "ports"),
	}
}

// maxGateways bounds the chassis of a port, and is the highest priority of one.
const maxGateways = 100

// gateways are the chassis that may host a port. The priority of each is a hash of Vpc and chassis: Vpcs are spread over the
// chassis, and one that comes or goes changes its own row only. One that is not ready comes after all that are. Of two with the
// same priority OVN takes the one with the higher name.
func gateways(v storage.View, vpc *v1.Vpc, p externalPort) []storage.Row {
	type candidate struct {
		chassis  *v1.Chassis
		priority int64
	}
	var candidates []candidate
	for _, o := range nb.Gateways(v) {
		if c, ok := o.(*v1.Chassis); ok {
			priority := int64(0)
			if egress.IsUsable(c) {
				priority = gatewayPriority(vpc.Name, c.Spec.ChassisID)
			}
			candidates = append(candidates, candidate{c, priority})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.priority, a.priority) })
	rows := make([]storage.Row, 0, min(len(candidates), maxGateways))
	for _, c := range candidates[:min(len(candidates), maxGateways)] {
		rows = append(rows, storage.Row{
			Table: nb.GatewayChassis,
			Key:   "gateway/" + p.subnet + "/" + c.chassis.Spec.ChassisID,
			Columns: ovsdb.Row{
				"name":         ovsdb.String(nb.GatewayName(p.name, c.chassis.Spec.ChassisID)),
				"chassis_name": ovsdb.String(c.chassis.Spec.ChassisID),
				"priority":     ovsdb.Int(c.priority),
				"external_ids": nb.ExternalIDs(nil),
			},
			Parents: []storage.Parent{{Table: nb.LogicalRouterPort, UUID: v.RowID(nb.Vpcs, vpc.Name, nb.ExternalPortKey(p.subnet)), Column: "gateway_chassis"}},
		})
	}
	return rows
}

func gatewayPriority(vpc, chassis string) int64 {
	sum := sha256.Sum256([]byte(vpc + "\x00" + chassis))
	return 1 + int64(binary.BigEndian.Uint64(sum[:8])%maxGateways)
}

// Times of BFD: a dead next hop is left after three of them.
const (
	bfdInterval   = 300 // milliseconds
	bfdMultiplier = 3
)

func (s bfdSession) row() storage.Row {
	return storage.Row{
		Table: nb.BFD,
		Key:   s.key,
		Columns: ovsdb.Row{
			"logical_port": ovsdb.String(s.port),
			"dst_ip":       ovsdb.String(s.peer.String()),
			"min_tx":       ovsdb.Int(bfdInterval),
			"min_rx":       ovsdb.Int(bfdInterval),
			"detect_mult":  ovsdb.Int(bfdMultiplier),
			"external_ids": nb.ExternalIDs(nil),
		},
	}
}
