package storage_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	engine "github.com/northbound-ovn/northbound/pkg/storage"
)

const manyObjects = 50_000

// padding makes documents of about 1.5 KB, the size of a typical object with its managed fields.
var padding = strings.Repeat("x", 1300)

// withPlains adds a kind that has documents and no rows.
func withPlains(o *engine.Options) {
	o.Resources = append(o.Resources, engine.NewResource("plains", "Plain", func() *Box { return &Box{} }, engine.Kind[*Box]{}))
}

// newBench opens an engine on a clustered database (every write is on disk) with so many items in a hundred boxes.
func newBench(b *testing.B, existing int) (*toys, string) {
	b.Helper()
	nb := ovntest.NB(b, ovntest.Clustered()).NBAddress()
	e := openToys(b, nb, withPlains)
	for n := range 100 {
		must(e.createBox(b.Context(), box(fmt.Sprint("box", n), "red")))(b)
	}
	fill(b, e, existing)
	return e, nb
}

// fill creates items, many at a time. Each knows its slot: finding one is the kind's business.
func fill(b *testing.B, e *toys, count int) {
	const together = 500
	for from := 0; from < count; from += together {
		objs := make([]engine.Object, 0, together)
		for n := from; n < min(from+together, count); n++ {
			objs = append(objs, benchItem(fmt.Sprintf("old-%06d", n), n))
		}
		if _, err := e.CreateAll(b.Context(), objs, false); err != nil {
			b.Fatal(err)
		}
	}
}

func benchItem(name string, n int) *Item {
	i := item(name, fmt.Sprint("box", n%100))
	i.Spec.Note, i.Spec.Slot = padding, n+1
	return i
}

// BenchmarkCreate is the throughput of durable creates, with and without a port that is created and hung on its switch.
func BenchmarkCreate(b *testing.B) {
	for _, existing := range []int{0, manyObjects} {
		b.Run(fmt.Sprintf("existing=%d", existing), func(b *testing.B) {
			e, _ := newBench(b, existing)
			plains, err := e.Store(engine.StoreConfig{Resource: "plains"})
			noError(b, err)
			var n atomic.Int64
			for _, port := range []bool{false, true} {
				for _, writers := range []int{1, 8, 64} {
					b.Run(fmt.Sprintf("port=%v/writers=%d", port, writers), func(b *testing.B) {
						inParallel(b, writers, func(ctx context.Context) error {
							i := int(n.Add(1))
							if port {
								_, err := e.createItem(ctx, benchItem(fmt.Sprint("new-", i), manyObjects+i))
								return err
							}
							o := box(fmt.Sprint("new-", i), padding)
							return plains.Create(ctx, "/plains/"+o.Name, o, &Box{}, 0)
						})
					})
				}
			}
		})
	}
}

// inParallel runs b.N operations from so many goroutines and reports how many there were in a second.
func inParallel(b *testing.B, goroutines int, run func(context.Context) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var work sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				if err := run(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkGet is a linearizable read.
func BenchmarkGet(b *testing.B) {
	e, _ := newBench(b, 1000)
	for _, readers := range []int{1, 64} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			inParallel(b, readers, func(ctx context.Context) error {
				_, err := e.item(ctx, "old-000500")
				return err
			})
		})
	}
}

// BenchmarkListPage500 is the first page of a list of many objects.
func BenchmarkListPage500(b *testing.B) {
	e, _ := newBench(b, manyObjects)
	page := storage.ListOptions{Recursive: true, Predicate: everything}
	page.Predicate.Limit = 500
	for b.Loop() {
		list := &ItemList{}
		if err := e.items.GetList(b.Context(), "/items", page, list); err != nil || len(list.Items) != 500 {
			b.Fatal(err, len(list.Items))
		}
	}
}

// BenchmarkWatchFanout is a write and its delivery to all watches.
func BenchmarkWatchFanout(b *testing.B) {
	for _, watches := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("watches=%d", watches), func(b *testing.B) {
			e, _ := newBench(b, 0)
			shared, err := e.Store(engine.StoreConfig{Resource: "boxes", ShareEncoding: true})
			if err != nil {
				b.Fatal(err)
			}
			from := rv(e.Stats().Revision)
			var delivered sync.WaitGroup
			for range watches {
				w := watchFrom(b, shared, "/boxes", from)
				go func() {
					for range w.ResultChan() {
						delivered.Done()
					}
				}()
			}
			for b.Loop() {
				delivered.Add(watches)
				must(e.updateBox(b.Context(), "box0", func(o *Box) { o.Spec.Count++ }))(b)
				delivered.Wait()
			}
		})
	}
}

// BenchmarkRestart is the time in which a new process is ready, and the heap that an object takes there.
func BenchmarkRestart(b *testing.B) {
	first, nb := newBench(b, manyObjects)
	first.Close()
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		e := openToys(b, nb)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/manyObjects, "heap-B/object")
		e.Close()
		b.StartTimer()
	}
}
