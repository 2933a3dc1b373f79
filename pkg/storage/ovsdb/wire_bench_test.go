package ovsdb

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// loadMessage is an update3 notification of rows with documents of 1.5 kB.
func loadMessage(rows int) ([]byte, Schema) {
	doc := `{"kind":"Subnet","metadata":{"name":"a"},"spec":{` + strings.Repeat(`"cidrBlock":"10.16.0.0/16","gateway":"10.16.0.1",`, 29) + `"x":""}}`
	var b bytes.Buffer
	b.WriteString(`{"id":null,"method":"update3","params":["data","00000000-0000-0000-0000-000000000000",{"Copp":{`)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s":{"insert":{"name":"subnets/%d","external_ids":%s}}`, DeriveUUID(rowA, fmt.Sprint(i)), i, Map(map[string]string{"doc": doc, "rev": fmt.Sprint(i), "create": fmt.Sprint(i)}))
	}
	b.WriteString(`}}]}`)
	return b.Bytes(), Schema{"Copp": {"name": {Scalar: true}, "external_ids": {Map: true}}}
}

// BenchmarkDecodeUpdate is what a row of an update costs, from the connection's bytes to canonical values.
func BenchmarkDecodeUpdate(b *testing.B) {
	for _, rows := range []int{1, 1000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			raw, schema := loadMessage(rows)
			names := newNames(schema)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				f := framer{r: bytes.NewReader(raw), progress: func(bool) {}}
				frame, err := f.message()
				if err != nil {
					b.Fatal(err)
				}
				m, err := parseMessage(frame)
				if err != nil {
					b.Fatal(err)
				}
				d := decoder{scanner: scanner{b: m.params}, names: names}
				if _, u := d.update(false); d.err != nil || len(u.Tables["Copp"]) != rows {
					b.Fatal(d.err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

// BenchmarkAsMap is what the texts of a row cost.
func BenchmarkAsMap(b *testing.B) {
	raw, _ := loadMessage(1)
	start := bytes.Index(raw, []byte(mapPrefix))
	v := Value(raw[start:valueEnd(raw, start)])
	b.SetBytes(int64(len(v)))
	b.ReportAllocs()
	for b.Loop() {
		if len(v.AsMap()) != 3 {
			b.Fatal("not a map of three")
		}
	}
}

// BenchmarkApplyDiff adds a port to a switch of many.
func BenchmarkApplyDiff(b *testing.B) {
	ports := make([]UUID, 10_000)
	for i := range ports {
		ports[i] = DeriveUUID(rowA, fmt.Sprint(i))
	}
	old, diff := Refs(ports...), Ref(rowB)
	b.ReportAllocs()
	for b.Loop() {
		if len(old.ApplyDiff(diff, false)) <= len(old) {
			b.Fatal("no port was added")
		}
	}
}
