package storage_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// colored selects boxes of one color.
func colored(color string) apistorage.SelectionPredicate {
	return apistorage.SelectionPredicate{
		Label: labels.Everything(), Field: fields.OneTermEqualSelector("spec.color", color),
		GetAttrs: func(obj runtime.Object) (labels.Set, fields.Set, error) {
			return nil, fields.Set{"spec.color": obj.(*Box).Spec.Color}, nil
		},
	}
}

func boxNames(l *BoxList) (out []string) {
	for _, b := range l.Items {
		out = append(out, fmt.Sprint(b.Name, "=", b.Spec.Count))
	}
	return out
}

// Lists of one revision, in pages and whole, say the same while others write.
func TestListsOfThePast(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	for n := range 20 {
		must(e.createBox(ctx, box(fmt.Sprintf("b%02d", n), "red")))(t)
	}
	stop, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() {
			for i := n; stop.Err() == nil; i++ {
				name := fmt.Sprintf("b%02d", i*7%20)
				if _, err := e.deleteBox(ctx, name); err != nil && !apistorage.IsNotFound(err) {
					t.Error(err)
				}
				b := box(name, "red")
				b.Spec.Count = i
				if _, err := e.createBox(ctx, b); err != nil && !apistorage.IsExist(err) {
					t.Error(err)
				}
			}
		})
	}
	for range 30 {
		page := apistorage.ListOptions{Recursive: true, Predicate: everything}
		page.Predicate.Limit = 3
		first := &BoxList{}
		noError(t, e.boxes.GetList(ctx, "/boxes", page, first))
		got, version := boxNames(first), first.ResourceVersion
		for next := first; next.Continue != ""; {
			page.Predicate.Continue = next.Continue
			next = &BoxList{}
			noError(t, e.boxes.GetList(ctx, "/boxes", page, next))
			if next.ResourceVersion != version {
				t.Errorf("a page of revision %s follows one of %s", next.ResourceVersion, version)
			}
			got = append(got, boxNames(next)...)
		}
		whole := &BoxList{}
		noError(t, e.boxes.GetList(ctx, "/boxes", apistorage.ListOptions{Recursive: true, Predicate: everything,
			ResourceVersion: version, ResourceVersionMatch: metav1.ResourceVersionMatchExact}, whole))
		if diff := cmp.Diff(boxNames(whole), got); diff != "" {
			t.Errorf("revision %s: %s", version, diff)
		}
	}
	cancel()
	work.Wait()
}

func TestCompactionEndsThePast(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	for n := range 5 {
		must(e.createBox(ctx, box(fmt.Sprint("b", n), "red")))(t)
	}
	page := apistorage.ListOptions{Recursive: true, Predicate: everything}
	page.Predicate.Limit = 2
	first := &BoxList{}
	noError(t, e.boxes.GetList(ctx, "/boxes", page, first))
	must(e.deleteBox(ctx, "b3"))(t)
	noError(t, e.Compact(ctx, e.Stats().Revision))

	page.Predicate.Continue = first.Continue
	err := e.boxes.GetList(ctx, "/boxes", page, &BoxList{})
	var status apierrors.APIStatus
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("the second page: %v", err)
	}
	status = err.(apierrors.APIStatus)
	page.Predicate.Continue = status.Status().ListMeta.Continue
	rest := &BoxList{}
	page.Predicate.Limit = 0
	noError(t, e.boxes.GetList(ctx, "/boxes", page, rest))
	if diff := cmp.Diff([]string{"b2=0", "b4=0"}, boxNames(rest)); diff != "" {
		t.Errorf("the rest: %s", diff)
	}
	w := watchFrom(t, e.boxes, "/boxes", first.ResourceVersion)
	if ev := next(t, w); ev.Type != watch.Error || ev.Object.(*metav1.Status).Code != 410 {
		t.Errorf("a watch of what is forgotten: %s %v", ev.Type, ev.Object)
	}
}

// A new process knows the past from tombstones only. A watch that goes on there misses nothing that it selects.
func TestWatchesGoOnInANewProcess(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	for _, name := range []string{"changed", "repainted", "gone", "again"} {
		must(e.createBox(ctx, box(name, "red")))(t)
	}
	must(e.createBox(ctx, box("blue", "blue")))(t)
	from := rv(e.Stats().Revision)
	must(e.updateBox(ctx, "changed", func(b *Box) { b.Spec.Count = 1 }))(t)
	must(e.updateBox(ctx, "repainted", func(b *Box) { b.Spec.Color = "blue" }))(t)
	must(e.deleteBox(ctx, "gone"))(t)
	must(e.deleteBox(ctx, "again"))(t)
	must(e.createBox(ctx, box("again", "red")))(t)
	must(e.createBox(ctx, box("new", "red")))(t)
	must(e.createBox(ctx, box("brief", "red")))(t)
	must(e.deleteBox(ctx, "brief"))(t)
	must(e.deleteBox(ctx, "blue"))(t)
	must(e.createBox(ctx, box("the-end", "red")))(t)
	want := []string{"MODIFIED changed", "DELETED repainted", "DELETED gone", "DELETED again", "ADDED again", "ADDED new", "ADDED the-end"}
	observe := func(e *toys) (out []string) {
		w, err := e.boxes.Watch(ctx, "/boxes", apistorage.ListOptions{ResourceVersion: from, Recursive: true, Predicate: colored("red")})
		noError(t, err)
		defer w.Stop()
		for len(out) == 0 || out[len(out)-1] != "ADDED the-end" {
			ev := next(t, w)
			name := ev.Object.(*Box).Name
			if name == "brief" || name == "blue" {
				// The old process tells of what came and went; the new one cannot know that the blue one was never red.
				continue
			}
			out = append(out, fmt.Sprint(ev.Type, " ", name))
		}
		return out
	}
	if diff := cmp.Diff(want, observe(e)); diff != "" {
		t.Errorf("the old process: %s", diff)
	}
	e.Close()
	if diff := cmp.Diff(want, observe(openToys(t, nb))); diff != "" {
		t.Errorf("the new process: %s", diff)
	}
}

func TestASlowWatchHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	slow, fast := watchFrom(t, e.boxes, "/boxes", "1"), watchFrom(t, e.boxes, "/boxes", "1")
	const writes = 500 // more than a watch buffers
	for n := range writes {
		must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count = n + 1 }))(t)
	}
	for last := 0; last < writes; {
		last = next(t, fast).Object.(*Box).Spec.Count
	}
	for last := 0; last < writes; { // nothing was lost meanwhile
		count := next(t, slow).Object.(*Box).Spec.Count
		if count != last+1 && last+count != 0 {
			t.Fatalf("%d after %d", count, last)
		}
		last = count
	}
	slow.Stop()
	fast.Stop()
	eventually(t, "the watches end", func() bool { return e.Stats().Watches == 0 })
}

func TestBookmarks(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t, func(o *storage.Options) { o.BookmarkInterval = 20 * time.Millisecond })
	ctx := t.Context()
	predicate := colored("blue")
	predicate.AllowWatchBookmarks = true
	w, err := e.boxes.Watch(ctx, "/boxes", apistorage.ListOptions{ResourceVersion: "1", Recursive: true, Predicate: predicate})
	noError(t, err)
	defer w.Stop()
	made := must(e.createBox(ctx, box("b", "red")))(t) // not selected: only a bookmark tells
	for {
		ev := next(t, w)
		if ev.Type != watch.Bookmark {
			t.Fatalf("%s %v", ev.Type, ev.Object)
		}
		if revision(t, ev.Object) >= revision(t, made) {
			return
		}
	}
}

func TestWatchesShareOneEncoding(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	s, err := e.Store(storage.StoreConfig{Resource: "boxes", ShareEncoding: true})
	noError(t, err)
	var watches []watch.Interface
	for range 50 {
		watches = append(watches, watchFrom(t, s, "/boxes", "1"))
	}
	must(e.createBox(ctx, box("b", "red")))(t)
	var encodes atomic.Int64
	var work sync.WaitGroup
	for _, w := range watches {
		work.Go(func() {
			shared, ok := next(t, w).Object.(runtime.CacheableObject)
			if !ok {
				t.Error("an object that shares no encoding")
				return
			}
			if err := shared.CacheEncode("json", func(obj runtime.Object, out io.Writer) error {
				encodes.Add(1)
				obj.(*Box).Spec.Color = "mine" // what is encoded is a copy
				return toyCodec.Encode(obj, out)
			}, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if got := encodes.Load(); got != 1 {
		t.Errorf("%d encodings for %d watches", got, len(watches))
	}
	if got := must(e.box(ctx, "b"))(t); got.Spec.Color != "red" {
		t.Error("an encoder has changed what is stored")
	}
}

// The database is that of a backup: what clients know is of a future that will not be.
func TestADatabaseThatWentBackInTime(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t)
	e := openToys(t, nb.NBAddress())
	ctx := t.Context()
	must(e.createBox(ctx, box("kept", "red")))(t)
	file := filepath.Join(filepath.Dir(strings.TrimPrefix(nb.NBAddress(), "unix:")), "nb.db")
	backup := must(os.ReadFile(file))(t)
	for n := range 10 {
		must(e.createBox(ctx, box(fmt.Sprint("lost", n), "red")))(t)
	}
	w := watchFrom(t, e.boxes, "/boxes", rv(e.Stats().Revision))
	noError(t, nb.KillNB())
	noError(t, os.WriteFile(file, backup, 0o600))
	noError(t, nb.RestartNB(ctx))
	eventually(t, "the backup is loaded", func() bool { _, err := e.box(ctx, "lost0"); return apistorage.IsNotFound(err) })
	must(e.createBox(ctx, box("new", "red")))(t)
	if ev := next(t, w); ev.Type != watch.Error || ev.Object.(*metav1.Status).Code != 410 {
		t.Errorf("the watch goes on: %s %v", ev.Type, ev.Object)
	}
}
