package etcd

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
)

// BenchmarkList compares reading the first page of 500 out of 50,000 objects, up to date (not from a cache), in turns.
func BenchmarkList(b *testing.B) {
	const existing, limit = 50_000, 500
	predicate := storage.Everything
	predicate.Limit = limit
	stores := []*backend{newEtcd3(b), newNorthbound(b)}
	for _, k := range stores {
		if _, err := k.create(b.Context(), 64, existing); err != nil {
			b.Fatal(err)
		}
	}
	b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
		took := make([][]float64, len(stores))
		for b.Loop() {
			for i, k := range stores {
				var list example.PodList
				start := time.Now()
				err := k.store.GetList(b.Context(), "/pods/", storage.ListOptions{
					Predicate: predicate, Recursive: true,
				}, &list)
				if err != nil {
					b.Fatal(err)
				}
				took[i] = append(took[i], time.Since(start).Seconds()*1000)
				if len(list.Items) != limit || list.Continue == "" {
					b.Fatalf("the page has %d items and continues at %q", len(list.Items), list.Continue)
				}
			}
		}
		b.ReportMetric(0, "ns/op")
		for i, name := range []string{"etcd", "nb"} {
			b.ReportMetric(median(took[i]), name+"-ms")
			b.ReportMetric(slices.Max(took[i]), name+"-max-ms")
		}
	})
}
