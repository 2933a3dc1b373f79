package storage_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// A dry run gives no revision: nothing was stored.
var butRevision = cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ResourceVersion")

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestADryRunSaysWhatTheWriteSays(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.createItem(ctx, item("first", "b")))(t)
	taken := item("taken", "b")
	taken.Spec.Slot = 1
	for _, test := range []struct {
		name string
		obj  *Item
	}{
		{"an allocation", item("i", "b")},
		{"a slot that is taken", taken},
		{"a missing box", item("i2", "none")},
		{"a name that is taken", item("first", "b")},
	} {
		before := ovntest.Dump(t, nb)
		planned, planErr := e.PlanCreate(ctx, "items", test.obj)
		if diff := cmp.Diff(before, ovntest.Dump(t, nb)); diff != "" {
			t.Errorf("%s: the dry run has written: %s", test.name, diff)
		}
		made, err := e.createItem(ctx, test.obj)
		if diff := cmp.Diff(text(err), text(planErr)); diff != "" {
			t.Errorf("%s: verdict: %s", test.name, diff)
		}
		if err == nil {
			if diff := cmp.Diff(made, planned, butRevision); diff != "" {
				t.Errorf("%s: %s", test.name, diff)
			}
		}
	}
}

func TestADryUpdateSaysWhatTheUpdateSays(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.createItem(ctx, item("i", "b")))(t)
	must(e.createItem(ctx, item("j", "b")))(t)
	for _, test := range []struct {
		name   string
		change func(*Item)
	}{
		{"another free slot", func(i *Item) { i.Spec.Slot = 5 }},
		{"a slot that is taken", func(i *Item) { i.Spec.Slot = 2 }},
		{"a slot to be chosen", func(i *Item) { i.Spec.Slot = 0 }},
		{"a box that is not there", func(i *Item) { i.Spec.Box = "none" }},
	} {
		old := must(e.item(ctx, "i"))(t)
		changed := old.DeepCopyObject().(*Item)
		test.change(changed)
		before := ovntest.Dump(t, nb)
		planned, planErr := e.PlanUpdate(ctx, "items", old, changed)
		if diff := cmp.Diff(before, ovntest.Dump(t, nb)); diff != "" {
			t.Errorf("%s: the dry run has written: %s", test.name, diff)
		}
		made, err := e.updateItem(ctx, "i", test.change)
		if diff := cmp.Diff(text(err), text(planErr)); diff != "" {
			t.Errorf("%s: verdict: %s", test.name, diff)
		}
		if err == nil {
			if diff := cmp.Diff(made, planned, butRevision); diff != "" {
				t.Errorf("%s: %s", test.name, diff)
			}
		}
	}
	if _, err := e.PlanCreate(ctx, "boxes", box("c", "a\x00b")); !apierrors.IsBadRequest(err) {
		t.Errorf("what no column can hold: %v", err)
	}
	old := must(e.item(ctx, "i"))(t)
	must(e.updateItem(ctx, "i", func(i *Item) { i.Spec.Note = "changed" }))(t)
	if _, err := e.PlanUpdate(ctx, "items", old, old); !apistorage.IsConflict(err) {
		t.Errorf("a dry update of what has changed: %v", err)
	}
	if _, err := e.PlanUpdate(ctx, "items", item("none", "b"), item("none", "b")); !apistorage.IsNotFound(err) {
		t.Errorf("a dry update of what is not there: %v", err)
	}
}

func TestADryDeletionNamesWhatHolds(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.createItem(ctx, item("i", "b")))(t)
	before := ovntest.Dump(t, nb)
	holders, err := e.PlanDelete(ctx, "boxes", "b")
	if diff := cmp.Diff([]storage.Ref{{Resource: "items", Name: "i", Field: "spec.box"}}, holders); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if holders, err = e.PlanDelete(ctx, "items", "i"); len(holders) != 0 || err != nil {
		t.Error(holders, err)
	}
	if _, err := e.PlanDelete(ctx, "items", "none"); !apistorage.IsNotFound(err) {
		t.Error(err)
	}
	if diff := cmp.Diff(before, ovntest.Dump(t, nb)); diff != "" {
		t.Error(diff)
	}
}

// A dry run that meets a write in its midst says that or decides on the newer object: it never fails for a reason that its
// caller could not have meant.
func TestDryRunsAmongWrites(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	stop, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && stop.Err() == nil {
			_, err = e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count++ })
		}
		done <- err
	}()
	for range 2000 {
		unconditional := box("b", "blue")
		if _, err := e.PlanUpdate(ctx, "boxes", unconditional, unconditional); err != nil && !apistorage.IsConflict(err) {
			t.Errorf("dry update: %v", err)
			break
		}
		if _, err := e.PlanDelete(ctx, "boxes", "b"); err != nil {
			t.Errorf("dry deletion: %v", err)
			break
		}
	}
	cancel()
	noError(t, <-done)
}

func TestSeveralObjectsAreCreatedTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	good := []storage.Object{box("b", "red"), item("i", "b"), item("j", "b")}
	bad := []storage.Object{box("c", "red"), item("k", "c"), item("l", "none")}

	before := ovntest.Dump(t, nb)
	planned, err := e.CreateAll(ctx, good, true)
	noError(t, err)
	for _, dry := range []bool{true, false} {
		_, err := e.CreateAll(ctx, bad, dry)
		var which *storage.BatchError
		if !errors.As(err, &which) || which.Index != 2 {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
	if diff := cmp.Diff(before, ovntest.Dump(t, nb)); diff != "" {
		t.Errorf("something was written: %s", diff)
	}

	made, err := e.CreateAll(ctx, good, false)
	noError(t, err)
	// The box is shown as it is at the end: with the items that came after it.
	if diff := cmp.Diff(planned, made, butRevision); diff != "" {
		t.Error(diff)
	}
	if got := made[0].(*Box).Status.Items; got != 2 {
		t.Errorf("the box shows %d items", got)
	}
	from, to := revision(t, made[0]), revision(t, made[2])
	if to != from+2 {
		t.Errorf("revisions from %d to %d", from, to)
	}
	if _, err := e.CreateAll(ctx, good[2:], false); err == nil {
		t.Error("created twice")
	}
}
