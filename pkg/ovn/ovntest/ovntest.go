// Package ovntest gives tests a Northbound database of their own: real servers, started for the test and gone after it.
package ovntest

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Option changes what NB starts.
type Option func(*ovn.Config)

// Clustered makes the Northbound database a cluster of one member.
func Clustered() Option { return func(c *ovn.Config) { c.Clustered = true } }

// Join makes the Northbound database a member of the cluster that another one, started with Clustered, belongs to.
func Join(other *ovn.Central) Option {
	return func(c *ovn.Config) { c.Clustered, c.Join = true, append(c.Join, other.RaftAddress()) }
}

// Northd adds a Southbound database and ovn-northd.
func Northd() Option { return func(c *ovn.Config) { c.Northd = true } }

// NBArgs adds to the command line of the Northbound database's server.
func NBArgs(args ...string) Option {
	return func(c *ovn.Config) { c.NBArgs = append(c.NBArgs, args...) }
}

// NB starts a Northbound database for a test. When the test ends it is stopped and removed; when it fails the logs are
// written to the test's.
func NB(t testing.TB, opts ...Option) *ovn.Central {
	t.Helper()
	config := ovn.Config{Dir: Dir(t)}
	for _, o := range opts {
		o(&config)
	}
	c, err := ovn.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if !t.Failed() {
			return
		}
		for _, path := range c.Logs() {
			if b, err := os.ReadFile(path); err == nil {
				t.Logf("%s:\n%s", path, b)
			}
		}
	})
	return c
}

// Dir is like t.TempDir, whose paths are too long for sockets.
func Dir(t testing.TB) string {
	parent := os.TempDir()
	if len(parent) > 40 {
		parent = "/tmp"
	}
	d, err := os.MkdirTemp(parent, "nb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Dial opens a session with a Northbound database for a test, and closes it when the test ends.
func Dial(t testing.TB, address string) *ovsdb.Session {
	t.Helper()
	s, err := ovsdb.Dial(t.Context(), patient(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// patient is for sessions that a slow machine shall not end.
func patient(address string) ovsdb.Options {
	return ovsdb.Options{Addresses: []string{address}, DialTimeout: time.Minute, CallTimeout: time.Minute}
}

// Nbctl runs ovn-nbctl against the database at an address and returns its output.
func Nbctl(t testing.TB, address string, args ...string) string {
	t.Helper()
	out, err := ovn.Nbctl(t.Context(), address, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Dump returns all rows of a Northbound database as text in which equal content is equal: a line for each row, then one for
// each of its columns that does not have its default value, all sorted. Tables to leave out may be named, as "Copp".
func Dump(t testing.TB, address string, without ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	s, err := ovsdb.Dial(ctx, patient(address))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tables := map[string][]string{}
	for table, columns := range s.Schema() {
		if !slices.Contains(without, table) {
			tables[table] = slices.Sorted(maps.Keys(columns)) // without _version
		}
	}
	initial, err := s.Monitor(ctx, tables, "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range slices.Sorted(maps.Keys(initial.Update.Tables)) {
		rows := initial.Update.Tables[table]
		slices.SortFunc(rows, func(a, b ovsdb.RowUpdate) int { return slices.Compare(a.UUID[:], b.UUID[:]) })
		for _, r := range rows {
			b.WriteString(table + " " + r.UUID.String() + "\n")
			for _, column := range slices.Sorted(maps.Keys(r.Row)) {
				b.WriteString("  " + column + " " + string(r.Row[column]) + "\n")
			}
		}
	}
	return b.String()
}
