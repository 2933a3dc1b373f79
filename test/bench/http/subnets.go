package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/dynamic"
)

// manySubnets measures the creation of Subnets in one Vpc, and whether it gets slower with their number.
func manySubnets(ctx context.Context, out io.Writer, n *northbound) error {
	const batch, clients, batches = 200, 16, 3
	connections, err := n.clients(clients)
	if err != nil {
		return err
	}
	if err := n.create(ctx, connections[0], "vpcs", n.object("Vpc", "crowded", map[string]any{})); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "\n| Subnets in the Vpc | time for %d more, %d clients | p50 ms | p99 ms |\n|---|---|---|---|\n", batch, clients); err != nil {
		return err
	}
	for b := range batches {
		if err := settle(ctx, 20*time.Second, n.target); err != nil {
			return err
		}
		r, err := load(ctx, connections, batch, func(ctx context.Context, c dynamic.Interface, i int) error {
			i += b * batch
			spec := map[string]any{"vpc": "crowded", "cidrBlock": fmt.Sprintf("172.%d.%d.0/24", 16+i>>8, i&0xff)}
			return n.create(ctx, c, "subnets", n.object("Subnet", fmt.Sprintf("crowded-%d", i), spec))
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "| %d | %.2f s | %s | %s |\n", b*batch, batch/r.rate, milliseconds(r.p50), milliseconds(r.p99)); err != nil {
			return err
		}
	}
	return nil
}
