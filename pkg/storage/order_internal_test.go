package storage

import (
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

const portTable = "Logical_Switch_Port"

// newRowReplica returns a replica that knows one kind and one table, and has no session.
func newRowReplica() *replica {
	items := &Resource{Name: "items", Kind: "Item"}
	r := newReplica(&Engine{byKind: map[string]*Resource{items.Kind: items}})
	r.schema = ovsdb.Schema{portTable: {
		"name":    {Scalar: true, Default: `""`},
		columnIDs: {Map: true, Default: ovsdb.Map(nil)},
	}}
	r.columns = map[string][]string{portTable: {"name", columnIDs}}
	return r
}

func portID(n int) ovsdb.UUID { return ovsdb.DeriveUUID(ovsdb.UUID{}, fmt.Sprint("port ", n)) }

// portInsert reports the n-th row that the item of a name has had under its row key.
func portInsert(item string, n int) ovsdb.RowUpdate {
	return ovsdb.RowUpdate{UUID: portID(n), Type: ovsdb.Insert, Row: ovsdb.Row{
		"name":    ovsdb.String(fmt.Sprint("port ", n)),
		columnIDs: ovsdb.Map(map[string]string{tagOwner: "Item/" + item, tagRow: "port"}),
	}}
}

func portRename(n int) ovsdb.RowUpdate {
	return ovsdb.RowUpdate{UUID: portID(n), Type: ovsdb.Modify, Row: ovsdb.Row{"name": ovsdb.String(fmt.Sprint("renamed ", n))}}
}

func portDelete(n int) ovsdb.RowUpdate { return ovsdb.RowUpdate{UUID: portID(n), Type: ovsdb.Delete} }

// permutations yields every order of updates.
func permutations(updates []ovsdb.RowUpdate) iter.Seq[[]ovsdb.RowUpdate] {
	return func(yield func([]ovsdb.RowUpdate) bool) { permute(updates, 0, yield) }
}

func permute(updates []ovsdb.RowUpdate, from int, yield func([]ovsdb.RowUpdate) bool) bool {
	if from >= len(updates)-1 {
		return yield(slices.Clone(updates))
	}
	for i := from; i < len(updates); i++ {
		updates[from], updates[i] = updates[i], updates[from]
		ok := permute(updates, from+1, yield)
		updates[from], updates[i] = updates[i], updates[from]
		if !ok {
			return false
		}
	}
	return true
}

// The rows of a notification come in no particular order. Whatever the order, each row follows its own UUID, also when rows of
// several lives of one name are in one notification.
func TestOrderWithinANotificationDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		before  []ovsdb.RowUpdate
		updates []ovsdb.RowUpdate
		want    []string // names of the rows
	}{
		{"deleted and created again", []ovsdb.RowUpdate{portInsert("i", 1)},
			[]ovsdb.RowUpdate{portDelete(1), portInsert("i", 2)}, []string{"port 2"}},
		{"deleted and created again, beside another name", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("j", 3)},
			[]ovsdb.RowUpdate{portDelete(1), portInsert("i", 2), portRename(3)}, []string{"port 2", "renamed 3"}},
		{"two names at once", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("j", 3)},
			[]ovsdb.RowUpdate{portDelete(1), portInsert("i", 2), portDelete(3), portInsert("j", 4)}, []string{"port 2", "port 4"}},
		{"a row that is not current is changed", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("i", 2)},
			[]ovsdb.RowUpdate{portRename(1)}, []string{"port 2", "renamed 1"}},
		{"a row that is not current is deleted", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("i", 2)},
			[]ovsdb.RowUpdate{portDelete(1), portRename(2)}, []string{"renamed 2"}},
		{"one row is left of three", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("i", 2)},
			[]ovsdb.RowUpdate{portDelete(1), portDelete(2), portInsert("i", 3)}, []string{"port 3"}},
		{"none is left", []ovsdb.RowUpdate{portInsert("i", 1), portInsert("i", 2)},
			[]ovsdb.RowUpdate{portDelete(1), portDelete(2)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for before := range permutations(test.before) {
				for updates := range permutations(test.updates) {
					r := newRowReplica()
					s, speculative := newState(), newState()
					targets := []target{{state: s}, {state: speculative, plans: []map[ovsdb.UUID]*realized{{}}}}
					r.applyRows(before, portTable, targets...)
					r.applyRows(updates, portTable, targets...)
					for _, s := range []*state{s, speculative} {
						if got := rowNames(s, r); !slices.Equal(got, test.want) {
							t.Errorf("%v, then %v: got %v, want %v", before, updates, got, test.want)
						}
					}
				}
			}
		})
	}
}

// rowNames returns the names of all rows of a state, which must be those of the replica's index, too.
func rowNames(s *state, r *replica) (names []string) {
	s.rows.Ascend(func(row *realized) bool {
		if r.rows[row.uuid] != row {
			names = append(names, "not in the index")
		}
		names = append(names, row.cols[0].AsString())
		return true
	})
	slices.Sort(names)
	return names
}

// What somebody else does to a row that a transaction under way changes, too, is joined with the plan.
func TestForeignChangesBeneathAPlan(t *testing.T) {
	t.Parallel()
	r := newRowReplica()
	s := newState()
	r.applyRows([]ovsdb.RowUpdate{portInsert("i", 1), portInsert("j", 2), portInsert("k", 3)}, portTable, target{state: s})
	work := s.clone()
	plan := map[ovsdb.UUID]*realized{portID(2): nil} // deleted
	for n, column := range map[int]int{1: 0, 3: 1} {
		row := *r.rows[portID(n)]
		row.cols = slices.Clone(row.cols)
		row.cols[column] = ovsdb.String("planned")
		plan[portID(n)] = &row
		work.rows.ReplaceOrInsert(&row)
	}
	work.rows.Delete(r.rows[portID(2)])
	r.applyRows([]ovsdb.RowUpdate{portRename(1), portRename(2), portRename(3)}, portTable,
		target{state: s}, target{state: work, plans: []map[ovsdb.UUID]*realized{plan}})

	got := map[ovsdb.UUID][]ovsdb.Value{}
	work.rows.Ascend(func(row *realized) bool { got[row.uuid] = row.cols; return true })
	if len(got) != 2 {
		t.Errorf("a row that the plan deletes is back: %v", got)
	}
	if name := got[portID(1)][0]; name != ovsdb.String("planned") {
		t.Errorf("a column that the plan changes: %s", name)
	}
	if cols := got[portID(3)]; cols[0] != ovsdb.String("renamed 3") || cols[1] != ovsdb.String("planned") {
		t.Errorf("a column that the plan leaves as it is: %s", cols)
	}
	if got, want := rowNames(s, r), []string{"renamed 1", "renamed 2", "renamed 3"}; !slices.Equal(got, want) {
		t.Errorf("the published state has %v, want %v", got, want)
	}
}
