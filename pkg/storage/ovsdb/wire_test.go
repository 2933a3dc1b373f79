package ovsdb

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func frames(t *testing.T, r io.Reader) ([]string, error) {
	t.Helper()
	f := framer{r: r, progress: func(bool) {}}
	var out []string
	for {
		b, err := f.message()
		if err != nil {
			return out, err
		}
		out = append(out, string(b))
	}
}

func TestFramerCutsMessagesWhereverReadsEnd(t *testing.T) {
	large := `{"id":1,"result":["` + strings.Repeat(`{\"a\":\"}]\\\"`, framerMin/10) + `"]}`
	want := []string{`{}`, `{"a":"\\\"}{","b":[{"c":"]"}]}`, large, `{"id":null,"error":{"a":[]}}`}
	stream := want[0] + want[1] + " \n\t" + want[2] + "\n" + want[3] + " "
	for name, r := range map[string]io.Reader{
		"all at once":    strings.NewReader(stream),
		"byte by byte":   iotest.OneByteReader(strings.NewReader(stream)),
		"half a buffer":  iotest.HalfReader(strings.NewReader(stream)),
		"data with ends": iotest.DataErrReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := frames(t, r)
			if err != io.EOF {
				t.Errorf("got error %v, want %v", err, io.EOF)
			}
			if !cmp.Equal(want, got) {
				t.Errorf("got %d messages that are not the %d sent", len(got), len(want))
			}
		})
	}
}

func TestFramerRefusesWhatIsNoMessage(t *testing.T) {
	for _, stream := range []string{`[]`, `{}x`, "GET / HTTP/1.1\r\n", `}`} {
		if _, err := frames(t, strings.NewReader(stream)); err == nil || err == io.EOF {
			t.Errorf("%q: got error %v", stream, err)
		}
	}
	if _, err := frames(t, strings.NewReader(`{"a":"`)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a message that is cut off: got error %v", err)
	}
}

func TestMessageMembersMayComeInAnyOrder(t *testing.T) {
	want := message{id: []byte(`7`), result: []byte(`[{}]`), err: []byte(`null`)}
	for _, raw := range []string{`{"id":7,"result":[{}],"error":null}`, ` { "error" : null , "x":{}, "result":[{}], "id":7 } `} {
		got, err := parseMessage([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{})); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func TestDecoderFailsOnWhatItDoesNotExpect(t *testing.T) {
	for _, raw := range []string{
		``, `[]`, `{}`, `["data","x"]`, `["data","x",{"T":[]}]`, `["data","x",{"T":{"x":{"insert":{}}}}]`,
		`["data","x",{"T":{"01234567-89ab-cdef-0123-456789abcdef":{}}}]`,
		`["data","x",{"T":{"01234567-89ab-cdef-0123-456789abcdef":{"replace":{}}}}]`,
		`["data","x",{"T":{"01234567-89ab-cdef-0123-456789abcdef":{"insert":{"a":}}}}]`,
		`["data","x",{"T":{"01234567-89ab-cdef-0123-456789abcdef":{"insert":{"a":["map",[[1]]]}}}}]`,
	} {
		d := decoder{scanner: scanner{b: []byte(raw)}}
		if _, u := d.update(false); d.err == nil {
			t.Errorf("%s: got %v, want an error", raw, u)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`["data","x",{"T":{"01234567-89ab-cdef-0123-456789abcdef":{"modify":{"a":["set",[]]}}}}]`))
	f.Add([]byte(`[{"uuid":["uuid","01234567-89ab-cdef-0123-456789abcdef"]},{"error":"timed out","details":"x"},null,{"rows":[{"a":1}]}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		// None may panic or run on, whatever it is.
		_, _ = (&decoder{scanner: scanner{b: raw}}).update(false)
		_ = (&decoder{scanner: scanner{b: raw}}).initial()
		_ = (&decoder{scanner: scanner{b: raw}}).results()
		_, _ = parseMessage(raw)
		_, _ = frames(t, bytes.NewReader(raw))
		_ = refusal(raw)
	})
}

func TestParseAddresses(t *testing.T) {
	got, err := ParseAddresses(" unix:/run/nb.sock, tcp:[::1]:6641,ssl:nb.example:6641 ,")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"unix:/run/nb.sock", "tcp:[::1]:6641", "ssl:nb.example:6641"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"", ",", "/run/nb.sock", "unix:", "unix:/" + strings.Repeat("a", unixPathMax), "tcp:127.0.0.1", "tcp:::1:6641",
		"tcp::6641", "tcp:host:http", "tcp:host:0", "ssl:host:65536", "pssl:6641", "tcp:a:1,udp:b:2",
	} {
		if got, err := ParseAddresses(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}

func TestTxnRefusesTextThatDropsTheConnection(t *testing.T) {
	for _, test := range []struct {
		name  string
		build func(*Txn)
		fails bool
	}{
		{"text", func(t *Txn) { t.Insert("Copp", rowA, Row{"name": String("a")}) }, false},
		{"the escape of NUL inside a document", func(t *Txn) { t.Insert("Copp", rowA, Row{"name": String(`{"a":"\u0000"}`)}) }, false},
		{"a backslash and the escape of NUL inside a document", func(t *Txn) { t.Insert("Copp", rowA, Row{"name": String(`\\u0000`)}) }, false},
		{"NUL", func(t *Txn) { t.Insert("Copp", rowA, Row{"name": String("a\x00")}) }, true},
		{"NUL behind a backslash", func(t *Txn) { t.Update("Copp", rowA, Row{"name": String("\\\x00")}) }, true},
		{"NUL behind the harmless escape of it", func(t *Txn) { t.Update("Copp", rowA, Row{"name": String("\\u0000\x00")}) }, true},
		{"what is not UTF-8", func(t *Txn) { t.Mutate("Copp", rowA, "name", "insert", String("\xff")) }, true},
		{"NUL in a condition", func(t *Txn) { t.Wait("Copp", rowA, "external_ids", "rev", "\x00") }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			txn := NewTxn("OVN_Northbound")
			test.build(txn)
			if got := errors.Is(txn.Err(), ErrText); got != test.fails {
				t.Errorf("got error %v, want one: %v", txn.Err(), test.fails)
			}
		})
	}
}

func TestTxnNotation(t *testing.T) {
	txn := NewTxn("OVN_Northbound")
	txn.Wait("Copp", rowA, "external_ids", "rev", "7.x.1")
	txn.Insert("Copp", rowB, Row{"name": String("b"), "external_ids": Map(map[string]string{"k": "v"})})
	txn.Update("Copp", rowB, Row{"name": String("c")})
	txn.Mutate("Logical_Switch", rowA, "ports", "insert", Refs(rowB))
	txn.Delete("Copp", rowB)
	txn.Select("Copp", UUID{})
	txn.Select("Copp", rowA, "name", "external_ids")
	txn.CommitDurable()
	a, b := string(Ref(rowA)), string(Ref(rowB))
	want := strings.Join([]string{
		`["OVN_Northbound"`,
		`{"op":"wait","table":"Copp","where":[["_uuid","==",` + a + `],["external_ids","includes",["map",[["rev","7.x.1"]]]]],"timeout":0,"columns":["_uuid"],"until":"==","rows":[{"_uuid":` + a + `}]}`,
		`{"op":"insert","table":"Copp","uuid":"` + rowB.String() + `","row":{"external_ids":["map",[["k","v"]]],"name":"b"}}`,
		`{"op":"update","table":"Copp","where":[["_uuid","==",` + b + `]],"row":{"name":"c"}}`,
		`{"op":"mutate","table":"Logical_Switch","where":[["_uuid","==",` + a + `]],"mutations":[["ports","insert",` + b + `]]}`,
		`{"op":"delete","table":"Copp","where":[["_uuid","==",` + b + `]]}`,
		`{"op":"select","table":"Copp","where":[]}`,
		`{"op":"select","table":"Copp","where":[["_uuid","==",` + a + `]],"columns":["name","external_ids"]}`,
		`{"op":"commit","durable":true}`,
	}, ",")
	if diff := cmp.Diff(want, string(txn.buf)); diff != "" {
		t.Error(diff)
	}
	if txn.Len() != 8 || txn.Size() != len(want) {
		t.Errorf("got %d operations of %d bytes, want 8 of %d", txn.Len(), txn.Size(), len(want))
	}
}
