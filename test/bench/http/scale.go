package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

const scale = 50_000

// atScale measures one server with many IPs against itself when it was empty.
func atScale(ctx context.Context, out io.Writer, n *northbound) error {
	w := workload{"ips", newIP}
	if err := n.addSubnets(ctx); err != nil {
		return err
	}
	one, err := n.clients(1)
	if err != nil {
		return err
	}
	row := func(what, format string, values ...any) error {
		_, err := fmt.Fprintf(out, "| "+what+" | "+format+" |\n", values...)
		return err
	}
	if _, err := fmt.Fprintf(out, "\n| at %d IPs in %d Subnets | |\n|---|---|\n", scale, subnets); err != nil {
		return err
	}
	heapEmpty, err := n.heap(ctx)
	if err != nil {
		return err
	}
	empty, err := n.latency(ctx, one, w)
	if err != nil {
		return err
	}
	many, err := n.clients(64)
	if err != nil {
		return err
	}
	filling, err := n.creates(ctx, many, w, scale-n.created[w.resource])
	if err != nil {
		return err
	}
	heapFull, err := n.heap(ctx)
	if err != nil {
		return err
	}
	full, err := n.latency(ctx, one, w)
	if err != nil {
		return err
	}
	page, err := n.pages(ctx, one[0], 500)
	if err != nil {
		return err
	}
	server, all, err := n.restarts(ctx)
	if err != nil {
		return err
	}
	heapLoaded, err := n.heap(ctx)
	return errors.Join(err,
		row("filling it, 64 clients", "%.0f creates/s, p99 %s ms", filling.rate, milliseconds(filling.p99)),
		row("heap of the server per IP, just created", "%.0f bytes", (heapFull-heapEmpty)/scale),
		row("heap of the server per IP, after a restart", "%.0f bytes", (heapLoaded-heapEmpty)/scale),
		row("create, 1 client, empty", "p50 %s ms, p99 %s ms", milliseconds(empty.p50), milliseconds(empty.p99)),
		row("create, 1 client, full", "p50 %s ms, p99 %s ms", milliseconds(full.p50), milliseconds(full.p99)),
		row("create, full to empty", "%.2f times the p50", float64(full.p50)/float64(empty.p50)),
		row("list of 500 through HTTP", "p50 %s ms, p99 %s ms", milliseconds(page.p50), milliseconds(page.p99)),
		row("restart of the server to ready", "%.2f s", server.Seconds()),
		row("restart of database and server to ready", "%.2f s", all.Seconds()),
	)
}

// latency of creates by one client, when nothing else goes on.
func (n *northbound) latency(ctx context.Context, one []dynamic.Interface, w workload) (result, error) {
	if err := settle(ctx, 20*time.Second, n.target); err != nil {
		return result{}, err
	}
	if _, err := n.creates(ctx, one, w, 50); err != nil { // warm up
		return result{}, err
	}
	return n.creates(ctx, one, w, 1000)
}

func (n *northbound) pages(ctx context.Context, c dynamic.Interface, limit int64) (result, error) {
	return load(ctx, []dynamic.Interface{c}, 50, func(ctx context.Context, c dynamic.Interface, _ int) error {
		list, err := c.Resource(n.resource("ips")).List(ctx, metav1.ListOptions{Limit: limit})
		if err == nil && int64(len(list.Items)) != limit {
			err = fmt.Errorf("a page of %d has %d items", limit, len(list.Items))
		}
		return err
	})
}

// restarts returns the time from the start of the program to its readiness, and that from the start of the database.
func (n *northbound) restarts(ctx context.Context) (server, all time.Duration, err error) {
	n.stopServer()
	begin := time.Now()
	if err := n.start(ctx); err != nil {
		return 0, 0, err
	}
	server = time.Since(begin)
	n.stopServer()
	if err := n.central.KillNB(); err != nil {
		return 0, 0, err
	}
	begin = time.Now()
	if err := n.central.RestartNB(ctx); err != nil {
		return 0, 0, err
	}
	if err := n.start(ctx); err != nil {
		return 0, 0, err
	}
	return server, time.Since(begin), nil
}
