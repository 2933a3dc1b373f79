package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func TestSilentServer(t *testing.T) {
	const short = 100 * time.Millisecond
	c := ovntest.NB(t)
	for _, test := range []struct {
		name string
		o    ovsdb.Options
		call func(*ovsdb.Session) // nil: the session's own probes
	}{
		{"a call without a reply ends the session", ovsdb.Options{CallTimeout: short, ProbeInterval: time.Hour}, func(s *ovsdb.Session) {
			send(t, s, func(txn *ovsdb.Txn) { txn.Select("NB_Global", ovsdb.UUID{}) })
		}},
		{"a probe without a reply ends the session", ovsdb.Options{CallTimeout: short, ProbeInterval: short}, nil},
		{"a monitor without a reply ends the session", ovsdb.Options{CallTimeout: short / 10, ProbeInterval: time.Hour}, func(s *ovsdb.Session) {
			if _, err := s.Monitor(t.Context(), copp, ""); !errors.Is(err, ovsdb.ErrSilent) {
				t.Errorf("got error %v, want %v", err, ovsdb.ErrSilent)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Addresses = []string{c.NBAddress()}
			begin := time.Now()
			s := dial(t, test.o)
			if err := c.PauseNB(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.ResumeNB(); err != nil {
					t.Error(err)
				}
			}()
			if test.call != nil { // a probe may be under way already
				begin = time.Now()
				test.call(s)
			}
			if err := ended(t, s); !errors.Is(err, ovsdb.ErrSilent) {
				t.Errorf("got error %v, want %v", err, ovsdb.ErrSilent)
			}
			if waited := time.Since(begin); waited < short {
				t.Errorf("gave up after %v, before the deadline", waited)
			}
		})
	}
	t.Run("dialing gives up", func(t *testing.T) {
		if err := c.PauseNB(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.ResumeNB(); err != nil {
				t.Error(err)
			}
		}()
		_, err := ovsdb.Dial(t.Context(), ovsdb.Options{Addresses: []string{c.NBAddress()}, DialTimeout: short})
		if !errors.Is(err, ovsdb.ErrSilent) || !strings.Contains(err.Error(), c.NBAddress()) {
			t.Errorf("got error %v, want %v with the address", err, ovsdb.ErrSilent)
		}
	})
	t.Run("a canceled monitor returns", func(t *testing.T) {
		s := dial(t, at(c.NBAddress()))
		if err := c.PauseNB(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.ResumeNB(); err != nil {
				t.Error(err)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		if _, err := s.Monitor(ctx, copp, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestProbesKeepAnIdleSession(t *testing.T) {
	s := dial(t, ovsdb.Options{Addresses: []string{ovntest.NB(t).NBAddress()}, CallTimeout: patience, ProbeInterval: 10 * time.Millisecond})
	select {
	case e, ok := <-s.Events():
		t.Errorf("got %v, %v: %v", e, ok, s.Err())
	case <-time.After(500 * time.Millisecond): // 50 probes whose replies nobody may see
	}
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) { txn.Select("NB_Global", ovsdb.UUID{}) }))
}

func TestAServerThatDiesEndsTheSession(t *testing.T) {
	c := ovntest.NB(t)
	s := ovntest.Dial(t, c.NBAddress())
	monitor(t, s, "")
	if s.Err() != nil {
		t.Errorf("a session that lives has error %v", s.Err())
	}
	if err := c.KillNB(); err != nil {
		t.Fatal(err)
	}
	err := ended(t, s)
	if err == nil || !strings.Contains(err.Error(), c.NBAddress()) {
		t.Errorf("got error %v, want one with the address", err)
	}
	if _, again := s.Send(ovsdb.NewTxn(nb)); again == nil || again.Error() != err.Error() {
		t.Errorf("sending after the end: got error %v, want %v", again, err)
	}
	if _, again := s.Echo(); again == nil {
		t.Error("echo after the end succeeded")
	}
	if err := c.RestartNB(t.Context()); err != nil {
		t.Fatal(err)
	}
	monitor(t, ovntest.Dial(t, c.NBAddress()), "")
}

func TestCloseLeavesNothing(t *testing.T) {
	c := ovntest.NB(t)
	writer := ovntest.Dial(t, c.NBAddress())
	s, err := ovsdb.Dial(t.Context(), at(c.NBAddress()))
	if err != nil {
		t.Fatal(err)
	}
	alive := runtime.NumGoroutine()
	s.Close()
	// Who waits for a goroutine may run before it is gone.
	eventually(t, "a closed session has fewer goroutines than an open one", func() bool { return runtime.NumGoroutine() < alive })
	before := runtime.NumGoroutine()
	for i := range 20 {
		s, err := ovsdb.Dial(t.Context(), at(c.NBAddress()))
		if err != nil {
			t.Fatal(err)
		}
		monitor(t, s, "")
		if i%2 == 0 { // with a reader that waits for room
			for range 300 {
				if _, err := s.Echo(); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Close()
		s.Close()
		if err := s.Err(); !errors.Is(err, ovsdb.ErrClosed) {
			t.Errorf("got error %v, want %v", err, ovsdb.ErrClosed)
		}
		if err := ended(t, s); !errors.Is(err, ovsdb.ErrClosed) {
			t.Errorf("got error %v, want %v", err, ovsdb.ErrClosed)
		}
	}
	// The runtime's own goroutines come and go: what counts is that 20 sessions did not add 20.
	eventually(t, "the goroutines of 20 sessions have ended", func() bool { return runtime.NumGoroutine() <= before+5 })
	reply(t, writer, send(t, writer, func(txn *ovsdb.Txn) { txn.Select("NB_Global", ovsdb.UUID{}) }))
}

func TestResume(t *testing.T) {
	insert := func(name string) func(*ovsdb.Txn) {
		return func(txn *ovsdb.Txn) {
			txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(name)})
		}
	}
	names := func(u ovsdb.Update) []string {
		var out []string
		for _, r := range u.Tables["Copp"] {
			out = append(out, r.Row["name"].AsString())
		}
		return out
	}
	for _, test := range []struct {
		name  string
		opts  []ovntest.Option
		found bool
	}{
		{"a clustered database knows what happened since", []ovntest.Option{ovntest.Clustered()}, true},
		{"a standalone database sends everything", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := ovntest.NB(t, test.opts...)
			s := ovntest.Dial(t, c.NBAddress())
			if s.Clustered() != test.found {
				t.Errorf("clustered is %v", s.Clustered())
			}
			monitor(t, s, "")
			_, updates := reply(t, s, send(t, s, insert("a")))
			last := updates[0].TxnID

			other := ovntest.Dial(t, c.NBAddress())
			reply(t, other, send(t, other, insert("b")))
			if err := c.RestartNB(t.Context()); err != nil {
				t.Fatal(err)
			}
			initial := monitor(t, ovntest.Dial(t, c.NBAddress()), last)
			if initial.Found != test.found {
				t.Errorf("found is %v, want %v", initial.Found, test.found)
			}
			want := 2
			if test.found {
				want = 1
			}
			if got := names(initial.Update); len(got) != want {
				t.Errorf("got rows %q, want %d", got, want)
			}
		})
	}
}

func TestASchemaConversionEndsTheSession(t *testing.T) {
	c := ovntest.NB(t)
	s := ovntest.Dial(t, c.NBAddress())
	monitor(t, s, "")
	in, err := ovn.Find(os.Getenv(ovn.VersionEnv))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := in.NBSchema()
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := in.Command(t.Context(), "ovsdb-client", "convert", c.NBAddress(), schema)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out))
	}
	if err := ended(t, s); err == nil {
		t.Error("the session has no reason for its end")
	}
}
