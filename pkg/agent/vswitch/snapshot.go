package vswitch

import (
	"iter"
	"maps"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Snapshot is the content of the database at one moment. It does not change.
type Snapshot struct {
	// Connected says that there is a session with the database. Without one the rest is what was last seen, empty before the
	// first session.
	Connected bool
	// Settings are the external_ids of the one Open_vSwitch row, where OVN keeps its configuration of the node
	// (ovn-controller(8)).
	Settings map[string]string
	// Version is that of Open vSwitch, as the script that starts it wrote it down; see ovs-ctl(8).
	Version string

	root       ovsdb.UUID // of the Open_vSwitch row, zero when there is none
	bridges    index[*Bridge]
	ports      index[*Port]
	interfaces index[*Interface]
	changed    chan struct{} // closed when there is a newer snapshot
}

// Bridge is a row of the table Bridge.
type Bridge struct {
	Name string
	// DatapathType is "netdev" for the userspace datapath, "system" or empty for the kernel's.
	DatapathType string
	// FailMode is "secure", "standalone" or empty.
	FailMode    string
	OtherConfig map[string]string
	ExternalIDs map[string]string

	id    ovsdb.UUID
	ports map[ovsdb.UUID]bool
}

// Port is a row of the table Port.
type Port struct {
	Name string
	// Tag is the port's access VLAN, 0 for none.
	Tag int
	// VLANMode is one of trunk, access, native-tagged, native-untagged, dot1q-tunnel, or empty.
	VLANMode    string
	OtherConfig map[string]string
	ExternalIDs map[string]string

	id         ovsdb.UUID
	interfaces []ovsdb.UUID
}

// Interface is a row of the table Interface. A port that is no bond has one interface, of its own name.
type Interface struct {
	Name string
	// Type is empty for a network device of the system, else internal, patch, geneve, ...
	Type string
	// MAC is the wanted address, empty for any; MACInUse the one that the device has.
	MAC, MACInUse string
	// MTU is what the device has, MTURequest what is wanted of an internal one; 0 when not known or not wanted.
	MTU, MTURequest int
	// OFPort is the OpenFlow port number: 0 when ovs-vswitchd has not seen the interface yet, -1 when it could not be added,
	// for the reason in Error.
	OFPort int
	Error  string
	// LinkState is "up", "down" or empty.
	LinkState string
	Options   map[string]string
	// ExternalIDs hold OVN's iface-id, and ovn-installed once ovn-controller has installed the flows of the logical port.
	ExternalIDs map[string]string

	id ovsdb.UUID
}

// Installed reports whether ovn-controller has installed all flows of the interface's logical port.
func (i *Interface) Installed() bool { return i != nil && i.ExternalIDs[ovnInstalled] == "true" }

// ovnInstalled is what ovn-controller sets, see ovn-controller(8).
const ovnInstalled = "ovn-installed"

// index is rows of one table.
type index[T any] struct {
	byID   map[ovsdb.UUID]T
	byName map[string]T
}

// Changed is closed when there is a newer snapshot.
func (s Snapshot) Changed() <-chan struct{} { return s.changed }

// Bridge returns a bridge, nil if there is none of that name.
func (s Snapshot) Bridge(name string) *Bridge { return s.bridges.byName[name] }

// Port returns a port, nil if there is none of that name.
func (s Snapshot) Port(name string) *Port { return s.ports.byName[name] }

// Interface returns an interface, nil if there is none of that name.
func (s Snapshot) Interface(name string) *Interface { return s.interfaces.byName[name] }

// Bridges are all bridges, in no order.
func (s Snapshot) Bridges() iter.Seq[*Bridge] { return maps.Values(s.bridges.byName) }

// Interfaces are all interfaces, in no order.
func (s Snapshot) Interfaces() iter.Seq[*Interface] { return maps.Values(s.interfaces.byName) }

// Ports are the ports of a bridge, in no order; none of a bridge that is nil.
func (s Snapshot) Ports(b *Bridge) iter.Seq[*Port] {
	return func(yield func(*Port) bool) {
		if b == nil {
			return
		}
		for id := range b.ports {
			if p, ok := s.ports.byID[id]; ok && !yield(p) {
				return
			}
		}
	}
}

// BridgeOf returns the bridge that a port belongs to, nil if there is no such port.
func (s Snapshot) BridgeOf(port string) *Bridge {
	p := s.Port(port)
	if p == nil {
		return nil
	}
	for b := range s.Bridges() {
		if b.ports[p.id] {
			return b
		}
	}
	return nil
}

// tables are the columns that a snapshot is made of.
var tables = map[string][]string{
	tableRoot:      {"bridges", "external_ids", "ovs_version"},
	tableBridge:    {"name", "ports", "datapath_type", "fail_mode", "other_config", "external_ids"},
	tablePort:      {"name", "interfaces", "tag", "vlan_mode", "other_config", "external_ids"},
	tableInterface: {"name", "type", "mac", "mac_in_use", "mtu", "mtu_request", "ofport", "error", "link_state", "options", "external_ids"},
}

const (
	tableRoot      = "Open_vSwitch"
	tableBridge    = "Bridge"
	tablePort      = "Port"
	tableInterface = "Interface"
)

func decodeBridge(id ovsdb.UUID, row ovsdb.Row) *Bridge {
	b := &Bridge{
		Name: row["name"].AsString(), DatapathType: row["datapath_type"].AsString(), FailMode: row["fail_mode"].AsString(),
		OtherConfig: row["other_config"].AsMap(), ExternalIDs: row["external_ids"].AsMap(), id: id, ports: map[ovsdb.UUID]bool{},
	}
	for _, p := range row["ports"].AsRefs() {
		b.ports[p] = true
	}
	return b
}

func decodePort(id ovsdb.UUID, row ovsdb.Row) *Port {
	return &Port{
		Name: row["name"].AsString(), Tag: number(row["tag"]), VLANMode: row["vlan_mode"].AsString(),
		OtherConfig: row["other_config"].AsMap(), ExternalIDs: row["external_ids"].AsMap(), id: id, interfaces: row["interfaces"].AsRefs(),
	}
}

func decodeInterface(id ovsdb.UUID, row ovsdb.Row) *Interface {
	return &Interface{
		Name: row["name"].AsString(), Type: row["type"].AsString(), MAC: row["mac"].AsString(), MACInUse: row["mac_in_use"].AsString(),
		MTU: number(row["mtu"]), MTURequest: number(row["mtu_request"]), OFPort: number(row["ofport"]), Error: row["error"].AsString(),
		LinkState: row["link_state"].AsString(), Options: row["options"].AsMap(), ExternalIDs: row["external_ids"].AsMap(), id: id,
	}
}

// number is the value of an optional integer, 0 if it is not set.
func number(v ovsdb.Value) int {
	n, _ := v.AsInt()
	return int(n)
}

// replica is the rows as the session's updates describe them.
type replica struct {
	schema ovsdb.Schema
	rows   map[string]map[ovsdb.UUID]ovsdb.Row
}

func newReplica(schema ovsdb.Schema) *replica {
	r := &replica{schema: schema, rows: map[string]map[ovsdb.UUID]ovsdb.Row{}}
	for table := range tables {
		r.rows[table] = map[ovsdb.UUID]ovsdb.Row{}
	}
	return r
}

// apply takes an update in and returns the snapshot that follows the given one.
func (r *replica) apply(s Snapshot, u *ovsdb.Update) Snapshot {
	for table, updates := range u.Tables {
		for _, update := range updates {
			r.applyRow(table, update)
		}
	}
	if len(u.Tables[tableRoot]) > 0 {
		s.root, s.Settings, s.Version = ovsdb.UUID{}, nil, ""
		for id, row := range r.rows[tableRoot] {
			s.root, s.Settings, s.Version = id, row["external_ids"].AsMap(), row["ovs_version"].AsString()
		}
	}
	s.bridges = next(s.bridges, r.rows[tableBridge], u.Tables[tableBridge], decodeBridge, func(b *Bridge) string { return b.Name })
	s.ports = next(s.ports, r.rows[tablePort], u.Tables[tablePort], decodePort, func(p *Port) string { return p.Name })
	s.interfaces = next(s.interfaces, r.rows[tableInterface], u.Tables[tableInterface], decodeInterface, func(i *Interface) string { return i.Name })
	return s
}

func (r *replica) applyRow(table string, u ovsdb.RowUpdate) {
	switch u.Type {
	case ovsdb.Insert:
		row := make(ovsdb.Row, len(tables[table]))
		for _, column := range tables[table] {
			row[column] = r.schema[table][column].Default
		}
		maps.Copy(row, u.Row)
		r.rows[table][u.UUID] = row
	case ovsdb.Delete:
		delete(r.rows[table], u.UUID)
	case ovsdb.Modify:
		row := r.rows[table][u.UUID]
		for column, diff := range u.Row {
			row[column] = row[column].ApplyDiff(diff, r.schema[table][column].Scalar)
		}
	}
}

// next is an index with the changed rows decoded again; the old one stays as it is.
func next[T any](old index[T], rows map[ovsdb.UUID]ovsdb.Row, changed []ovsdb.RowUpdate, decode func(ovsdb.UUID, ovsdb.Row) T, name func(T) string) index[T] {
	if len(changed) == 0 {
		return old
	}
	out := index[T]{maps.Clone(old.byID), maps.Clone(old.byName)}
	if out.byID == nil {
		out = index[T]{map[ovsdb.UUID]T{}, map[string]T{}}
	}
	for _, u := range changed {
		if was, ok := out.byID[u.UUID]; ok {
			delete(out.byID, u.UUID)
			delete(out.byName, name(was))
		}
	}
	for _, u := range changed {
		if row, ok := rows[u.UUID]; ok {
			decoded := decode(u.UUID, row)
			out.byID[u.UUID], out.byName[name(decoded)] = decoded, decoded
		}
	}
	return out
}
