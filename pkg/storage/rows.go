package storage

import (
	"fmt"
	"maps"
	"slices"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Tags in external_ids of every realized row.
const (
	tagVendor = "vendor"
	tagOwner  = "kubeovn.io/owner"
	tagRow    = "kubeovn.io/row"

	vendor = "kube-ovn" // what Kube-OVN's tools look for
)

// rowChanges are the differences between the rows that are there and those that should be.
type rowChanges struct {
	inserts []*realized
	updates []rowUpdate
	deletes []*realized
	parents map[Parent]*members // Parent.UUID is the holding row
	strays  []*realized         // of the deletes: those that rows may hold which this process does not know

	rows map[ovsdb.UUID]*realized // all rows that the batch changes, as they will be; nil: gone
}

type rowUpdate struct {
	row     *realized
	columns ovsdb.Row
}

// members are the rows that a column gains and loses.
type members struct{ add, remove []ovsdb.UUID }

func (c *rowChanges) empty() bool {
	return len(c.inserts) == 0 && len(c.updates) == 0 && len(c.deletes) == 0 && len(c.parents) == 0
}

func (c *rowChanges) join(p Parent, row ovsdb.UUID) {
	m := c.holder(p)
	m.add = append(m.add, row)
}

// joins reports whether a column gains a row.
func (c *rowChanges) joins(p Parent, row ovsdb.UUID) bool {
	m := c.parents[p]
	return m != nil && slices.Contains(m.add, row)
}

func (c *rowChanges) leave(p Parent, row ovsdb.UUID) {
	m := c.holder(p)
	m.remove = append(m.remove, row)
}

func (c *rowChanges) holder(p Parent) *members {
	m := c.parents[p]
	if m == nil {
		m = &members{}
		c.parents[p] = m
	}
	return m
}

// placeRows records the difference between an owner's rows and the desired ones. A nil owner owns none.
func (b *batch) placeRows(key string, owner *entry, desired []Row) error {
	existing := b.work.ownedRows(key) // rows of an earlier object of this name among them
	for i := range desired {
		want, err := b.realize(owner, &desired[i])
		if err != nil {
			return err
		}
		at := slices.IndexFunc(existing, func(r *realized) bool { return r.uuid == want.uuid && r.table == want.table })
		if at >= 0 {
			b.adjust(existing[at], want)
			existing = slices.Delete(existing, at, at+1)
			continue
		}
		b.rows.inserts = append(b.rows.inserts, want)
		for _, p := range want.parents {
			b.rows.join(p, want.uuid)
		}
		b.setRow(want)
	}
	for _, r := range existing {
		b.dropRow(r)
	}
	return nil
}

func (b *batch) setRow(r *realized) {
	b.work.rows.ReplaceOrInsert(r)
	b.rows.rows[r.uuid] = r
}

// dropRow removes a row together with the references of its parents.
func (b *batch) dropRow(r *realized) {
	b.work.rows.Delete(r)
	b.rows.deletes = append(b.rows.deletes, r)
	b.rows.rows[r.uuid] = nil
	parents, known := b.parentsOf(r)
	for _, p := range parents {
		b.rows.leave(p, r.uuid)
	}
	if !known || b.sweep {
		b.rows.strays = append(b.rows.strays, r)
	}
}

// adjust records what must change in a row that stays.
func (b *batch) adjust(have, want *realized) {
	diff := ovsdb.Row{}
	for i, column := range b.cols[have.table] {
		if want.cols[i] == "" {
			want.cols[i] = have.cols[i] // not ours to decide
		} else if want.cols[i] != have.cols[i] {
			diff[column] = want.cols[i]
		}
	}
	held, _ := b.parentsOf(have)
	moved := false
	for _, p := range want.parents {
		if !slices.Contains(held, p) || b.detached != nil && b.detached(p, want.uuid) {
			b.rows.join(p, want.uuid)
			moved = true
		}
	}
	for _, p := range held {
		if !slices.Contains(want.parents, p) {
			b.rows.leave(p, want.uuid)
			moved = true
		}
	}
	if len(diff) > 0 {
		b.rows.updates = append(b.rows.updates, rowUpdate{row: want, columns: diff})
	}
	if len(diff) > 0 || moved || have.epoch != want.epoch {
		b.setRow(want)
	}
}

// parentsOf returns the rows that hold r. When this process did not place r, they are computed as its owner computed them on the
// state that the batch began on: parents' columns are not part of the replica. known is false for a row that its owner does not want
// there, and for a row without an owner.
func (b *batch) parentsOf(r *realized) (parents []Parent, known bool) {
	if r.epoch == b.base.epoch {
		return r.parents, true
	}
	computed, done := b.parents[r.owner]
	if !done {
		computed = map[ovsdb.UUID][]Parent{}
		if owner := b.base.get(r.owner); owner != nil && owner.obj != nil {
			rows, err := owner.res.DesiredRows(b.base, owner.obj)
			for i := range rows {
				if err == nil {
					computed[rowUUID(owner, rows[i].Key)] = rows[i].Parents
				}
			}
		}
		b.parents[r.owner] = computed
	}
	parents, known = computed[r.uuid]
	return parents, known
}

// realize gives a desired row its identity and tags.
func (b *batch) realize(owner *entry, row *Row) (*realized, error) {
	columns, ok := b.cols[row.Table]
	if !ok {
		return nil, fmt.Errorf("%s row %q of %s: the table is not monitored", row.Table, row.Key, owner.key)
	}
	r := &realized{owner: owner.key, key: row.Key, table: row.Table, uuid: rowUUID(owner, row.Key), parents: row.Parents, epoch: b.base.epoch,
		cols: make([]ovsdb.Value, len(columns))}
	for _, p := range row.Parents {
		if p.UUID.IsZero() {
			return nil, fmt.Errorf("%s row %q of %s: the %s row that should hold it does not exist", row.Table, row.Key, owner.key, p.Table)
		}
	}
	for name, v := range row.Columns {
		i := slices.Index(columns, name)
		if i < 0 {
			return nil, fmt.Errorf("%s row %q of %s: column %s is not monitored", row.Table, row.Key, owner.key, name)
		}
		r.cols[i] = v
	}
	if i := slices.Index(columns, columnIDs); i >= 0 {
		ids := row.Columns[columnIDs].AsMap()
		if ids == nil {
			ids = map[string]string{}
		}
		ids[tagVendor] = vendor
		ids[tagOwner] = owner.res.Kind + "/" + owner.name()
		ids[tagRow] = row.Key
		r.cols[i] = ovsdb.Map(ids)
	}
	return r, nil
}

// write adds the operations to a transaction, in an order that does not depend on chance.
// Untagged are rows of ours that are there without our tags: they are not inserted but set.
func (c *rowChanges) write(t *ovsdb.Txn, columns map[string][]string, schema ovsdb.Schema, untagged map[ovsdb.UUID]bool) {
	for _, r := range c.inserts {
		row := make(ovsdb.Row, len(r.cols))
		for i, v := range r.cols {
			column := columns[r.table][i]
			if v != "" {
				row[column] = v
			} else if untagged[r.uuid] {
				row[column] = schema[r.table][column].Default
			}
		}
		if untagged[r.uuid] {
			t.Update(r.table, r.uuid, row)
		} else {
			t.Insert(r.table, r.uuid, row)
		}
	}
	for _, u := range c.updates {
		t.Update(u.row.table, u.row.uuid, u.columns)
	}
	holders := slices.SortedFunc(maps.Keys(c.parents), func(x, y Parent) int {
		if d := slices.Compare(x.UUID[:], y.UUID[:]); d != 0 {
			return d
		}
		if x.Column < y.Column {
			return -1
		}
		return 1
	})
	for _, p := range holders {
		m := c.parents[p]
		if len(m.remove) > 0 {
			t.Mutate(p.Table, p.UUID, p.Column, "delete", ovsdb.Refs(m.remove...))
		}
		if len(m.add) > 0 {
			t.Mutate(p.Table, p.UUID, p.Column, "insert", ovsdb.Refs(m.add...))
		}
	}
	for _, r := range c.strays {
		for _, holder := range schema.Holders(r.table) {
			t.Release(holder.Table, holder.Column, r.uuid)
		}
	}
	for _, r := range c.deletes {
		t.Delete(r.table, r.uuid)
	}
}
