package storage_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Boxes as those of the other tests, but a box with a color has a label of that color: an item in the box "labels", which the
// box holds. Nobody names the box "census", which counts all items, in its row, too.

// labelOf is the name of a box's label, "" when it wants none.
func labelOf(b *Box) string {
	if b.Spec.Color == "" {
		return ""
	}
	return b.Name + "-" + b.Spec.Color
}

var labelledBoxes = storage.NewResource("boxes", "Box", func() *Box { return &Box{} }, storage.Kind[*Box]{
	References: func(b *Box) []storage.Ref {
		if name := labelOf(b); name != "" {
			return []storage.Ref{{Resource: "items", Name: name, Field: "spec.color"}}
		}
		return nil
	},
	Companions: func(_ storage.View, b *Box) []storage.Object {
		if name := labelOf(b); name != "" {
			return []storage.Object{&Item{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ItemSpec{Box: "labels"}}}
		}
		return nil
	},
	Derive: func(v storage.View, b *Box) {
		if b.Name == "census" {
			b.Status.Items = len(slices.Collect(v.List("items")))
		}
	},
	Rows: func(v storage.View, b *Box) ([]storage.Row, error) {
		return []storage.Row{{Table: "Logical_Switch", Key: "switch", Columns: ovsdb.Row{
			"name":         ovsdb.String(b.Name),
			"other_config": ovsdb.Map(map[string]string{"items": strconv.Itoa(b.Status.Items)}),
		}}}, nil
	},
})

var countedItems = storage.NewResource("items", "Item", func() *Item { return &Item{} }, storage.Kind[*Item]{
	References: func(i *Item) []storage.Ref {
		refs := []storage.Ref{{Resource: "boxes", Name: i.Spec.Box, Field: "spec.box"}}
		if i.Spec.On != "" {
			refs = append(refs, storage.Ref{Resource: "items", Name: i.Spec.On, Field: "spec.on"})
		}
		return refs
	},
	Index: func(i *Item) []string { return []string{slotKey(i.Spec.Box, i.Spec.Slot)} },
	Plan: func(v storage.View, old, i *Item) error {
		if old != nil {
			return nil
		}
		return takeSlot(v, i)
	},
	Affected: func(_ storage.View, old, i *Item) []storage.Ref {
		if old != nil && i != nil {
			return nil // as many as before
		}
		return []storage.Ref{{Resource: "boxes", Name: "census"}}
	},
	Rows: func(v storage.View, i *Item) ([]storage.Row, error) {
		return []storage.Row{{
			Table: "Logical_Switch_Port", Key: "port", Columns: ovsdb.Row{"name": ovsdb.String(i.Name)},
			Parents: []storage.Parent{{Table: "Logical_Switch", UUID: v.RowID("boxes", i.Spec.Box, "switch"), Column: "ports"}},
		}}, nil
	},
})

// openLabelled opens an engine of these kinds, with the box of the labels, behind a proxy.
func openLabelled(t *testing.T) (*toys, *proxy) {
	t.Helper()
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address, func(o *storage.Options) { o.Resources = []*storage.Resource{labelledBoxes, countedItems} })
	must(e.createBox(t.Context(), box("labels", "")))(t)
	return e, p
}

// missing ends the test unless an item is not there.
func missing(t *testing.T, e *toys, name, why string) {
	t.Helper()
	if i, err := e.item(t.Context(), name); !apistorage.IsNotFound(err) {
		t.Errorf("%s: %s is there: %+v, %v", why, name, i, err)
	}
}

func TestCompanionsLiveWithTheirOwner(t *testing.T) {
	t.Parallel()
	e, p := openLabelled(t)
	ctx := t.Context()
	for _, step := range []struct {
		name  string
		run   func() error
		want  [][]string // one transaction each
		label string     // the only item that exists then
	}{
		{"a box and its label are created in one transaction", func() error { _, err := e.createBox(ctx, box("b", "red")); return err },
			[][]string{{"insert Logical_Switch", "insert Logical_Switch_Port", "mutate Logical_Switch"}}, "b-red"},
		{"another label takes the place of the first", func() error {
			_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "blue" })
			return err
		}, [][]string{{"delete Logical_Switch_Port", "insert Logical_Switch_Port", "mutate Logical_Switch", "mutate Logical_Switch"}}, "b-blue"},
		{"a change that wants the same label leaves it alone", func() error {
			_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count++ })
			return err
		}, [][]string{{}}, "b-blue"},
		{"a box that wants no label has none", func() error {
			_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "" })
			return err
		}, [][]string{{"delete Logical_Switch_Port", "mutate Logical_Switch"}}, ""},
		{"a box wants a label later", func() error {
			_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "green" })
			return err
		}, [][]string{{"insert Logical_Switch_Port", "mutate Logical_Switch"}}, "b-green"},
		{"the label goes with the box", func() error { _, err := e.deleteBox(ctx, "b"); return err },
			[][]string{{"delete Logical_Switch", "delete Logical_Switch_Port", "mutate Logical_Switch"}}, ""},
	} {
		var err error
		got := summary(transactions(t, p, func() { err = step.run() }))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for _, ops := range got {
			slices.Sort(ops) // their order within a transaction means nothing here
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
		for _, name := range []string{"b-red", "b-blue", "b-green"} {
			if name != step.label {
				missing(t, e, name, step.name)
				continue
			}
			label := must(e.item(ctx, name))(t)
			if label.Spec.Slot == 0 || label.UID == "" || label.CreationTimestamp.IsZero() || label.Labels[storage.LabelCompanionOf] != "boxes.b" {
				t.Errorf("%s: the label is not a planned object of its own: %+v", step.name, label)
			}
		}
	}
}

func TestWhatAUserHasCreatedIsNobodysCompanion(t *testing.T) {
	t.Parallel()
	e, _ := openLabelled(t)
	ctx := t.Context()
	own := item("b-red", "labels")
	own.Spec.Slot, own.Spec.Note = 7, "mine"
	own = must(e.createItem(ctx, own))(t)
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "blue" }))(t)
	must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Color = "red" }))(t)
	must(e.deleteBox(ctx, "b"))(t)
	if diff := cmp.Diff(own, must(e.item(ctx, "b-red"))(t)); diff != "" {
		t.Errorf("a user's own object was changed: %s", diff)
	}
	missing(t, e, "b-blue", "the companion that was made between")
}

func TestACompanionInUseWaitsForItsUsers(t *testing.T) {
	t.Parallel()
	e, p := openLabelled(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	sticker := item("sticker", "labels")
	sticker.Spec.On = "b-red"
	must(e.createItem(ctx, sticker))(t)

	// The owner holds its companion, too: a deletion by hand leaves it as it is.
	if label := must(e.deleteItem(ctx, "b-red"))(t); label.DeletionTimestamp == nil {
		t.Errorf("a companion was taken from its owner: %+v", label)
	}
	must(e.deleteBox(ctx, "b"))(t)
	if _, err := e.box(ctx, "b"); !apistorage.IsNotFound(err) {
		t.Errorf("the owner waits for the users of its companion: %v", err)
	}
	must(e.createBox(ctx, box("c", "red")))(t)
	must(e.updateItem(ctx, "sticker", func(i *Item) { i.Spec.On = "c-red" }))(t)
	missing(t, e, "b-red", "nobody uses it any more")

	must(e.updateBox(ctx, "c", func(b *Box) { b.Spec.Color = "" }))(t)
	waiting := must(e.item(ctx, "c-red"))(t)
	if waiting.DeletionTimestamp == nil || !slices.Equal(waiting.Finalizers, []string{storage.FinalizerInUse}) {
		t.Errorf("a companion in use is not marked as being deleted: %+v", waiting.ObjectMeta)
	}
	must(e.deleteItem(ctx, "sticker"))(t)
	missing(t, e, "c-red", "its last user is gone")
	if dump := ovntest.Dump(t, p.address, "Copp"); strings.Contains(dump, "Logical_Switch_Port") {
		t.Errorf("rows are left: %s", dump)
	}
}

func TestARefusedCompanionRefusesItsOwner(t *testing.T) {
	t.Parallel()
	e, p := openLabelled(t)
	ctx := t.Context()
	must(e.deleteBox(ctx, "labels"))(t)
	before := ovntest.Dump(t, p.address)
	want := `Item.toys.example.com "b-red" is invalid: spec.box: Not found: "labels": create it first`
	if _, err := e.PlanCreate(ctx, "boxes", box("b", "red")); text(err) != want {
		t.Errorf("dry run: %v", err)
	}
	if _, err := e.createBox(ctx, box("b", "red")); text(err) != want {
		t.Errorf("creation: %v", err)
	}
	if diff := cmp.Diff(before, ovntest.Dump(t, p.address)); diff != "" {
		t.Errorf("half of it was written: %s", diff)
	}
}

func TestADryRunMakesNoCompanions(t *testing.T) {
	t.Parallel()
	e, p := openLabelled(t)
	ctx := t.Context()
	old := must(e.createBox(ctx, box("b", "red")))(t)
	before := ovntest.Dump(t, p.address)
	blue := old.DeepCopyObject().(*Box)
	blue.Spec.Color = "blue"
	must(e.PlanCreate(ctx, "boxes", box("c", "red")))(t)
	must(e.PlanUpdate(ctx, "boxes", old, blue))(t)
	must(e.PlanDelete(ctx, "boxes", "b"))(t)
	if diff := cmp.Diff(before, ovntest.Dump(t, p.address)); diff != "" {
		t.Errorf("a dry run has written: %s", diff)
	}
	must(e.item(ctx, "b-red"))(t)
	missing(t, e, "b-blue", "dry update")
	missing(t, e, "c-red", "dry creation")
}

func TestWhatIsAffectedFollowsInTheSameTransaction(t *testing.T) {
	t.Parallel()
	e, p := openLabelled(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("census", "")))(t)
	for _, step := range []struct {
		name  string
		run   func() error
		want  [][]string
		items int
	}{
		{"an item is one more", func() error { _, err := e.createItem(ctx, item("i", "labels")); return err },
			[][]string{{"insert Logical_Switch_Port", "mutate Logical_Switch", "update Logical_Switch other_config"}}, 1},
		{"a change that affects nothing", func() error {
			_, err := e.updateItem(ctx, "i", func(i *Item) { i.Spec.Note = "x" })
			return err
		}, [][]string{{}}, 1},
		{"companions count", func() error { _, err := e.createBox(ctx, box("b", "red")); return err },
			[][]string{{"insert Logical_Switch", "insert Logical_Switch_Port", "mutate Logical_Switch", "update Logical_Switch other_config"}}, 2},
		{"companions that go count", func() error { _, err := e.deleteBox(ctx, "b"); return err },
			[][]string{{"delete Logical_Switch", "delete Logical_Switch_Port", "mutate Logical_Switch", "update Logical_Switch other_config"}}, 1},
		{"an item is one less", func() error { _, err := e.deleteItem(ctx, "i"); return err },
			[][]string{{"delete Logical_Switch_Port", "mutate Logical_Switch", "update Logical_Switch other_config"}}, 0},
	} {
		var err error
		got := summary(transactions(t, p, func() { err = step.run() }))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for _, ops := range got {
			slices.Sort(ops)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
		if census := must(e.box(ctx, "census"))(t); census.Status.Items != step.items {
			t.Errorf("%s: %d items, want %d", step.name, census.Status.Items, step.items)
		}
	}
	must(e.deleteBox(ctx, "census"))(t)
	must(e.createItem(ctx, item("i", "labels")))(t) // what would be affected need not exist
}
