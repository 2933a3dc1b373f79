package ovsdb_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// subnet is a document of 1.5 kB as the store writes it.
func subnet(i int) map[string]string {
	doc := fmt.Sprintf(`{"kind":"Subnet","apiVersion":"kubeovn.io/v1","metadata":{"name":"subnet-%d","uid":"0b7e1a3e-6a0e-4f8e-9d3b-2f0d6a1c%04x","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"team":"network","env":"test"}`, i, i&0xffff)
	for j := range 9 {
		doc += fmt.Sprintf(`,"field%d":{"cidrBlock":"10.%d.%d.0/24","gateway":"10.0.0.1","protocol":"IPv4","private":false,"natOutgoing":true,"excludeIps":["10.0.0.1"]}`, j, i>>8&255, i&255)
	}
	doc += `}}`
	return map[string]string{"doc": doc, "rev": strconv.Itoa(i), "uid": "0b7e1a3e-6a0e-4f8e-9d3b-2f0d6a1c0000", "create": strconv.Itoa(i)}
}

func fill(b *testing.B, s *ovsdb.Session, rows int) {
	b.Helper()
	for i := 0; i < rows; {
		reply(b, s, send(b, s, func(txn *ovsdb.Txn) {
			for end := min(i+500, rows); i < end; i++ {
				txn.Insert("Copp", ovsdb.NewUUID(), document("subnets/"+strconv.Itoa(i), subnet(i)))
			}
		}))
	}
}

// BenchmarkInitialLoad is the time until all rows of 1.5 kB are there as text; most of it is the server's.
func BenchmarkInitialLoad(b *testing.B) {
	const rows = 50_000
	c := ovntest.NB(b)
	fill(b, ovntest.Dial(b, c.NBAddress()), rows)
	b.ReportMetric(0, "ns/op")
	var total, decode time.Duration
	for b.Loop() {
		begin := time.Now()
		s := ovntest.Dial(b, c.NBAddress())
		initial := monitor(b, s, "")
		total += time.Since(begin)
		begin = time.Now()
		for _, row := range initial.Update.Tables["Copp"] {
			if row.Row["external_ids"].AsMap()["doc"] == "" {
				b.Fatal("a row without a document")
			}
		}
		decode += time.Since(begin)
		if got := len(initial.Update.Tables["Copp"]); got != rows {
			b.Fatalf("got %d rows, want %d", got, rows)
		}
		s.Close()
	}
	b.ReportMetric(total.Seconds()*1000/float64(b.N), "load-ms")
	b.ReportMetric(decode.Seconds()*1000/float64(b.N), "texts-ms")
}

// BenchmarkRoundTrip is a durable transaction of one document, with its update.
func BenchmarkRoundTrip(b *testing.B) {
	s := ovntest.Dial(b, ovntest.NB(b).NBAddress())
	monitor(b, s, "")
	i := 0
	for b.Loop() {
		reply(b, s, send(b, s, func(txn *ovsdb.Txn) {
			txn.Insert("Copp", ovsdb.NewUUID(), document(strconv.Itoa(i), subnet(i)))
		}))
		i++
	}
}
