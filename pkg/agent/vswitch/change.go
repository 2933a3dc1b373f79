package vswitch

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Change says what shall be in the database; see EnsureBridge, RemoveBridge, EnsurePort, RemovePort and SetSettings.
type Change func(*plan) error

// BridgeSpec is what a bridge shall be. Fields that are empty are left as they are.
type BridgeSpec struct {
	Name string
	// DatapathType is "netdev" or "system".
	DatapathType string
	// FailMode is "secure" or "standalone".
	FailMode string
	// OtherConfig and ExternalIDs are set key by key: other keys stay, and an empty value removes a key.
	OtherConfig, ExternalIDs map[string]string
}

// PortSpec is what a port of one interface shall be. Fields that are empty are left as they are.
type PortSpec struct {
	Name string
	// Bridge is the name of the port's bridge. It must exist, or be ensured by an earlier change of the transaction.
	Bridge string
	// Type is the interface's, as in Interface.Type.
	Type string
	// MAC is the address of an internal interface.
	MAC string
	// MTU is what is wanted of an internal interface.
	MTU int
	// Tag is the access VLAN.
	Tag int
	// Options, and ExternalIDs of the interface, and PortConfig (other_config) of the port are set key by key: other keys stay,
	// and an empty value removes a key.
	Options, ExternalIDs, PortConfig map[string]string
}

// EnsureBridge makes a bridge be as specified, with its internal port of the same name.
func EnsureBridge(spec BridgeSpec) Change {
	return func(p *plan) error {
		if p.snapshot.root.IsZero() {
			return errors.New("the Open vSwitch database is not initialized: it has no row in table Open_vSwitch (ovs-vsctl init makes it)")
		}
		b := p.snapshot.Bridge(spec.Name)
		if b == nil {
			p.addBridge(spec)
			return nil
		}
		row := ovsdb.Row{}
		setString(row, "datapath_type", b.DatapathType, spec.DatapathType)
		setString(row, "fail_mode", b.FailMode, spec.FailMode)
		p.update(tableBridge, b.id, row)
		p.setKeys(tableBridge, b.id, "other_config", b.OtherConfig, spec.OtherConfig)
		p.setKeys(tableBridge, b.id, "external_ids", b.ExternalIDs, spec.ExternalIDs)
		return nil
	}
}

// RemoveBridge removes a bridge and its ports. One that does not exist is left alone.
func RemoveBridge(name string) Change {
	return func(p *plan) error {
		if b := p.snapshot.Bridge(name); b != nil {
			p.mutate(tableRoot, p.snapshot.root, "bridges", "delete", ovsdb.Refs(b.id))
		}
		return nil
	}
}

// EnsurePort makes a port be as specified. A port of that name on another bridge is moved.
func EnsurePort(spec PortSpec) Change {
	return func(p *plan) error {
		bridge, err := p.bridge(spec.Bridge)
		if err != nil {
			return fmt.Errorf("port %s: %w", spec.Name, err)
		}
		port, nic := p.snapshot.Port(spec.Name), p.snapshot.Interface(spec.Name)
		if port == nil || p.removed[spec.Name] {
			p.addPort(bridge, spec)
			return nil
		}
		if nic == nil || len(port.interfaces) != 1 || port.interfaces[0] != nic.id {
			return fmt.Errorf("port %s is a bond, or its interface has another name", spec.Name)
		}
		if on := p.snapshot.BridgeOf(spec.Name); on == nil || on.id != bridge {
			if on != nil {
				p.mutate(tableBridge, on.id, "ports", "delete", ovsdb.Refs(port.id))
			}
			p.mutate(tableBridge, bridge, "ports", "insert", ovsdb.Refs(port.id))
		}
		row := ovsdb.Row{}
		if spec.Tag != 0 && spec.Tag != port.Tag {
			row["tag"] = ovsdb.Int(int64(spec.Tag))
		}
		p.update(tablePort, port.id, row)
		p.setKeys(tablePort, port.id, "other_config", port.OtherConfig, spec.PortConfig)
		row = ovsdb.Row{}
		setString(row, "type", nic.Type, spec.Type)
		setString(row, "mac", nic.MAC, spec.MAC)
		if spec.MTU != 0 && spec.MTU != nic.MTURequest {
			row["mtu_request"] = ovsdb.Int(int64(spec.MTU))
		}
		p.update(tableInterface, nic.id, row)
		p.setKeys(tableInterface, nic.id, "options", nic.Options, spec.Options)
		p.setKeys(tableInterface, nic.id, "external_ids", nic.ExternalIDs, spec.ExternalIDs)
		return nil
	}
}

// RemovePort removes a port from its bridge. One that does not exist is left alone.
func RemovePort(name string) Change {
	return func(p *plan) error {
		port, bridge := p.snapshot.Port(name), p.snapshot.BridgeOf(name)
		if port != nil && bridge != nil && !p.removed[name] {
			p.removed[name] = true
			p.mutate(tableBridge, bridge.id, "ports", "delete", ovsdb.Refs(port.id))
		}
		return nil
	}
}

// SetSettings sets external_ids of the Open_vSwitch row key by key: other keys stay, and an empty value removes a key.
func SetSettings(settings map[string]string) Change {
	return func(p *plan) error {
		if p.snapshot.root.IsZero() {
			return errors.New("the Open vSwitch database is not initialized: it has no row in table Open_vSwitch (ovs-vsctl init makes it)")
		}
		p.setKeys(tableRoot, p.snapshot.root, "external_ids", p.snapshot.Settings, settings)
		return nil
	}
}

// plan is a transaction that makes changes to a snapshot.
type plan struct {
	snapshot Snapshot
	txn      *ovsdb.Txn
	counted  []int                 // operations that must find their row
	added    map[string]ovsdb.UUID // bridges of this transaction
	removed  map[string]bool       // ports of the snapshot
}

func newPlan(s Snapshot) *plan {
	return &plan{snapshot: s, txn: ovsdb.NewTxn(database), added: map[string]ovsdb.UUID{}, removed: map[string]bool{}}
}

// finish makes ovs-vswitchd take the configuration over, as ovs-vsctl does: it compares next_cfg with what it has.
func (p *plan) finish() {
	if p.txn.Len() > 0 && !p.snapshot.root.IsZero() {
		p.txn.Mutate(tableRoot, p.snapshot.root, "next_cfg", "+=", ovsdb.Int(1))
	}
}

// bridge returns the row of a bridge that exists or is being added.
func (p *plan) bridge(name string) (ovsdb.UUID, error) {
	if id, ok := p.added[name]; ok {
		return id, nil
	}
	if b := p.snapshot.Bridge(name); b != nil {
		return b.id, nil
	}
	return ovsdb.UUID{}, fmt.Errorf("there is no bridge %s", name)
}

func (p *plan) addBridge(spec BridgeSpec) {
	id, port, nic := ovsdb.NewUUID(), ovsdb.NewUUID(), ovsdb.NewUUID()
	name := ovsdb.String(spec.Name)
	p.txn.Insert(tableInterface, nic, ovsdb.Row{"name": name, "type": ovsdb.String("internal")})
	p.txn.Insert(tablePort, port, ovsdb.Row{"name": name, "interfaces": ovsdb.Refs(nic)})
	row := ovsdb.Row{
		"name": name, "ports": ovsdb.Refs(port),
		"other_config": ovsdb.Map(present(spec.OtherConfig)), "external_ids": ovsdb.Map(present(spec.ExternalIDs)),
	}
	setString(row, "datapath_type", "", spec.DatapathType)
	setString(row, "fail_mode", "", spec.FailMode)
	p.txn.Insert(tableBridge, id, row)
	p.mutate(tableRoot, p.snapshot.root, "bridges", "insert", ovsdb.Refs(id))
	p.added[spec.Name] = id
}

func (p *plan) addPort(bridge ovsdb.UUID, spec PortSpec) {
	port, nic := ovsdb.NewUUID(), ovsdb.NewUUID()
	row := ovsdb.Row{
		"name": ovsdb.String(spec.Name), "options": ovsdb.Map(present(spec.Options)), "external_ids": ovsdb.Map(present(spec.ExternalIDs)),
	}
	setString(row, "type", "", spec.Type)
	setString(row, "mac", "", spec.MAC)
	if spec.MTU != 0 {
		row["mtu_request"] = ovsdb.Int(int64(spec.MTU))
	}
	p.txn.Insert(tableInterface, nic, row)
	row = ovsdb.Row{"name": ovsdb.String(spec.Name), "interfaces": ovsdb.Refs(nic), "other_config": ovsdb.Map(present(spec.PortConfig))}
	if spec.Tag != 0 {
		row["tag"] = ovsdb.Int(int64(spec.Tag))
	}
	p.txn.Insert(tablePort, port, row)
	p.mutate(tableBridge, bridge, "ports", "insert", ovsdb.Refs(port))
}

// mutate and update are operations on a row that must still be there.
func (p *plan) mutate(table string, id ovsdb.UUID, column, mutator string, v ovsdb.Value) {
	p.counted = append(p.counted, p.txn.Len())
	p.txn.Mutate(table, id, column, mutator, v)
}

func (p *plan) update(table string, id ovsdb.UUID, row ovsdb.Row) {
	if len(row) > 0 {
		p.counted = append(p.counted, p.txn.Len())
		p.txn.Update(table, id, row)
	}
}

// setKeys makes a map column have the wanted pairs; an empty value removes its key.
func (p *plan) setKeys(table string, id ovsdb.UUID, column string, have, want map[string]string) {
	var stale []string
	set := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		was, ok := have[key]
		if ok && was != want[key] {
			stale = append(stale, key)
		}
		if want[key] != "" && (!ok || was != want[key]) {
			set[key] = want[key]
		}
	}
	if len(stale) > 0 {
		p.mutate(table, id, column, "delete", ovsdb.Strings(stale...))
	}
	if len(set) > 0 {
		p.mutate(table, id, column, "insert", ovsdb.Map(set))
	}
}

// present are the pairs that have a value.
func present(m map[string]string) map[string]string {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// setString sets a column to a value that is wanted and not there.
func setString(row ovsdb.Row, column, have, want string) {
	if want != "" && have != want {
		row[column] = ovsdb.String(want)
	}
}
