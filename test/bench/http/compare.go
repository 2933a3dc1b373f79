package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// requests of one measurement, by clients.
var requests = map[int]struct{ creates, gets int }{
	1:  {300, 1000},
	16: {1500, 5000},
	64: {2500, 8000},
}

// compare measures creates and gets of every workload at all targets in turns and prints the medians of the rounds.
func compare(ctx context.Context, out io.Writer, rounds int, kinds []workload, targets ...*target) error {
	for _, w := range kinds {
		for _, clients := range []int{1, 16, 64} {
			if err := compareOne(ctx, out, rounds, w, clients, targets); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareOne(ctx context.Context, out io.Writer, rounds int, w workload, clients int, targets []*target) error {
	creates, gets := make([][]result, len(targets)), make([][]result, len(targets))
	for round := range rounds {
		for i := range targets {
			i = (i + round) % len(targets) // none always follows the other
			t := targets[i]
			connections, err := t.clients(clients)
			if err != nil {
				return err
			}
			// The first request of a client pays for its TLS handshake.
			if _, err := t.creates(ctx, connections, w, clients); err != nil {
				return err
			}
			if err := settle(ctx, 20*time.Second, targets...); err != nil {
				return err
			}
			r, err := t.creates(ctx, connections, w, requests[clients].creates)
			if err != nil {
				return err
			}
			creates[i] = append(creates[i], r)
			if r, err = t.gets(ctx, connections, w, requests[clients].gets); err != nil {
				return err
			}
			gets[i] = append(gets[i], r)
		}
	}
	for _, m := range []struct {
		verb    string
		results [][]result
	}{{"create", creates}, {"get", gets}} {
		base := median(m.results[0])
		for i, t := range targets {
			r := median(m.results[i])
			_, err := fmt.Fprintf(out, "| %s | %s | %d | %s | %.0f | %.2f | %s | %s |\n",
				w.resource, m.verb, clients, t.name, r.rate, r.rate/base.rate, milliseconds(r.p50), milliseconds(r.p99))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const compareHeader = "| object | request | clients | server | requests/s | ratio | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n"

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}
