package ovsdb

import (
	"bytes"
	"slices"
)

// UpdateType says what happened to a row.
type UpdateType uint8

const (
	// Insert is a new row, or one that existed when the monitor began. Columns that have their default value are left out.
	Insert UpdateType = iota + 1
	// Modify is a changed row; its columns are differences, see Value.ApplyDiff.
	Modify
	// Delete is a row that is no more. It has no columns.
	Delete
)

func (t UpdateType) String() string {
	return [...]string{"none", "insert", "modify", "delete"}[t]
}

// Update is what one notification says: one transaction, or several that the server merged because the session was slow
// or the transactions came at once. It never holds a part of a transaction.
type Update struct {
	// TxnID identifies the last transaction in it; all zeros on a standalone database, which cannot resume.
	TxnID string
	// Tables are the changed rows by table, each row once. Nil in an undecoded update.
	Tables map[string][]RowUpdate

	raw   []byte // the <table-updates2> of an undecoded update
	names map[string]string
}

// Contains reports whether the text, which must need no escapes in JSON, occurs anywhere in an undecoded update.
func (u *Update) Contains(text string) bool { return bytes.Contains(u.raw, []byte(text)) }

// Decode fills Tables, except for the given ones. It does nothing when that was done before.
func (u *Update) Decode(except ...string) error {
	if u.Tables != nil {
		return nil
	}
	d := decoder{scanner: scanner{b: u.raw}, names: u.names, except: except}
	u.Tables = d.tables()
	u.raw = nil
	return d.err
}

// RowUpdate is a change of a row. Its values are canonical.
type RowUpdate struct {
	UUID UUID
	Type UpdateType
	Row  Row
}

// Initial is the answer to Monitor.
type Initial struct {
	// Found says that Update holds what happened since the given transaction; otherwise it is all of the content.
	Found bool
	// TxnID is the last transaction that Update includes.
	TxnID  string
	Update Update
}

// decoder reads what the server says about rows. Names of tables and columns are shared by all rows.
type decoder struct {
	scanner
	names  map[string]string
	except []string // tables that are passed over
}

func newNames(s Schema) map[string]string {
	names := map[string]string{"_uuid": "_uuid"}
	for table, columns := range s {
		names[table] = table
		for column := range columns {
			names[column] = column
		}
	}
	return names
}

func (d *decoder) intern(name []byte) string {
	if known, ok := d.names[string(name)]; ok {
		return known
	}
	return string(name)
}

// tables reads a <table-updates2> of ovsdb-server(7), section 4.1.14.
func (d *decoder) tables() map[string][]RowUpdate {
	tables := make(map[string][]RowUpdate)
	for table := range d.members() {
		table := d.intern(table)
		if slices.Contains(d.except, table) {
			d.skip()
			continue
		}
		rows := tables[table]
		for id := range d.members() {
			rows = append(rows, d.rowUpdate(id))
		}
		tables[table] = rows
	}
	return tables
}

func (d *decoder) rowUpdate(id []byte) RowUpdate {
	var u RowUpdate
	var err error
	if u.UUID, err = ParseUUID(string(id)); err != nil && d.err == nil {
		d.err = err
	}
	for kind := range d.members() {
		switch string(kind) {
		case "initial", "insert":
			u.Type, u.Row = Insert, d.row()
		case "modify":
			u.Type, u.Row = Modify, d.row()
		case "delete":
			u.Type = Delete
			d.skip()
		default:
			d.fail("initial, insert, modify or delete")
		}
	}
	if u.Type == 0 {
		d.fail("a row update")
	}
	return u
}

func (d *decoder) row() Row {
	row := make(Row)
	for column := range d.members() {
		row[d.intern(column)] = d.value()
	}
	return row
}

// update reads the parameters of an update3 notification, and the name of its monitor. That of the data is left undecoded
// where that is wanted.
func (d *decoder) update(undecoded bool) (monitor string, u Update) {
	for i := range d.elements() {
		switch i {
		case 0:
			monitor = d.text()
		case 1:
			u.TxnID = d.text()
		case 2:
			if undecoded && monitor == dataMonitor {
				u.raw, u.names = bytes.Clone(d.skip()), d.names
				continue
			}
			u.Tables = d.tables()
		default:
			d.skip()
		}
	}
	if u.Tables == nil && u.raw == nil {
		d.fail("an update")
	}
	return monitor, u
}

// initial reads the result of monitor_cond_since.
func (d *decoder) initial() Initial {
	var r Initial
	for i := range d.elements() {
		switch i {
		case 0:
			r.Found = string(d.skip()) == "true"
		case 1:
			r.TxnID = d.text()
		case 2:
			r.Update.Tables = d.tables()
		default:
			d.skip()
		}
	}
	if r.Update.Tables == nil {
		d.fail("an update")
	}
	r.Update.TxnID = r.TxnID
	return r
}
