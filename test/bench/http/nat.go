package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// Translations of external addresses, each an OvnEip and its OvnFip: how long a thousand take, what they cost, and whether they get
// slower with their number.
const (
	natPairs   = 1000
	natRows    = 10000
	natSamples = 300 // creates by one client, of which the latency is taken
)

// manyTranslations measures on a server that is fresh.
func manyTranslations(ctx context.Context, out io.Writer, n *northbound) error {
	connections, err := n.clients(16)
	if err != nil {
		return err
	}
	if err := n.addNatNetwork(ctx, connections[0]); err != nil {
		return err
	}
	empty, err := n.translations(ctx, connections[:1], 0, natSamples)
	if err != nil {
		return err
	}
	if err := settle(ctx, 20*time.Second, n.target); err != nil {
		return err
	}
	cpu := busy([]*target{n.target})
	many, err := n.translations(ctx, connections, natSamples, natPairs)
	if err != nil {
		return err
	}
	cpu = busy([]*target{n.target}) - cpu
	took := time.Duration(natPairs / many.rate * float64(time.Second))
	if _, err := fmt.Fprintf(out, "\n%s:\n\n| | measured |\n|---|---|\n| %d pairs, %d clients | %.2f s; p50 %s ms, p99 %s ms a pair |\n| CPU of all processes | %s ms a pair |\n",
		n.name, natPairs, len(connections), took.Seconds(), milliseconds(many.p50), milliseconds(many.p99), milliseconds(cpu/natPairs)); err != nil {
		return err
	}
	if _, err := n.translations(ctx, connections, natSamples+natPairs, natRows-natSamples-natPairs); err != nil {
		return err
	}
	if err := settle(ctx, time.Minute, n.target); err != nil {
		return err
	}
	full, err := n.translations(ctx, connections[:1], natRows, natSamples)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "| a pair, 1 client, first | p50 %s ms, p99 %s ms |\n| a pair, 1 client, after %d | p50 %s ms, p99 %s ms: %.2f times |\n",
		milliseconds(empty.p50), milliseconds(empty.p99), natRows, milliseconds(full.p50), milliseconds(full.p99), float64(full.p50)/float64(empty.p50))
	return err
}

// addNatNetwork makes a Vpc with a way out, with room for more addresses than are measured.
func (t *target) addNatNetwork(ctx context.Context, c dynamic.Interface) error {
	for _, o := range []struct {
		resource string
		object   *unstructured.Unstructured
	}{
		{"provider-networks", t.object("ProviderNetwork", "external", map[string]any{"defaultInterface": "eth1"})},
		{"vlans", t.object("Vlan", "external", map[string]any{"provider": "external", "id": 204})},
		{"subnets", t.object("Subnet", "external", map[string]any{"vlan": "external", "cidrBlock": "172.20.0.0/16"})},
		{"vpcs", t.object("Vpc", "nat", map[string]any{"enableExternal": true})},
		{"subnets", t.object("Subnet", "nat-net", map[string]any{"vpc": "nat", "cidrBlock": "10.200.0.0/16"})},
	} {
		if err := t.create(ctx, c, o.resource, o.object); err != nil {
			return err
		}
	}
	return nil
}

// translations creates pairs from the first-th on.
func (t *target) translations(ctx context.Context, clients []dynamic.Interface, first, count int) (result, error) {
	return load(ctx, clients, count, func(ctx context.Context, c dynamic.Interface, n int) error {
		n += first
		name := fmt.Sprintf("nat-%05d", n)
		if err := t.create(ctx, c, "ovn-eips", t.object("OvnEip", name, map[string]any{"externalSubnet": "external", "type": "nat"})); err != nil {
			return err
		}
		spec := map[string]any{"ovnEip": name, "vpc": "nat", "v4Ip": fmt.Sprintf("10.200.%d.%d", 1+n/250, 2+n%250)}
		return t.create(ctx, c, "ovn-fips", t.object("OvnFip", name, spec))
	})
}
