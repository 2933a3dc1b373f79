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
	if err := printHeader(out, targets); err != nil {
		return err
	}
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
		if err := printRow(out, fmt.Sprintf("| %s | %s | %d |", w.resource, m.verb, clients), m.results); err != nil {
			return err
		}
	}
	return nil
}

// printHeader begins the table that printRow continues: rates of all targets, ratios to the first, and their p99.
func printHeader(out io.Writer, targets []*target) error {
	line, rule := "| object | request | clients |", "|---|---|---|"
	for i, t := range targets {
		line, rule = line+" "+t.name+" /s |", rule+"---|"
		if i > 0 {
			line, rule = line+" ratio |", rule+"---|"
		}
	}
	for _, t := range targets {
		line, rule = line+" p99 ms "+t.name+" |", rule+"---|"
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n", line, rule)
	return err
}

func printRow(out io.Writer, line string, results [][]result) error {
	base := median(results[0])
	for i, rounds := range results {
		line += fmt.Sprintf(" %.0f |", median(rounds).rate)
		if i > 0 {
			line += fmt.Sprintf(" %.2f |", median(rounds).rate/base.rate)
		}
	}
	for _, rounds := range results {
		line += " " + milliseconds(median(rounds).p99) + " |"
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}
