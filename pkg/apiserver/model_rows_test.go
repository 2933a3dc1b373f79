package apiserver_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// checkRealized holds the rows of a Northbound database, and the status of all objects in it, to what an engine that sees it for the
// first time computes from the documents: by the engine's own account of drift, and by a comparison that shares no code with the
// engine.
func checkRealized(t *testing.T, options storage.Options) {
	t.Helper()
	drift := &driftCount{}
	options.Drift, options.Metrics = storage.DriftReport, drift
	engine, err := storage.Open(context.WithoutCancel(t.Context()), options)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := engine.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	await(t, "not all rows are compared", func() bool { return engine.Stats().Unaudited == 0 })
	if found := drift.String(); found != "" {
		t.Errorf("rows differ from what a new engine wants: %s", found)
	}
	view := engine.View()
	for _, problem := range slices.Concat(wrongStatus(view, options.Resources), wrongRows(t, view, options)) {
		t.Error(problem)
	}
}

// wrongStatus says which objects' status is not what Derive makes of the others.
func wrongStatus(v storage.View, resources []*storage.Resource) (problems []string) {
	for _, r := range resources {
		for stored := range v.List(r.Name) {
			derived := stored.DeepCopyObject().(storage.Object)
			r.DeriveStatus(v, derived)
			if !apiequality.Semantic.DeepEqual(stored, derived) {
				problems = append(problems, fmt.Sprintf("%s/%s is out of date (-stored +derived):\n%s", r.Name, stored.GetName(), cmp.Diff(stored, derived)))
			}
		}
	}
	return problems
}

// place is a column of a row that holds other rows.
type place struct {
	table  string
	row    ovsdb.UUID
	column string
}

// wrongRows says in what the database's rows with our tags differ from the desired ones, column by column.
func wrongRows(t *testing.T, v storage.View, options storage.Options) (problems []string) {
	t.Helper()
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	s := ovntest.Dial(t, options.NB.Addresses[0])
	defer s.Close()
	tables := map[string][]string{}
	for table := range options.Tables {
		tables[table] = slices.Sorted(maps.Keys(s.Schema()[table]))
	}
	initial, err := s.Monitor(t.Context(), tables, "")
	if err != nil {
		t.Fatal(err)
	}
	type actual struct {
		table string
		row   ovsdb.Row
	}
	there := map[ovsdb.UUID]actual{}
	for table, rows := range initial.Update.Tables {
		for _, r := range rows {
			there[r.UUID] = actual{table, r.Row}
		}
	}
	column := func(a actual, name string) ovsdb.Value {
		if value, ok := a.row[name]; ok {
			return value
		}
		return s.Schema()[a.table][name].Default
	}

	members := map[place][]string{} // of the rows that hold others, as desired
	wanted := map[ovsdb.UUID]bool{}
	for _, r := range options.Resources {
		for obj := range v.List(r.Name) {
			owner := r.Kind + "/" + obj.GetName()
			rows, err := r.DesiredRows(v, obj)
			if err != nil {
				report("%s: %v", owner, err)
			}
			for _, want := range rows {
				id := v.RowID(r.Name, obj.GetName(), want.Key)
				if wanted[id] {
					report("%s has two rows of key %s", owner, want.Key)
				}
				wanted[id] = true
				have, found := there[id]
				if !found || have.table != want.Table {
					report("%s: the %s row %s is not there", owner, want.Table, want.Key)
					continue
				}
				for name, value := range want.Columns {
					if name == "external_ids" {
						tags := value.AsMap()
						tags["vendor"], tags["kubeovn.io/owner"], tags["kubeovn.io/row"] = "kube-ovn", owner, want.Key
						value = ovsdb.Map(tags)
					}
					if got := column(have, name); got != value {
						report("%s: %s row %s, %s is %s, want %s", owner, want.Table, want.Key, name, got, value)
					}
				}
				for _, p := range want.Parents {
					at := place{p.Table, p.UUID, p.Column}
					members[at] = append(members[at], id.String())
				}
			}
		}
	}
	holders := map[string]map[string]bool{} // columns that hold rows, by table
	for at := range members {
		if holders[at.table] == nil {
			holders[at.table] = map[string]bool{}
		}
		holders[at.table][at.column] = true
	}
	for id, have := range there {
		owner := column(have, "external_ids").AsMap()["kubeovn.io/owner"]
		switch {
		case owner == "":
			continue // somebody else's
		case !wanted[id]:
			report("%s: the %s row %s should not be there: %v", owner, have.table, id, have.row)
			continue
		}
		for name := range holders[have.table] {
			var got []string
			for _, id := range column(have, name).AsRefs() {
				got = append(got, id.String())
			}
			want := slices.Sorted(slices.Values(members[place{have.table, id, name}]))
			slices.Sort(got)
			if !slices.Equal(got, want) {
				report("%s: %s row %v holds other %s than it should (-want +got):\n%s", owner, have.table, have.row["name"], name, cmp.Diff(want, got))
			}
		}
	}
	return problems
}

// driftCount is what an engine counts as drift.
type driftCount struct {
	mu     sync.Mutex
	tables map[string]int
}

func (d *driftCount) Drifted(table string, rows int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tables == nil {
		d.tables = map[string]int{}
	}
	d.tables[table] += rows
}

func (d *driftCount) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, table := range slices.Sorted(maps.Keys(d.tables)) {
		out = append(out, fmt.Sprintf("%d in %s", d.tables[table], table))
	}
	return strings.Join(out, ", ")
}

func (*driftCount) Committed(int, time.Duration) {}
func (*driftCount) Replanned(int)                {}
func (*driftCount) Undecodable(int)              {}
func (*driftCount) Watching(string, int)         {}
func (*driftCount) Connected(bool)               {}
func (*driftCount) Lag(time.Duration)            {}
