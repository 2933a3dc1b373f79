package storage_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/warning"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// warnings records what clients would be warned of.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) AddWarning(_, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("dying", "red")))(t)
	must(e.createItem(ctx, item("holder", "dying")))(t)
	must(e.deleteBox(ctx, "dying"))(t)
	must(e.createBox(ctx, box("good", "red")))(t)
	must(e.createItem(ctx, item("mover", "good")))(t)
	for _, test := range []struct {
		name  string
		write func() error
		want  string
	}{
		{"an item in a box that does not exist", func() error { _, err := e.createItem(ctx, item("i", "none")); return err },
			`Item.toys.example.com "i" is invalid: spec.box: Not found: "none": create it first`},
		{"an item in a box that is being deleted", func() error { _, err := e.createItem(ctx, item("i", "dying")); return err },
			`Item.toys.example.com "i" is invalid: spec.box: Forbidden: boxes/dying is being deleted, nothing new may refer to it`},
		{"an item that moves into a box that does not exist", func() error {
			_, err := e.updateItem(ctx, "mover", func(i *Item) { i.Spec.Box = "none" })
			return err
		}, `Item.toys.example.com "mover" is invalid: spec.box: Not found: "none": create it first`},
		{"an item with two references that cannot be", func() error {
			i := item("i", "none")
			i.Spec.On = "nothing"
			_, err := e.createItem(ctx, i)
			return err
		}, `Item.toys.example.com "i" is invalid: [spec.box: Not found: "none": create it first, ` +
			`spec.on: Not found: "nothing": create it first]`},
	} {
		err := test.write()
		if !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, err.Error()); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	if _, err := e.updateItem(ctx, "holder", func(i *Item) { i.Spec.Note = "changed" }); err != nil {
		t.Errorf("a reference that was there before its target began to die does not keep the object from changing: %v", err)
	}
	if _, err := e.item(ctx, "i"); !apistorage.IsNotFound(err) {
		t.Errorf("an item that was refused: %v", err)
	}
}

func TestDeletionOfWhatIsInUseWaitsForTheLastReferrer(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	for _, name := range []string{"i1", "i2", "i3", "i4", "i5", "i6"} {
		must(e.createItem(ctx, item(name, "b")))(t)
	}
	recorder := &warnings{}
	waiting := must(e.deleteBox(warning.WithWarningRecorder(ctx, recorder), "b"))(t)
	if waiting.DeletionTimestamp == nil || !slices.Equal(waiting.Finalizers, []string{storage.FinalizerInUse}) {
		t.Errorf("the box is not marked as being deleted: %+v", waiting.ObjectMeta)
	}
	want := []string{"Box b is in use and will be deleted together with the last object that refers to it: " +
		"items/i1, items/i2, items/i3, items/i4, items/i5 and 1 more"}
	if diff := cmp.Diff(want, recorder.texts); diff != "" {
		t.Error(diff)
	}
	again := must(e.deleteBox(ctx, "b"))(t)
	if again.ResourceVersion != waiting.ResourceVersion {
		t.Error("a second deletion has changed the object")
	}

	// Whoever takes the finalizer away does not take the box away.
	stripped := must(e.updateBox(ctx, "b", func(b *Box) { b.Finalizers = nil }))(t)
	if !slices.Equal(stripped.Finalizers, []string{storage.FinalizerInUse}) {
		t.Errorf("the finalizer is gone: %v", stripped.Finalizers)
	}
	if uuid, _ := rowsOf(t, nb, "b"); uuid == "" {
		t.Error("the switch is gone while it is in use")
	}

	for _, name := range []string{"i1", "i2", "i3", "i4", "i5"} {
		must(e.deleteItem(ctx, name))(t)
	}
	boxWatch := watchFrom(t, e.boxes, "/boxes", rv(e.Stats().Revision))
	last := must(e.deleteItem(ctx, "i6"))(t)
	gone := next(t, boxWatch)
	if gone.Type != watch.Deleted || revision(t, gone.Object) != revision(t, last)+1 {
		t.Errorf("after the last item, deleted at %d: %s at %d", revision(t, last), gone.Type, revision(t, gone.Object))
	}
	if dump := ovntest.Dump(t, nb, "Copp"); strings.Contains(dump, "Logical_Switch") {
		t.Errorf("rows are left: %s", dump)
	}
	must(e.createBox(ctx, box("b", "red")))(t)
}

func TestTheLastReferrerMayAlsoMoveAway(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("old", "red")))(t)
	must(e.createBox(ctx, box("new", "red")))(t)
	must(e.createItem(ctx, item("i", "old")))(t)
	must(e.deleteBox(ctx, "old"))(t)
	must(e.updateItem(ctx, "i", func(i *Item) { i.Spec.Box = "new" }))(t)
	if _, err := e.box(ctx, "old"); !apistorage.IsNotFound(err) {
		t.Errorf("the old box: %v", err)
	}
}

// shelf makes a box, an item in it, and an item that lies on that: a chain of three.
func shelf(ctx context.Context, t *testing.T, e *toys) {
	must(e.createBox(ctx, box("a", "red")))(t)
	must(e.createItem(ctx, item("b", "a")))(t)
	must(e.createBox(ctx, box("elsewhere", "red")))(t)
	top := item("c", "elsewhere")
	top.Spec.On = "b"
	must(e.createItem(ctx, top))(t)
}

func TestAChainOfDeletionsEndsInOneTransaction(t *testing.T) {
	t.Parallel()
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address)
	ctx := t.Context()
	shelf(ctx, t, e)
	must(e.deleteBox(ctx, "a"))(t)
	must(e.deleteItem(ctx, "b"))(t)
	from := e.Stats().Revision
	boxWatch, itemWatch := watchFrom(t, e.boxes, "/boxes", rv(from)), watchFrom(t, e.items, "/items", rv(from))
	txns := transactions(t, p, func() { must(e.deleteItem(ctx, "c"))(t) })
	if len(txns) != 1 {
		t.Errorf("%d transactions", len(txns))
	}
	var got []uint64
	for _, ev := range []watch.Event{next(t, itemWatch), next(t, itemWatch), next(t, boxWatch)} {
		if ev.Type == watch.Deleted {
			got = append(got, revision(t, ev.Object)-from)
		}
	}
	if diff := cmp.Diff([]uint64{1, 2, 3}, got); diff != "" {
		t.Errorf("revisions of the deletions: %s", diff)
	}
}

func TestFinalizersOfUsersAreRespected(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	const finalizer = "toys.example.com/mine"
	b := box("b", "red")
	b.Finalizers = []string{finalizer}
	must(e.createBox(ctx, b))(t)
	must(e.createItem(ctx, item("i", "b")))(t)
	// The API server marks objects with finalizers by an update.
	now := metav1.Now()
	marked := must(e.updateBox(ctx, "b", func(b *Box) { b.DeletionTimestamp = &now }))(t)
	if diff := cmp.Diff([]string{finalizer, storage.FinalizerInUse}, marked.Finalizers); diff != "" {
		t.Errorf("while it is in use: %s", diff)
	}
	must(e.deleteItem(ctx, "i"))(t)
	free := must(e.box(ctx, "b"))(t)
	if diff := cmp.Diff([]string{finalizer}, free.Finalizers); diff != "" {
		t.Errorf("when nothing uses it: %s", diff)
	}
	must(e.updateBox(ctx, "b", func(b *Box) { b.Finalizers = nil }))(t)
	if _, err := e.box(ctx, "b"); !apistorage.IsNotFound(err) {
		t.Errorf("without finalizers: %v", err)
	}
}

// What one request of a batch has answered with has the revision that it was given, whatever the others do to the object.
func TestAnAnswerHasARevisionEvenWhenTheObjectVanishesInTheSameBatch(t *testing.T) {
	t.Parallel()
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.createBox(ctx, box("first", "red")))(t)
	must(e.createItem(ctx, item("i", "b")))(t)
	must(e.deleteBox(ctx, "b"))(t)

	// While one write is held, the next two gather in one batch.
	held, release := hold(p, "transact")
	var work sync.WaitGroup
	work.Go(func() { must(e.updateBox(ctx, "first", func(b *Box) { b.Spec.Count++ }))(t) })
	<-held
	var updated *Box
	queued := e.Queued()
	work.Go(func() { updated = must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count = 5 }))(t) })
	eventually(t, "the update waits", func() bool { return e.Queued() > queued })
	work.Go(func() { must(e.deleteItem(ctx, "i"))(t) })
	eventually(t, "the deletion waits", func() bool { return e.Queued() > queued+1 })
	release()
	work.Wait()
	if updated.ResourceVersion == "" || updated.Spec.Count != 5 {
		t.Errorf("the update was answered with %+v", updated)
	}
	if _, err := e.box(ctx, "b"); !apistorage.IsNotFound(err) {
		t.Errorf("the box: %v", err)
	}
}
