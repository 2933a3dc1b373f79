package storage

import (
	"slices"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// foreignRows applies changes of realized rows that no document explains. The states under way get them, too. Planned are the rows that
// our own transaction changed, if the notification is its: what becomes of them is known.
func (r *replica) foreignRows(u *ovsdb.Update, planned map[ovsdb.UUID]*realized) {
	for _, owner := range r.attach(u, planned) { // also of rows that are planned: they may hold others
		r.drifted[owner] = true
	}
	touched := false
	for table, updates := range u.Tables {
		u.Tables[table] = slices.DeleteFunc(updates, func(c ovsdb.RowUpdate) bool {
			_, ours := planned[c.UUID]
			return ours
		})
		touched = touched || (table != carrierTable && len(u.Tables[table]) > 0)
	}
	if !touched {
		return
	}
	s := r.clone(r.state())
	targets := []target{{state: s}}
	var plans []map[ovsdb.UUID]*realized
	for _, b := range []*batch{r.inflight, r.next} {
		if b != nil && !b.applied {
			plans = append(plans, b.rows.rows)
			targets = append(targets, target{state: b.work, plans: slices.Clone(plans)})
		}
	}
	for table, updates := range u.Tables {
		if table != carrierTable {
			for _, owner := range r.applyRows(updates, table, targets...) {
				r.drifted[owner] = true
			}
		}
	}
	r.e.hist.publish(s, nil)
}

// target is a state to which changes of rows are applied. A speculative one stands behind transactions that are not executed yet:
// plans are the rows that these change, in the order of execution.
type target struct {
	state *state
	plans []map[ovsdb.UUID]*realized
}

// planned returns what becomes of a row that somebody else changed from before to after when the plans are executed: columns that
// a plan changes are as planned, the others as they are in the database. It is nil when a plan deletes the row.
func (t target) planned(before, after *realized) *realized {
	for _, plan := range t.plans {
		row, changed := plan[after.uuid]
		if !changed {
			continue
		}
		if row == nil {
			return nil
		}
		merged := *row
		merged.cols = slices.Clone(row.cols)
		for i := range merged.cols {
			if before != nil && row.cols[i] == before.cols[i] {
				merged.cols[i] = after.cols[i]
			}
		}
		before, after = row, &merged
	}
	return after
}

// applyRows applies changes of realized rows to states and to the index by UUID. It returns the owners concerned. A row is known by
// its UUID alone: the order of the updates does not matter, also when a row takes the place of another under its owner's key.
func (r *replica) applyRows(updates []ovsdb.RowUpdate, table string, targets ...target) (owners []string) {
	columns := r.columns[table]
	for _, u := range updates {
		before := r.rows[u.UUID]
		var after *realized
		switch u.Type {
		case ovsdb.Delete:
		case ovsdb.Modify:
			if before == nil {
				continue // somebody else's
			}
			row := *before
			row.cols = slices.Clone(before.cols)
			for i, c := range columns {
				if diff, ok := u.Row[c]; ok {
					row.cols[i] = row.cols[i].ApplyDiff(diff, r.schema[table][c].Scalar)
				}
			}
			after = &row
		default:
			if after = r.identify(table, columns, u); after == nil {
				continue
			}
		}
		if before == nil && after == nil {
			continue
		}
		owners = append(owners, r.replaceRow(before, after, targets))
	}
	return owners
}

func (r *replica) replaceRow(before, after *realized, targets []target) (owner string) {
	for _, t := range targets {
		if after == nil {
			t.state.rows.Delete(before)
		} else if row := t.planned(before, after); row != nil {
			t.state.rows.ReplaceOrInsert(row)
		}
	}
	if after != nil {
		r.rows[after.uuid] = after
		return after.owner
	}
	delete(r.rows, before.uuid)
	return before.owner
}

// identify reads the tags of a row; nil if it is none of ours.
func (r *replica) identify(table string, columns []string, u ovsdb.RowUpdate) *realized {
	ids := u.Row[columnIDs].AsMap()
	kind, name, ok := strings.Cut(ids[tagOwner], "/")
	res := r.e.byKind[kind]
	if !ok || res == nil || ids[tagRow] == "" {
		return nil
	}
	row := &realized{owner: "/" + res.Name + "/" + name, key: ids[tagRow], table: table, uuid: u.UUID, cols: make([]ovsdb.Value, len(columns))}
	for i, c := range columns {
		if v, ok := u.Row[c]; ok {
			row.cols[i] = v
		} else {
			row.cols[i] = r.schema[table][c].Default
		}
	}
	return row
}
