package etcd

import (
	"fmt"
	"slices"
	"testing"
)

// creates in one round, by writers: between a quarter of a second and a second for either store.
var creates = map[int]int{1: 400, 8: 2000, 64: 5000}

// BenchmarkCreate compares durable creates of objects of documentSize bytes: etcd3's storage and the engine take turns,
// one round each per iteration. It reports the medians of both and the median of the rounds' ratios (above one, the engine
// is faster). Run it with -benchtime=9x or more.
func BenchmarkCreate(b *testing.B) {
	for _, existing := range []int{0, 50_000} {
		b.Run(fmt.Sprintf("existing=%d", existing), func(b *testing.B) {
			compare(b, existing, []int{1, 8, 64}, newNorthbound)
		})
	}
}

// BenchmarkCreateWithPort compares a create that also adds a Logical_Switch_Port in the same transaction with a plain
// create of etcd3.
func BenchmarkCreateWithPort(b *testing.B) {
	compare(b, 0, []int{8, 64}, newNorthboundWithPorts)
}

func compare(b *testing.B, existing int, writers []int, open func(*testing.B) *backend) {
	// A store that shall be empty is a new one for each case; one that shall be full is filled only once.
	var etcd, northbound *backend
	if existing > 0 {
		etcd, northbound = newEtcd3(b), open(b)
		for _, k := range []*backend{etcd, northbound} {
			if _, err := k.create(b.Context(), 64, existing); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, w := range writers {
		b.Run(fmt.Sprintf("writers=%d", w), func(b *testing.B) {
			etcd, northbound := etcd, northbound
			if existing == 0 {
				etcd, northbound = newEtcd3(b), open(b)
			}
			measure(b, w, etcd, northbound)
		})
	}
}

func measure(b *testing.B, writers int, etcd, northbound *backend) {
	var rates [2][]float64
	var ratios []float64
	round := func(i int, k *backend) float64 {
		took, err := k.create(b.Context(), writers, creates[writers])
		if err != nil {
			b.Fatal(err)
		}
		rate := float64(creates[writers]) / took.Seconds()
		rates[i] = append(rates[i], rate)
		return rate
	}
	for i := 0; b.Loop(); i++ {
		var e, n float64
		if i%2 == 0 { // neither always follows the other
			e, n = round(0, etcd), round(1, northbound)
		} else {
			n, e = round(1, northbound), round(0, etcd)
		}
		ratios = append(ratios, n/e)
	}
	b.ReportMetric(0, "ns/op") // an iteration is a round of both
	b.ReportMetric(median(rates[0]), "etcd-creates/s")
	b.ReportMetric(median(rates[1]), "nb-creates/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(slices.Min(ratios), "ratio-min")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
