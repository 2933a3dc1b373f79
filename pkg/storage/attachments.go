package storage

import (
	"slices"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// attachments follow the columns that hold rows which live on without them, as a switch its load balancers: when somebody takes such
// a row out, no deletion tells of it. Other columns that hold rows need not be followed: their rows vanish with the place in them.
type attachments struct {
	columns map[string]string // by table; what the database has
	members map[Parent]map[ovsdb.UUID]struct{}
}

// take applies the part of a notification that is about these columns, and removes it from u. It returns the rows that were taken out,
// or whose holder was deleted. ours reports whether a holder is one of our rows; only these count.
func (a *attachments) take(u *ovsdb.Update, ours func(table string, u ovsdb.RowUpdate) bool) (detached []ovsdb.UUID) {
	for table, column := range a.columns {
		if len(u.Tables[table]) == 0 {
			continue
		}
		u.Tables[table] = slices.DeleteFunc(u.Tables[table], func(row ovsdb.RowUpdate) bool {
			p := Parent{Table: table, UUID: row.UUID, Column: column}
			value, changed := row.Row[column]
			delete(row.Row, column)
			switch members := a.members[p]; {
			case row.Type == ovsdb.Delete:
				for uuid := range members {
					detached = append(detached, uuid)
				}
				delete(a.members, p)
			case changed && ours(table, row):
				if members == nil {
					members = map[ovsdb.UUID]struct{}{}
					a.members[p] = members
				}
				for _, uuid := range value.AsRefs() { // of a change: those that come and those that go
					if _, there := members[uuid]; there {
						delete(members, uuid)
						detached = append(detached, uuid)
					} else {
						members[uuid] = struct{}{}
					}
				}
			}
			return row.Type == ovsdb.Modify && len(row.Row) == 0
		})
	}
	return detached
}

// attach takes what a notification says of attachments and returns the owners of rows that somebody may have detached. Planned are
// the rows that our own transaction changed: what it took out itself is no drift.
func (r *replica) attach(u *ovsdb.Update, planned map[ovsdb.UUID]*realized) (owners []string) {
	detached := r.attachments.take(u, func(table string, row ovsdb.RowUpdate) bool {
		return r.rows[row.UUID] != nil || row.Type != ovsdb.Modify && r.identify(table, nil, row) != nil
	})
	for _, uuid := range detached {
		row := r.rows[uuid]
		if _, ours := planned[uuid]; row != nil && !ours {
			owners = append(owners, row.owner)
		}
	}
	return owners
}

// detached reports whether a row that should be in a column is not there, and not on its way there either.
func (r *replica) detached(p Parent, row ovsdb.UUID) bool {
	if r.attachments.columns[p.Table] != p.Column {
		return false
	}
	if _, there := r.attachments.members[p][row]; there {
		return false
	}
	if r.inflight != nil && r.inflight.rows.joins(p, row) {
		return false
	}
	return !slices.ContainsFunc(r.echoed, func(own ownUpdate) bool { return own.rows.joins(p, row) })
}

// attachAgain has the owners audited of what should be in rows that an audit inserts: an audit before may not have found them.
func (r *replica) attachAgain(b *batch) {
	holders := map[Parent]bool{}
	for _, x := range b.rows.inserts {
		if column := r.attachments.columns[x.table]; column != "" {
			holders[Parent{Table: x.table, UUID: x.uuid, Column: column}] = true
		}
	}
	if len(holders) == 0 {
		return
	}
	for _, row := range r.rows {
		if slices.ContainsFunc(row.parents, func(p Parent) bool { return holders[p] }) {
			r.drifted[row.owner] = true
		}
	}
}
