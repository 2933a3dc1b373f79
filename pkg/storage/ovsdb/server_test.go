package ovsdb_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// alphabet has everything whose notation or order could differ between the server and us: what is escaped, what sorts
// around the quotes that end a string, and characters of all lengths.
var alphabet = []rune("ab!\"#/\\\x01\b\f\n\r\t\x1f \x7f\u0080é\u07ff\u0800\u2028\ufeff\ufffd\U00010000😀\U0010ffff{}[],:")

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

func randomTexts(r *rand.Rand) []string {
	out := make([]string, r.IntN(8))
	for i := range out {
		out[i] = randomText(r)
	}
	return out
}

func randomMap(r *rand.Rand) map[string]string {
	m := map[string]string{}
	for _, k := range randomTexts(r) {
		m[k] = randomText(r)
	}
	return m
}

// What we write, what the server says about it, and what a difference makes of it must be the same bytes.
func TestCanonicalFormIsTheServers(t *testing.T) {
	const rounds = 500
	r := rand.New(rand.NewPCG(1, 2)) // the same values each time
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	columns := map[string][]string{"Address_Set": {"addresses", "external_ids"}, "Logical_Switch": {"dns_records"}, "DNS": {"records"}}
	if _, err := s.Monitor(t.Context(), columns, ""); err != nil {
		t.Fatal(err)
	}
	set, ls := ovsdb.NewUUID(), ovsdb.NewUUID()
	records := make([]ovsdb.UUID, 6)
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Address_Set", set, ovsdb.Row{"name": ovsdb.String("a")})
		txn.Insert("Logical_Switch", ls, ovsdb.Row{})
		for i := range records {
			records[i] = ovsdb.NewUUID()
			txn.Insert("DNS", records[i], ovsdb.Row{})
		}
	}))
	got := map[string]ovsdb.Value{"addresses": ovsdb.Empty, "external_ids": ovsdb.Map(nil), "dns_records": ovsdb.Empty}
	for range rounds {
		r.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		want := map[string]ovsdb.Value{
			"addresses":    ovsdb.Strings(randomTexts(r)...),
			"external_ids": ovsdb.Map(randomMap(r)),
			"dns_records":  ovsdb.Refs(records[:r.IntN(len(records))]...),
		}
		answer, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
			txn.Update("Address_Set", set, ovsdb.Row{"addresses": want["addresses"], "external_ids": want["external_ids"]})
			txn.Update("Logical_Switch", ls, ovsdb.Row{"dns_records": want["dns_records"]})
			txn.Select("Address_Set", set, "addresses", "external_ids")
			txn.Select("Logical_Switch", ls, "dns_records")
		}))
		for _, u := range updates {
			for _, rows := range u.Tables {
				for _, row := range rows {
					for column, diff := range row.Row {
						got[column] = got[column].ApplyDiff(diff, false)
					}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("by differences: %s", diff)
		}
		selected := map[string]ovsdb.Value{}
		for _, result := range answer.Results[2:] {
			for column, v := range result.Rows[0] {
				selected[column] = v
			}
		}
		if diff := cmp.Diff(want, selected); diff != "" {
			t.Fatalf("by selection: %s", diff)
		}
	}
}

// The server takes text in any notation and gives it back in its own, which is ours.
func TestForeignEscapes(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	monitor(t, s, "")
	want := map[string]string{"é😀/": "\x01\"\\", "a": "\x7f"}
	_, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"external_ids": `["map",[["\u00e9\ud83d\ude00\/","\u0001\u0022\u005C"],["\u0061","\u007f"]]]`})
	}))
	got := updates[0].Tables["Copp"][0].Row["external_ids"]
	if got != ovsdb.Map(want) {
		t.Errorf("got %s, want %s", got, ovsdb.Map(want))
	}
	if diff := cmp.Diff(want, got.AsMap()); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(ovsdb.Value(`["set",["\/"]]`).AsStrings(), []string{"/"}) {
		t.Error("an escaped slash is not a slash")
	}
}
