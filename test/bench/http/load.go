package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// result is one measurement.
type result struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
}

// load calls do count times from all clients together. n counts up from 0 over all of them.
func load(ctx context.Context, clients []dynamic.Interface, count int, do func(ctx context.Context, c dynamic.Interface, n int) error) (result, error) {
	var (
		next      atomic.Int64
		wg        sync.WaitGroup
		latencies = make([]time.Duration, count)
		failed    = make(chan error, len(clients))
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	for _, c := range clients {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= count {
					return
				}
				begin := time.Now()
				if err := do(ctx, c, n); err != nil {
					failed <- err
					cancel()
					return
				}
				latencies[n] = time.Since(begin)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return result{}, err
	default:
	}
	slices.Sort(latencies)
	return result{rate: float64(count) / took.Seconds(), p50: latencies[count/2], p99: latencies[count*99/100]}, nil
}

// creates adds count objects.
func (t *target) creates(ctx context.Context, clients []dynamic.Interface, w workload, count int) (result, error) {
	first := t.created[w.resource]
	t.created[w.resource] += count
	r, err := load(ctx, clients, count, func(ctx context.Context, c dynamic.Interface, n int) error {
		return t.create(ctx, c, w.resource, w.object(t, first+n))
	})
	if err != nil {
		return r, fmt.Errorf("%s: create %s: %w", t.name, w.resource, err)
	}
	return r, nil
}

// gets reads count objects, chosen at random, each read up to date (no resource version).
func (t *target) gets(ctx context.Context, clients []dynamic.Interface, w workload, count int) (result, error) {
	r, err := load(ctx, clients, count, func(ctx context.Context, c dynamic.Interface, _ int) error {
		name := w.object(t, rand.IntN(t.created[w.resource])).GetName()
		_, err := c.Resource(t.resource(w.resource)).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return r, fmt.Errorf("%s: get %s: %w", t.name, w.resource, err)
	}
	return r, nil
}

// median of the rounds, each figure for itself.
func median(results []result) result {
	middle := func(of func(result) float64) float64 {
		values := make([]float64, len(results))
		for i, r := range results {
			values[i] = of(r)
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	return result{
		rate: middle(func(r result) float64 { return r.rate }),
		p50:  time.Duration(middle(func(r result) float64 { return float64(r.p50) })),
		p99:  time.Duration(middle(func(r result) float64 { return float64(r.p99) })),
	}
}
