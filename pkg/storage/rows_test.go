package storage_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// TestToyKinds reads as a tour: what a write gives, what it allocates, and what stands in the database when it returns.
func TestToyKinds(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()

	red := must(e.createBox(ctx, box("tools", "red")))(t)
	if red.Status.Items != 0 || revision(t, red) == 0 {
		t.Errorf("the new box is %v", red)
	}
	hammer := must(e.createItem(ctx, item("hammer", "tools")))(t)
	saw := must(e.createItem(ctx, item("saw", "tools")))(t)
	want := ItemSpec{Box: "tools", Slot: 2}
	if diff := cmp.Diff(want, saw.Spec); diff != "" || hammer.Spec.Slot != 1 {
		t.Errorf("slots: %d and %s", hammer.Spec.Slot, diff)
	}
	if saw.Status.Color != "red" {
		t.Errorf("an item knows the color of its box: %q", saw.Status.Color)
	}
	if got := must(e.box(ctx, "tools"))(t); got.Status.Items != 2 || revision(t, got) <= revision(t, saw) {
		t.Errorf("the box knows its items at a revision of its own: %+v", got)
	}

	// The rows are there when the write returns.
	if got := ovntest.Nbctl(t, nb, "show"); !strings.Contains(got, "switch") || strings.Count(got, "port ") != 2 {
		t.Errorf("ovn-nbctl show: %s", got)
	}

	// A change of the box reaches its items in the same transaction.
	must(e.updateBox(ctx, "tools", func(b *Box) { b.Spec.Color = "blue" }))(t)
	if got := must(e.item(ctx, "saw"))(t); got.Status.Color != "blue" {
		t.Errorf("the item follows its box: %q", got.Status.Color)
	}

	// A slot that was given back is free again.
	must(e.deleteItem(ctx, "hammer"))(t)
	if got := must(e.createItem(ctx, item("drill", "tools")))(t); got.Spec.Slot != 1 {
		t.Errorf("slot %d was allocated, want 1", got.Spec.Slot)
	}
	if _, err := e.createItem(ctx, &Item{ObjectMeta: item("nail", "").ObjectMeta, Spec: ItemSpec{Box: "tools", Slot: 2}}); err == nil ||
		!strings.Contains(err.Error(), "spec.slot: Invalid value: 2: is taken by saw") {
		t.Errorf("a taken slot: %v", err)
	}
}

// transactions returns the operations on rows of all transactions that run sends.
func transactions(t *testing.T, p *proxy, run func()) (out [][]operation) {
	t.Helper()
	p.onMessage(func(m message) verdict {
		if m.Method == "transact" {
			out = append(out, operations(t, m))
		}
		return pass
	})
	run()
	p.onMessage(nil)
	return out
}

// summary makes operations readable: "update Logical_Switch other_config".
func summary(txns [][]operation) (out [][]string) {
	for _, ops := range txns {
		lines := []string{}
		for _, op := range ops {
			line := op.Op + " " + op.Table
			if op.Op == "update" {
				line += " " + strings.Join(slices.Sorted(maps.Keys(op.Row)), ",")
			}
			lines = append(lines, line)
		}
		out = append(out, lines)
	}
	return out
}

func TestRowsAreWrittenByDifference(t *testing.T) {
	t.Parallel()
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address)
	ctx := t.Context()
	for _, step := range []struct {
		name string
		run  func() error
		want [][]string
	}{
		{"a new box is one insertion", func() error { _, err := e.createBox(ctx, box("b", "red")); return err },
			[][]string{{"insert Logical_Switch"}}},
		{"a new item and its place in the switch are one transaction", func() error { _, err := e.createItem(ctx, item("i", "b")); return err },
			[][]string{{"insert Logical_Switch_Port", "mutate Logical_Switch"}}},
		{"a change of one column updates one column", func() error {
			_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "blue" })
			return err
		}, [][]string{{"update Logical_Switch other_config"}}},
		{"a change of another row's column does not touch the switch", func() error {
			_, err := e.updateItem(ctx, "i", func(i *Item) { i.Spec.Slot = 9 })
			return err
		}, [][]string{{"update Logical_Switch_Port addresses"}}},
		{"a change that concerns no row changes no row", func() error {
			_, err := e.updateItem(ctx, "i", func(i *Item) { i.Spec.Note = "x" })
			return err
		}, [][]string{{}}},
		{"a write that changes nothing sends nothing", func() error {
			_, err := e.updateItem(ctx, "i", func(*Item) {})
			return err
		}, nil},
		{"a move to another box changes both switches, the port stays", func() error {
			if _, err := e.createBox(ctx, box("c", "red")); err != nil {
				return err
			}
			_, err := e.updateItem(ctx, "i", func(i *Item) { i.Spec.Box = "c" })
			return err
		}, [][]string{{"insert Logical_Switch"}, {"mutate Logical_Switch", "mutate Logical_Switch"}}},
		{"a deletion removes the row and its place", func() error { _, err := e.deleteItem(ctx, "i"); return err },
			[][]string{{"mutate Logical_Switch", "delete Logical_Switch_Port"}}},
	} {
		var err error
		got := transactions(t, p, func() { err = step.run() })
		noError(t, err)
		if diff := cmp.Diff(step.want, summary(got)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// rowsOf are the UUID and the ports of a switch, "" when there is none.
func rowsOf(t *testing.T, nb, name string) (uuid, ports string) {
	t.Helper()
	uuid = strings.TrimSpace(ovntest.Nbctl(t, nb, "--bare", "--columns=_uuid", "find", "Logical_Switch", "name="+name))
	ports = strings.TrimSpace(ovntest.Nbctl(t, nb, "--bare", "--columns=ports", "find", "Logical_Switch", "name="+name))
	return uuid, ports
}

func TestRowsKeepTheirIdentityForTheLifeOfTheirOwner(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	create := func() {
		must(e.createBox(ctx, box("b", "red")))(t)
		must(e.createItem(ctx, item("i", "b")))(t)
	}
	create()
	sw, port := rowsOf(t, nb, "b")
	must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "blue" }))(t)
	must(e.updateItem(ctx, "i", func(i *Item) { i.Spec.Slot = 7 }))(t)
	e.Close()
	e = openToys(t, nb)
	must(e.updateItem(ctx, "i", func(i *Item) { i.Spec.Slot = 8 }))(t)
	if s, p := rowsOf(t, nb, "b"); s != sw || p != port || port == "" {
		t.Errorf("rows %s and %s have become %s and %s", sw, port, s, p)
	}

	must(e.deleteItem(ctx, "i"))(t)
	if s, p := rowsOf(t, nb, "b"); s != sw || p != "" {
		t.Errorf("after the deletion of the item: switch %s, ports %q", s, p)
	}
	must(e.deleteBox(ctx, "b"))(t)
	if s, _ := rowsOf(t, nb, "b"); s != "" {
		t.Errorf("the switch outlives its box: %s", s)
	}

	create()
	if s, p := rowsOf(t, nb, "b"); s == sw || s == "" || p == port || p == "" {
		t.Errorf("new objects under old names have the rows %s and %s of the old ones", s, p)
	}
}

func TestRowsOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	ovntest.Nbctl(t, nb, "ls-add", "theirs", "--", "lsp-add", "theirs", "their-port", "--", "lsp-set-addresses", "their-port", "dynamic",
		"--", "set", "Logical_Switch", "theirs", "external_ids:neutron=yes", "other_config:color=green",
		"--", "lr-add", "their-router", "--", "acl-add", "theirs", "to-lport", "1", "ip4", "drop",
		"--", "--id=@c", "create", "Copp", "name=theirs", "external_ids:vendor=somebody")
	before := ovntest.Dump(t, nb)
	ctx := t.Context()
	e := openToys(t, nb)
	for _, name := range []string{"a", "b"} {
		must(e.createBox(ctx, box(name, "red")))(t)
		must(e.createItem(ctx, item(name, name)))(t)
		must(e.updateBox(ctx, name, func(b *Box) { b.Spec.Color = "blue" }))(t)
	}
	e.Close()
	e = openToys(t, nb)
	for _, name := range []string{"a", "b"} {
		must(e.deleteItem(ctx, name))(t)
		must(e.deleteBox(ctx, name))(t)
	}
	noError(t, e.Compact(ctx, e.Stats().Revision))
	e.Close()
	after := ovntest.Dump(t, nb)
	if diff := cmp.Diff(before, withoutRow(after, "kubeovn.io/revision")); diff != "" {
		t.Error(diff)
	}
}

// withoutRow removes the row in which a text occurs from a dump.
func withoutRow(dump, text string) string {
	var out strings.Builder
	var row []string
	flush := func() {
		if joined := strings.Join(row, ""); !strings.Contains(joined, text) {
			out.WriteString(joined)
		}
		row = nil
	}
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, " ") {
			flush()
		}
		row = append(row, line)
	}
	flush()
	return out.String()
}

func TestAKindThatAsksForWhatIsNotThereIsRefusedAlone(t *testing.T) {
	t.Parallel()
	broken := storage.NewResource("items", "Item", func() *Item { return &Item{} }, storage.Kind[*Item]{
		Rows: func(storage.View, *Item) ([]storage.Row, error) {
			return []storage.Row{{Table: "NAT", Key: "nat"}}, nil
		},
	})
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address, func(o *storage.Options) { o.Resources = []*storage.Resource{boxes, broken} })
	ctx := t.Context()
	refused := func(name string) {
		if _, err := e.createItem(ctx, item(name, "b")); err == nil || !strings.Contains(err.Error(), "not monitored") {
			t.Errorf("a row of a table that is not monitored: %v", err)
		}
	}
	refused("i")
	must(e.createBox(ctx, box("b", "red")))(t)

	// Also among so many that their transaction is made while another is under way.
	held, release := hold(p, "transact")
	var work sync.WaitGroup
	work.Go(func() { must(e.createBox(ctx, box("held", "red")))(t) })
	<-held
	const many = 40
	for n := range many {
		if n%20 == 9 {
			work.Go(func() { refused(fmt.Sprint("n", n)) })
			continue
		}
		work.Go(func() {
			if _, err := e.createBox(ctx, box(fmt.Sprint("n", n), "red")); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return e.Queued() > many })
	release()
	work.Wait()
}
