package storage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// follower applies the events of a watch and checks their order: what it ends with must be what is stored.
type follower struct {
	t       testing.TB
	objects map[string]string // JSON by name
	last    uint64
	events  int
}

func newFollower(t testing.TB) *follower { return &follower{t: t, objects: map[string]string{}} }

// apply takes one event.
func (f *follower) apply(ev watch.Event) {
	f.t.Helper()
	if ev.Type == watch.Bookmark {
		return
	}
	accessor, ok := ev.Object.(storage.Object)
	if !ok {
		f.t.Errorf("%s: %v", ev.Type, ev.Object)
		return
	}
	name, rev := accessor.GetName(), revision(f.t, ev.Object)
	if rev <= f.last {
		f.t.Errorf("%s %s at revision %d after %d", ev.Type, name, rev, f.last)
	}
	f.last = rev
	f.events++
	_, known := f.objects[name]
	if known == (ev.Type == watch.Added) {
		f.t.Errorf("%s %s at %d, known before: %v", ev.Type, name, rev, known)
	}
	if ev.Type == watch.Deleted {
		delete(f.objects, name)
		return
	}
	f.objects[name] = asText(ev.Object)
}

func asText(obj any) string {
	b, err := json.Marshal(obj)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// follow applies events until the named object has arrived. It may run in a goroutine of its own.
func (f *follower) follow(w watch.Interface, until string) error {
	deadline := time.After(2 * patience)
	for {
		select {
		case ev, ok := <-w.ResultChan():
			if !ok {
				return fmt.Errorf("the watch has ended at %d", f.last)
			}
			f.apply(ev)
			if f.objects[until] != "" {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("%s did not arrive, the last event was %d", until, f.last)
		}
	}
}

// present are all items as JSON by name.
func present(ctx context.Context, t testing.TB, s apistorage.Interface, key string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if key == "/items" {
		list := &ItemList{}
		noError(t, s.GetList(ctx, key, apistorage.ListOptions{Recursive: true, Predicate: everything}, list))
		for _, i := range list.Items {
			out[i.Name] = asText(&i)
		}
		return out
	}
	list := &BoxList{}
	noError(t, s.GetList(ctx, key, apistorage.ListOptions{Recursive: true, Predicate: everything}, list))
	for _, b := range list.Items {
		out[b.Name] = asText(&b)
	}
	return out
}

func TestTwoEnginesOnOneDatabase(t *testing.T) {
	t.Parallel()
	for _, database := range []struct {
		name    string
		options []ovntest.Option
	}{{"standalone", nil}, {"clustered", []ovntest.Option{ovntest.Clustered()}}} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel()
			twoEngines(t, ovntest.NB(t, database.options...).NBAddress())
		})
	}
}

// writer is one of many: it allocates, counts, creates, deletes.
func (e *toys) write(ctx context.Context, t *testing.T, id string, rounds int, counted *atomic.Int64, revisions *sync.Map) {
	for n := range rounds {
		mine, err := e.createItem(ctx, item(fmt.Sprintf("%s-%d", id, n), "b"))
		if err != nil {
			t.Errorf("create: %v", err)
			return
		}
		if other, taken := revisions.LoadOrStore(mine.ResourceVersion, mine.Name); taken {
			t.Errorf("%s and %v have revision %s", mine.Name, other, mine.ResourceVersion)
		}
		counter, err := e.updateBox(ctx, fmt.Sprintf("counter-%d", n%3), func(b *Box) { b.Spec.Count++ })
		if err != nil {
			t.Errorf("count: %v", err)
			return
		}
		counted.Add(1)
		if other, taken := revisions.LoadOrStore(counter.ResourceVersion, counter.Name); taken {
			t.Errorf("%s and %v have revision %s", counter.Name, other, counter.ResourceVersion)
		}
		// Of all who want this name, one gets it.
		if _, err := e.createBox(ctx, box(fmt.Sprintf("unique-%d", n), id)); err != nil && !apistorage.IsExist(err) {
			t.Errorf("create: %v", err)
		}
		if n%2 == 0 {
			if _, err := e.deleteItem(ctx, mine.Name); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
	}
}

func twoEngines(t *testing.T, nb string) {
	writers, rounds := 64, 3
	if testing.Short() {
		writers, rounds = 8, 4
	}
	ctx := t.Context()
	engines := []*toys{openToys(t, nb), openToys(t, nb)}
	must(engines[0].createBox(ctx, box("b", "red")))(t)
	for n := range 3 {
		must(engines[0].createBox(ctx, box(fmt.Sprintf("counter-%d", n), "red")))(t)
	}
	var counted atomic.Int64
	var revisions sync.Map
	var work, watching sync.WaitGroup
	var followers []*follower
	for _, e := range engines {
		for _, s := range []struct {
			apistorage.Interface
			key, until string
		}{{e.boxes, "/boxes", "the-end"}, {e.items, "/items", "the-end"}} {
			f := newFollower(t)
			followers = append(followers, f)
			w := watchFrom(t, s.Interface, s.key, "1")
			watching.Go(func() {
				if err := f.follow(w, s.until); err != nil {
					t.Errorf("%s: %v", s.key, err)
				}
			})
		}
		for n := range writers {
			work.Go(func() { e.write(ctx, t, fmt.Sprintf("%p-%d", e, n), rounds, &counted, &revisions) })
		}
	}
	work.Wait()
	must(engines[0].createBox(ctx, box("the-end", "")))(t)
	must(engines[0].createItem(ctx, item("the-end", "b")))(t)
	watching.Wait()
	// The last box that changes is the one that counts its items.
	slots, sum := map[int]string{}, 0
	for name := range present(ctx, t, engines[0].items, "/items") {
		i := must(engines[1].item(ctx, name))(t)
		if other := slots[i.Spec.Slot]; other != "" {
			t.Errorf("%s and %s have slot %d", name, other, i.Spec.Slot)
		}
		slots[i.Spec.Slot] = name
	}
	for n := range 3 {
		sum += must(engines[1].box(ctx, fmt.Sprintf("counter-%d", n)))(t).Spec.Count
	}
	if int64(sum) != counted.Load() {
		t.Errorf("%d was counted, %d is stored", counted.Load(), sum)
	}
	if got := must(engines[0].box(ctx, "b"))(t).Status.Items; got != len(slots) {
		t.Errorf("the box has %d items and says %d", len(slots), got)
	}
	for n, f := range followers {
		key, s := "/boxes", engines[n/2].boxes
		if n%2 == 1 {
			key, s = "/items", engines[n/2].items
		}
		want := present(ctx, t, s, key)
		delete(want, "b") // changes after the end of the watch
		delete(f.objects, "b")
		if diff := cmp.Diff(want, f.objects); diff != "" {
			t.Errorf("the watch of %s by engine %d: %s", key, n/2, diff)
		}
	}
	t.Logf("%d writes, engines planned %d and %d requests again", revisionCount(&revisions), engines[0].metrics.replanned, engines[1].metrics.replanned)
}

func revisionCount(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// Two engines plan from one revision and arrive at the same next one. With a token that says only that, each takes the
// other's transaction for its own: the test is that the one that came second notices.
func TestTheNonceTellsWhoseTransactionItIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*storage.Options)
		safe   bool
		limit  time.Duration
	}{
		{"with a nonce the second notices the first", func(*storage.Options) {}, true, patience},
		{"with a bare revision it does not", func(o *storage.Options) { *o = o.WithBareTokens() }, false, 5 * time.Second}, // may wait for ever
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := secondWriter(t, test.limit, test.change); (err == nil) != test.safe {
				t.Errorf("got %v", err)
			}
		})
	}
}

// secondWriter holds a transaction of one engine until another engine has used the revision, and returns what then goes
// wrong within a time.
func secondWriter(t *testing.T, limit time.Duration, change func(*storage.Options)) error {
	p := newProxy(t, ovntest.NB(t).NBAddress())
	slow, fast := openToys(t, p.address, change), openToys(t, p.upstreamAddress(), change)
	must(fast.createBox(t.Context(), box("b", "red")))(t)
	must(slow.box(t.Context(), "b"))(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	held, release := hold(p, "transact")
	result := make(chan error, 1)
	go func() {
		_, err := slow.createItem(ctx, item("slow", "b"))
		result <- err
	}()
	<-held
	must(fast.createItem(t.Context(), item("fast", "b")))(t)
	release()
	if err := <-result; err != nil {
		return fmt.Errorf("the second write: %w", err)
	}
	first, err := slow.item(ctx, "fast")
	if err != nil {
		return fmt.Errorf("the first write, read from the engine of the second: %w", err)
	}
	second, err := fast.item(ctx, "slow")
	if err != nil {
		return fmt.Errorf("the second write, read from the engine of the first: %w", err)
	}
	if first.Spec.Slot == second.Spec.Slot || first.ResourceVersion == second.ResourceVersion {
		return fmt.Errorf("both have slot %d, revision %s", first.Spec.Slot, first.ResourceVersion)
	}
	return nil
}

// A write that another process's write makes possible is not refused because this process has not heard of that one yet.
func TestARefusalRestsOnNoOldState(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	p := newProxy(t, nb)
	quick, slow := openToys(t, nb), openToys(t, p.address)
	ctx := t.Context()
	var late, asks sync.Once
	arrived, open := make(chan struct{}), make(chan struct{})
	p.onMessage(func(m message) verdict {
		switch m.Method {
		case "update3":
			late.Do(func() { close(arrived) })
			<-open
		case "echo": // the slow one asks whether there is anything that it does not know
			asks.Do(func() { close(open) })
		}
		return pass
	})
	must(quick.createBox(ctx, box("b", "red")))(t)
	<-arrived
	if _, err := slow.createItem(ctx, item("i", "b")); err != nil {
		t.Errorf("refused on an old state: %v", err)
		asks.Do(func() { close(open) })
	}
}

// A row that another process has hung elsewhere is taken from where it hangs now.
func TestARowThatAnotherProcessMoved(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	one, other := openToys(t, nb), openToys(t, nb)
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		must(one.createBox(ctx, box(name, "red")))(t)
	}
	must(one.createItem(ctx, item("i", "a")))(t)
	must(other.updateItem(ctx, "i", func(i *Item) { i.Spec.Box = "b" }))(t)
	must(one.deleteItem(ctx, "i"))(t)

	must(one.createItem(ctx, item("i", "a")))(t)
	must(other.updateItem(ctx, "i", func(i *Item) { i.Spec.Box = "b" }))(t)
	must(one.updateItem(ctx, "i", func(i *Item) { i.Spec.Box = "a" }))(t)
	if _, ports := rowsOf(t, nb, "a"); ports == "" {
		t.Error("the port is not in the switch of its box")
	}
	if _, ports := rowsOf(t, nb, "b"); ports != "" {
		t.Error("the port is in the switch where it was, too")
	}
}
