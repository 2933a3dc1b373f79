package etcd

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/apis/example"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// switches is the number of logical switches that ports are spread over, as Subnets of an installation: the server's cost of adding
// a port grows with the ports of its switch.
const switches = 100

// database is the kind of Northbound database: clustered (of one member, the embedded default) or standalone. Both sync every
// transaction to disk; a clustered one executes each of them twice, once to propose and once to apply it.
var database = flag.String("database", "clustered", "clustered or standalone")

// newNorthbound is the engine on a Northbound database of its own.
func newNorthbound(b *testing.B) *backend {
	return newEngine(b, nil, storage.NewResource("pods", "Pod", newObject, storage.Kind[*example.Pod]{}))
}

// newNorthboundWithPorts realizes every pod as a port of one of a few logical switches.
func newNorthboundWithPorts(b *testing.B) *backend {
	tables := map[string][]string{
		"Logical_Switch":      {"name", "external_ids"},
		"Logical_Switch_Port": {"name", "addresses", "port_security", "external_ids"},
	}
	pods := storage.NewResource("pods", "Pod", newObject, storage.Kind[*example.Pod]{Rows: portRows})
	k := newEngine(b, tables, pods, storage.NewResource("switches", "Switch", newObject, storage.Kind[*example.Pod]{Rows: switchRows}))
	for n := range switches {
		s := newPod(int64(n))
		s.Name = switchName(n)
		s.UID = types.UID(fmt.Sprintf("00000000-0000-4000-9000-%012d", n))
		if err := k.switches.Create(b.Context(), "/switches/"+s.Name, s, &example.Pod{}, 0); err != nil {
			b.Fatal(err)
		}
	}
	return k
}

func newObject() *example.Pod { return &example.Pod{} }

func switchName(n int) string { return fmt.Sprintf("switch-%d", n%switches) }

func switchRows(_ storage.View, s *example.Pod) ([]storage.Row, error) {
	return []storage.Row{{Table: "Logical_Switch", Key: "switch", Columns: ovsdb.Row{"name": ovsdb.String(s.Name)}}}, nil
}

func portRows(v storage.View, pod *example.Pod) ([]storage.Row, error) {
	var n int
	if _, err := fmt.Sscanf(pod.Name, "pod-%d", &n); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("0a:00:00:%02x:%02x:%02x 10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff, n>>16&0xff, n>>8&0xff, n&0xff)
	return []storage.Row{{
		Table: "Logical_Switch_Port", Key: "port",
		Columns: ovsdb.Row{
			"name":          ovsdb.String(pod.Name),
			"addresses":     ovsdb.Strings(address),
			"port_security": ovsdb.Strings(address),
		},
		Parents: []storage.Parent{{Table: "Logical_Switch", UUID: v.RowID("switches", switchName(n), "switch"), Column: "ports"}},
	}}, nil
}

func newEngine(b *testing.B, tables map[string][]string, resources ...*storage.Resource) *backend {
	b.Helper()
	dir, err := os.MkdirTemp("", "nb") // b.TempDir is too long for a socket
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	central, err := ovn.Start(b.Context(), ovn.Config{Dir: dir, Clustered: *database == "clustered"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := central.Stop(); err != nil {
			b.Error(err)
		}
	})
	engine, err := storage.Open(b.Context(), storage.Options{
		NB: ovsdb.Options{Addresses: []string{central.NBAddress()}}, Codec: codec, Resources: resources, Tables: tables,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(engine.Close)
	if err := engine.WaitReady(b.Context()); err != nil {
		b.Fatal(err)
	}
	k := &backend{}
	for _, r := range resources {
		store, err := engine.Store(storage.StoreConfig{Resource: r.Name})
		if err != nil {
			b.Fatal(err)
		}
		if r.Name == "pods" {
			k.store = store
		} else {
			k.switches = store
		}
	}
	return k
}
