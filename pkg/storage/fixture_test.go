package storage_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2/ktesting"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// toys is an engine of the toy kinds.
type toys struct {
	*storage.Engine
	boxes, items apistorage.Interface
	metrics      *counts
}

// openToys opens an engine on a database and waits for it.
func openToys(t testing.TB, address string, change ...func(*storage.Options)) *toys {
	t.Helper()
	e := startToys(t, address, change...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

// startToys opens an engine on a database that may be away.
func startToys(t testing.TB, address string, change ...func(*storage.Options)) *toys {
	t.Helper()
	metrics := &counts{drifted: map[string]int{}}
	o := storage.Options{
		NB:          ovsdb.Options{Addresses: []string{address}},
		Group:       toyVersion.Group,
		Resources:   []*storage.Resource{boxes, items},
		Tables:      toyTables,
		Attachments: toyAttachments,
		Codec:       toyCodec,
		Metrics:     metrics,
		// A session that a slow machine loses is no reason to fail; tests of the limit set theirs.
		WaitLimit: patience,
	}
	for _, f := range change {
		f(&o)
	}
	_, ctx := ktesting.NewTestContext(t) // what it reports is read with the test that it concerns
	engine, err := storage.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	e := &toys{Engine: engine, metrics: metrics}
	if e.boxes, err = engine.Store(storage.StoreConfig{Resource: "boxes"}); err != nil {
		t.Fatal(err)
	}
	if e.items, err = engine.Store(storage.StoreConfig{Resource: "items"}); err != nil {
		t.Fatal(err)
	}
	return e
}

// newToys opens an engine on a fresh database, and returns its address, too.
func newToys(t testing.TB, change ...func(*storage.Options)) (*toys, string) {
	t.Helper()
	address := ovntest.NB(t).NBAddress()
	return openToys(t, address, change...), address
}

// patience is how long tests wait for what must happen: long, since machines may be slow.
const patience = 60 * time.Second

func (e *toys) createBox(ctx context.Context, b *Box) (*Box, error) {
	out := &Box{}
	return out, e.boxes.Create(ctx, "/boxes/"+b.Name, b, out, 0)
}

func (e *toys) createItem(ctx context.Context, i *Item) (*Item, error) {
	out := &Item{}
	return out, e.items.Create(ctx, "/items/"+i.Name, i, out, 0)
}

func (e *toys) updateBox(ctx context.Context, name string, change func(*Box)) (*Box, error) {
	out := &Box{}
	return out, e.boxes.GuaranteedUpdate(ctx, "/boxes/"+name, out, false, nil,
		func(in runtime.Object, _ apistorage.ResponseMeta) (runtime.Object, *uint64, error) {
			change(in.(*Box))
			return in, nil, nil
		}, nil)
}

func (e *toys) updateItem(ctx context.Context, name string, change func(*Item)) (*Item, error) {
	out := &Item{}
	return out, e.items.GuaranteedUpdate(ctx, "/items/"+name, out, false, nil,
		func(in runtime.Object, _ apistorage.ResponseMeta) (runtime.Object, *uint64, error) {
			change(in.(*Item))
			return in, nil, nil
		}, nil)
}

func (e *toys) deleteBox(ctx context.Context, name string) (*Box, error) {
	out := &Box{}
	return out, e.boxes.Delete(ctx, "/boxes/"+name, out, nil, apistorage.ValidateAllObjectFunc, nil, apistorage.DeleteOptions{})
}

func (e *toys) deleteItem(ctx context.Context, name string) (*Item, error) {
	out := &Item{}
	return out, e.items.Delete(ctx, "/items/"+name, out, nil, apistorage.ValidateAllObjectFunc, nil, apistorage.DeleteOptions{})
}

func (e *toys) box(ctx context.Context, name string) (*Box, error) {
	out := &Box{}
	return out, e.boxes.Get(ctx, "/boxes/"+name, apistorage.GetOptions{}, out)
}

func (e *toys) item(ctx context.Context, name string) (*Item, error) {
	out := &Item{}
	return out, e.items.Get(ctx, "/items/"+name, apistorage.GetOptions{}, out)
}

// must ends the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// everything selects all objects.
var everything = apistorage.SelectionPredicate{Label: labels.Everything(), Field: fields.Everything()}

// watchFrom watches all objects of a store from a revision on ("" and "0" begin with the present objects).
func watchFrom(t testing.TB, s apistorage.Interface, key, rv string) watch.Interface {
	t.Helper()
	w, err := s.Watch(t.Context(), key, apistorage.ListOptions{ResourceVersion: rv, Recursive: true, Predicate: everything})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// next returns the next event of a watch.
func next(t testing.TB, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case ev, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch has ended")
		}
		return ev
	case <-time.After(patience):
		t.Fatal("no event")
	}
	panic("unreachable")
}

// revision is the resource version of an object as a number.
func revision(t testing.TB, obj runtime.Object) uint64 {
	t.Helper()
	rv, err := apistorage.APIObjectVersioner{}.ObjectResourceVersion(obj)
	if err != nil || rv == 0 {
		t.Fatalf("resource version of %v: %d, %v", obj, rv, err)
	}
	return rv
}

func rv(n uint64) string { return strconv.FormatUint(n, 10) }

// eventually waits until a condition holds. It is for what no event tells.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("did not happen: %s", what)
		case <-poll.C:
		}
	}
}

// counts remembers what the engine measures.
type counts struct {
	mu                             sync.Mutex
	drifted                        map[string]int
	commits, requests, replanned   int
	undecodable, watching, lastMax int
}

func (c *counts) Committed(requests int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	c.requests += requests
	c.lastMax = max(c.lastMax, requests)
}

func (c *counts) Replanned(requests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replanned += requests
}

func (c *counts) Drifted(table string, rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drifted[table] += rows
}

func (c *counts) Undecodable(objects int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.undecodable = objects
}

func (c *counts) Watching(_ string, delta int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching += delta
}

func (c *counts) Connected(bool)    {}
func (c *counts) Lag(time.Duration) {}

func (c *counts) drift(table string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drifted[table]
}
