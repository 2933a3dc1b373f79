package ovsdb_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

const nb = "OVN_Northbound"

// patience bounds what must happen soon, on a machine that is busy.
const patience = 60 * time.Second

var copp = map[string][]string{"Copp": {"name", "external_ids"}}

func dial(t testing.TB, o ovsdb.Options) *ovsdb.Session {
	t.Helper()
	if o.DialTimeout == 0 {
		o.DialTimeout = patience
	}
	s, err := ovsdb.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func at(addresses ...string) ovsdb.Options { return ovsdb.Options{Addresses: addresses} }

func monitor(t testing.TB, s *ovsdb.Session, lastTxnID string) ovsdb.Initial {
	t.Helper()
	initial, err := s.Monitor(t.Context(), copp, lastTxnID)
	if err != nil {
		t.Fatal(err)
	}
	return initial
}

func send(t testing.TB, s *ovsdb.Session, build func(*ovsdb.Txn)) uint64 {
	t.Helper()
	txn := ovsdb.NewTxn(nb)
	build(txn)
	id, err := s.Send(txn)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func next(t testing.TB, s *ovsdb.Session) ovsdb.Event {
	t.Helper()
	select {
	case e, ok := <-s.Events():
		if !ok {
			t.Fatalf("the session ended: %v", s.Err())
		}
		return e
	case <-time.After(patience):
		t.Fatal("no event")
	}
	panic("unreachable")
}

// reply takes events up to a reply, which must be a success, and returns the updates before it.
func reply(t testing.TB, s *ovsdb.Session, id uint64) (*ovsdb.Reply, []*ovsdb.Update) {
	t.Helper()
	var updates []*ovsdb.Update
	for {
		e := next(t, s)
		if e.Update != nil {
			updates = append(updates, e.Update)
			continue
		}
		if e.Reply.ID != id {
			t.Fatalf("got the reply to %d, want %d", e.Reply.ID, id)
		}
		if e.Reply.Err != nil {
			t.Fatal(e.Reply.Err)
		}
		if op, failure := e.Reply.Failure(); failure != nil {
			t.Fatalf("operation %d: %v", op, failure)
		}
		return e.Reply, updates
	}
}

// ended waits for the end of a session and returns its reason.
func ended(t testing.TB, s *ovsdb.Session) error {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-s.Events():
			if !ok {
				return s.Err()
			}
		case <-deadline:
			t.Fatal("the session does not end")
		}
	}
}

// eventually waits until a condition holds. It is for what no event tells.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("did not happen: %s", what)
		case <-poll.C:
		}
	}
}

// table is a replica of Copp.
type table map[ovsdb.UUID]ovsdb.Row

func (r table) apply(schema ovsdb.Schema, u ovsdb.Update) {
	for _, row := range u.Tables["Copp"] {
		switch row.Type {
		case ovsdb.Insert:
			r[row.UUID] = row.Row
		case ovsdb.Delete:
			delete(r, row.UUID)
		case ovsdb.Modify:
			for column, diff := range row.Row {
				r[row.UUID][column] = r[row.UUID][column].ApplyDiff(diff, schema["Copp"][column].Scalar)
			}
		}
	}
}

func document(name string, pairs map[string]string) ovsdb.Row {
	return ovsdb.Row{"name": ovsdb.String(name), "external_ids": ovsdb.Map(pairs)}
}

func TestUpdatePrecedesReply(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	if initial := monitor(t, s, ""); initial.Found || len(initial.Update.Tables) != 0 {
		t.Errorf("got initial content %v, want none", initial)
	}
	id := ovsdb.NewUUID()
	row := document("a", map[string]string{"rev": "1"})
	r, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", id, row)
		txn.CommitDurable()
	}))
	if diff := cmp.Diff([]ovsdb.Result{{UUID: id}, {}}, r.Results); diff != "" {
		t.Error(diff)
	}
	want := map[string][]ovsdb.RowUpdate{"Copp": {{UUID: id, Type: ovsdb.Insert, Row: row}}}
	if len(updates) != 1 {
		t.Fatalf("got %d updates, want 1", len(updates))
	}
	if diff := cmp.Diff(want, updates[0].Tables); diff != "" {
		t.Error(diff)
	}

	r, updates = reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Wait("Copp", id, "external_ids", "rev", "1")
		txn.Mutate("Copp", id, "external_ids", "insert", ovsdb.Map(map[string]string{"doc": "{}"}))
		txn.Update("Copp", id, ovsdb.Row{"name": ovsdb.String("b")})
		txn.Select("Copp", id, "name", "_uuid")
		txn.Delete("Copp", ovsdb.NewUUID())
	}))
	diff := ovsdb.Row{"name": ovsdb.String("b"), "external_ids": ovsdb.Map(map[string]string{"doc": "{}"})}
	want = map[string][]ovsdb.RowUpdate{"Copp": {{UUID: id, Type: ovsdb.Modify, Row: diff}}}
	if diff := cmp.Diff(want, updates[0].Tables); diff != "" {
		t.Error(diff)
	}
	selected := []ovsdb.Row{{"name": ovsdb.String("b"), "_uuid": ovsdb.Ref(id)}}
	if diff := cmp.Diff([]ovsdb.Result{{}, {Count: 1}, {Count: 1}, {Rows: selected}, {}}, r.Results); diff != "" {
		t.Error(diff)
	}

	_, updates = reply(t, s, send(t, s, func(txn *ovsdb.Txn) { txn.Delete("Copp", id) }))
	want = map[string][]ovsdb.RowUpdate{"Copp": {{UUID: id, Type: ovsdb.Delete}}}
	if diff := cmp.Diff(want, updates[0].Tables); diff != "" {
		t.Error(diff)
	}
}

func TestEchoComesAfterTheUpdatesOfOthers(t *testing.T) {
	c := ovntest.NB(t)
	writer, reader := ovntest.Dial(t, c.NBAddress()), ovntest.Dial(t, c.NBAddress())
	monitor(t, reader, "")
	for i := range 100 {
		name := strconv.Itoa(i)
		reply(t, writer, send(t, writer, func(txn *ovsdb.Txn) {
			txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(name)})
		}))
		id, err := reader.Echo()
		if err != nil {
			t.Fatal(err)
		}
		_, updates := reply(t, reader, id)
		if len(updates) != 1 || updates[0].Tables["Copp"][0].Row["name"].AsString() != name {
			t.Fatalf("before the echo came %v, want the insertion of %s", updates, name)
		}
	}
}

func TestFailures(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	monitor(t, s, "")
	id := ovsdb.NewUUID()
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) { txn.Insert("Copp", id, document("a", map[string]string{"rev": "1"})) }))
	for _, test := range []struct {
		name  string
		build func(*ovsdb.Txn)
		op    int
		want  string
	}{
		{"a wait for another value", func(txn *ovsdb.Txn) {
			txn.Delete("Copp", ovsdb.NewUUID())
			txn.Wait("Copp", id, "external_ids", "rev", "2")
			txn.Delete("Copp", id)
		}, 1, "timed out"},
		{"a value of another type", func(txn *ovsdb.Txn) {
			txn.Update("Copp", id, ovsdb.Row{"name": ovsdb.Int(1)})
		}, 0, "syntax error"},
		{"a name that is taken, found at the end", func(txn *ovsdb.Txn) {
			txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("a")})
			txn.Delete("Copp", ovsdb.NewUUID())
		}, 2, "constraint violation"},
		{"a reference to nothing, found at the end", func(txn *ovsdb.Txn) {
			txn.Insert("Logical_Switch", ovsdb.NewUUID(), ovsdb.Row{"ports": ovsdb.Refs(ovsdb.NewUUID())})
		}, 1, "referential integrity violation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := send(t, s, test.build)
			e := next(t, s)
			if e.Reply == nil || e.Reply.ID != want || e.Reply.Err != nil {
				t.Fatalf("got %v, want the reply to %d", e, want)
			}
			op, failure := e.Reply.Failure()
			if failure == nil || op != test.op || failure.Error != test.want {
				t.Errorf("got operation %d: %v, want operation %d: %s", op, failure, test.op, test.want)
			}
		})
	}
	txn := ovsdb.NewTxn("OVN_Eastbound")
	if _, err := ovsdb.Transact(t.Context(), s, txn); err == nil || !strings.Contains(err.Error(), "unknown database") {
		t.Errorf("a transaction with an unknown database: got error %v", err)
	}
}

func TestTextThatCannotBeStoredIsNotSent(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	txn := ovsdb.NewTxn(nb)
	txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("a\x00b")})
	if _, err := s.Send(txn); !errors.Is(err, ovsdb.ErrText) {
		t.Errorf("got error %v, want %v", err, ovsdb.ErrText)
	}
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(`a\u0000b`)})
	}))
}

func TestSchema(t *testing.T) {
	schema := ovntest.Dial(t, ovntest.NB(t).NBAddress()).Schema()
	if !schema.HasTable("Copp") || schema.HasTable("copp") || !schema.HasColumn("Copp", "name") || schema.HasColumn("Copp", "ports") || schema.HasColumn("None", "name") {
		t.Error("the schema does not have the tables and columns of a Northbound database")
	}
	got := map[string]ovsdb.ColumnSchema{}
	for _, column := range []string{"Logical_Switch.name", "Logical_Switch.ports", "Logical_Switch.copp", "Copp.external_ids", "NB_Global.nb_cfg", "NB_Global.ipsec", "Logical_Switch_Port.tag", "ACL.match"} {
		table, name, _ := strings.Cut(column, ".")
		got[column] = schema[table][name]
	}
	want := map[string]ovsdb.ColumnSchema{
		"Logical_Switch.name":     {Scalar: true, Default: `""`},
		"Logical_Switch.ports":    {Holds: "Logical_Switch_Port", Default: ovsdb.Empty},
		"Logical_Switch.copp":     {Scalar: true, Optional: true, Holds: "Copp", Default: ovsdb.Empty},
		"Copp.external_ids":       {Map: true, Default: ovsdb.Map(nil)},
		"NB_Global.nb_cfg":        {Scalar: true, Default: "0"},
		"NB_Global.ipsec":         {Scalar: true, Default: "false"},
		"Logical_Switch_Port.tag": {Scalar: true, Optional: true, Default: ovsdb.Empty},
		"ACL.match":               {Scalar: true, Default: `""`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMonitorOfAnUnknownColumnFailsAndEndsTheSession(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	_, err := s.Monitor(t.Context(), map[string][]string{"Copp": {"nothing"}}, "")
	if err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got error %v, want one that names the column", err)
	}
	if got := ended(t, s); got == nil {
		t.Error("the session lives")
	}
}

func TestMessagesOfAnySize(t *testing.T) {
	s := ovntest.Dial(t, ovntest.NB(t).NBAddress())
	monitor(t, s, "")
	large := strings.Repeat("0123456789abcdef\n\"", 1<<18)
	id := ovsdb.NewUUID()
	r, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", id, document("a", map[string]string{"doc": large}))
		txn.Select("Copp", id)
	}))
	if updates[0].Tables["Copp"][0].Row["external_ids"].AsMap()["doc"] != large || r.Results[1].Rows[0]["external_ids"].AsMap()["doc"] != large {
		t.Error("a large text came back as another")
	}
}

// A session that is not read gets what it missed merged into few updates, and the right content; its deadlines do not
// count the time in which nobody takes its events.
func TestMergedUpdates(t *testing.T) {
	const (
		enough = 3000 // that the server has to merge
		limit  = time.Second
	)
	c := ovntest.NB(t)
	writer := ovntest.Dial(t, c.NBAddress())
	slow := dial(t, ovsdb.Options{Addresses: []string{c.NBAddress()}, CallTimeout: limit, ProbeInterval: limit / 2})
	content := table{}
	content.apply(slow.Schema(), monitor(t, slow, "").Update)
	barrier, err := slow.Echo()
	if err != nil {
		t.Fatal(err)
	}
	id := ovsdb.NewUUID()
	padding := strings.Repeat("x", 4000)
	commits := 0
	for begin := time.Now(); commits < enough || time.Since(begin) < 3*limit; commits++ {
		reply(t, writer, send(t, writer, func(txn *ovsdb.Txn) {
			if commits == 0 {
				txn.Insert("Copp", id, document("a", nil))
			}
			txn.Update("Copp", id, ovsdb.Row{"external_ids": ovsdb.Map(map[string]string{"rev": strconv.Itoa(commits), "doc": padding + strconv.Itoa(commits)})})
		}))
	}
	updates, last := 0, ""
	for want := strconv.Itoa(commits - 1); last != want; {
		e := next(t, slow)
		if e.Reply != nil {
			if e.Reply.ID != barrier {
				t.Fatalf("got the reply to %d, want %d", e.Reply.ID, barrier)
			}
			continue
		}
		updates++
		content.apply(slow.Schema(), *e.Update)
		last = content[id]["external_ids"].AsMap()["rev"]
	}
	if updates >= commits {
		t.Errorf("got %d updates for %d commits: none were merged, the test tests nothing", updates, commits)
	}
	want := table{id: document("a", map[string]string{"rev": last, "doc": padding + last})}
	if diff := cmp.Diff(want, content); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d commits came in %d updates", commits, updates)
}

func TestDialTriesTheAddressesInTurn(t *testing.T) {
	c := ovntest.NB(t)
	s := dial(t, at("unix:/nonexistent/nb.sock", c.NBAddress()))
	if s.Address() != c.NBAddress() {
		t.Errorf("connected to %s, want %s", s.Address(), c.NBAddress())
	}
	if s.Clustered() {
		t.Error("a standalone database is said to be clustered")
	}
	if _, err := ovsdb.Dial(t.Context(), ovsdb.Options{}); err == nil {
		t.Error("dialing no address succeeded")
	}
	for _, test := range []struct {
		name string
		o    ovsdb.Options
		want []string
	}{
		{"nobody listens", at("unix:/nonexistent/nb.sock", "tcp:127.0.0.1:1"), []string{"unix:/nonexistent/nb.sock", "no such file", "tcp:127.0.0.1:1", "refused"}},
		{"no such database", ovsdb.Options{Addresses: []string{c.NBAddress()}, Database: "OVN_Eastbound"}, []string{c.NBAddress(), "unknown database", "OVN_Eastbound"}},
		{"no certificates", at("ssl:127.0.0.1:1"), []string{"certificates"}},
		{"no address", at("nb.sock"), []string{"schemes unix, tcp and ssl"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ovsdb.Dial(t.Context(), test.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}
