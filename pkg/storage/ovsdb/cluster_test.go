package ovsdb_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// cluster starts a database of three members.
func cluster(t *testing.T) (members map[string]*ovn.Central, addresses []string) {
	t.Helper()
	first := ovntest.NB(t, ovntest.Clustered())
	members = map[string]*ovn.Central{first.NBAddress(): first}
	addresses = []string{first.NBAddress()}
	for range 2 {
		c := ovntest.NB(t, ovntest.Join(first))
		members[c.NBAddress()] = c
		addresses = append(addresses, c.NBAddress())
	}
	return members, addresses
}

// dialLeader dials until a member says that it leads.
func dialLeader(t *testing.T, o ovsdb.Options) *ovsdb.Session {
	t.Helper()
	o.LeaderOnly = true
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		s, err := ovsdb.Dial(ctx, o)
		if err == nil {
			t.Cleanup(s.Close)
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-retry.C:
		}
	}
}

func TestLeaderIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("an election takes seconds")
	}
	members, addresses := cluster(t)
	var last string
	for round := range 2 {
		s := dialLeader(t, at(addresses...))
		if !s.Clustered() {
			t.Error("the database is said to be standalone")
		}
		initial := monitor(t, s, last)
		if round > 0 && !initial.Found {
			t.Error("the new leader does not know what happened since")
		}
		if round > 0 && len(initial.Update.Tables) != 0 {
			t.Errorf("the new leader has %v since the last update", initial.Update.Tables)
		}
		for i := range 20 {
			_, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
				txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(strconv.Itoa(round) + "/" + strconv.Itoa(i))})
			}))
			last = updates[len(updates)-1].TxnID
		}
		leader := members[s.Address()]
		if err := leader.KillNB(); err != nil {
			t.Fatal(err)
		}
		if err := ended(t, s); err == nil {
			t.Error("the session has no reason for its end")
		}
		// Two of three remain, and elect a leader; the third comes back before the next is killed.
		survivor := dialLeader(t, at(addresses...))
		if survivor.Address() == s.Address() {
			t.Errorf("%s leads and is dead", s.Address())
		}
		if got, want := len(monitor(t, survivor, "").Update.Tables["Copp"]), 20*(round+1); got != want {
			t.Errorf("got %d rows, want the %d that were acknowledged", got, want)
		}
		survivor.Close()
		if err := leader.RestartNB(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLossOfLeadershipEndsASessionWithTheLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("an election takes seconds")
	}
	members, addresses := cluster(t)
	patient := ovsdb.Options{Addresses: addresses, CallTimeout: time.Hour, ProbeInterval: time.Hour}
	s := dialLeader(t, patient)
	anywhere := dial(t, ovsdb.Options{Addresses: []string{s.Address()}, CallTimeout: time.Hour, ProbeInterval: time.Hour})
	monitor(t, anywhere, "")
	for _, a := range addresses {
		if a == s.Address() {
			continue
		}
		if _, err := ovsdb.Dial(t.Context(), ovsdb.Options{Addresses: []string{a}, LeaderOnly: true}); !errors.Is(err, ovsdb.ErrNotLeader) {
			t.Errorf("dialing a follower: got error %v, want %v", err, ovsdb.ErrNotLeader)
		}
	}
	old := members[s.Address()]
	if err := old.PauseNB(t.Context()); err != nil {
		t.Fatal(err)
	}
	var others []string
	for _, a := range addresses {
		if a != s.Address() {
			others = append(others, a)
		}
	}
	dialLeader(t, at(others...))
	if err := old.ResumeNB(); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, s); !errors.Is(err, ovsdb.ErrNotLeader) && !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("got error %v, want %v", err, ovsdb.ErrNotLeader)
	}
}

func TestLossOfTheClusterEndsTheSession(t *testing.T) {
	if testing.Short() {
		t.Skip("an election takes seconds")
	}
	members, addresses := cluster(t)
	s := dialLeader(t, ovsdb.Options{Addresses: addresses, CallTimeout: time.Hour, ProbeInterval: time.Hour})
	for a, c := range members {
		if a == s.Address() {
			continue
		}
		if err := c.KillNB(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ended(t, s); !errors.Is(err, ovsdb.ErrNotConnected) && !errors.Is(err, ovsdb.ErrNotLeader) {
		t.Errorf("got error %v, want %v", err, ovsdb.ErrNotConnected)
	}
}
