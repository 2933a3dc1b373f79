package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// pastModel is a history as one would write it if memory were free: all objects ("key@revision") at each revision.
type pastModel struct {
	at  map[uint64][]string
	end uint64
}

// play publishes states as random operations make them, and fills the model.
func play(operations []byte) (*history, *pastModel) {
	h := newHistory(&sync.Mutex{})
	m := &pastModel{at: map[uint64][]string{}}
	live := map[string]*entry{}
	s := newState()
	res := &Resource{Name: "n"}
	h.publish(s, nil)
	record := func(rev uint64) {
		var out []string
		for _, key := range slices.Sorted(maps.Keys(live)) {
			out = append(out, fmt.Sprintf("%s@%d", key, live[key].rev))
		}
		m.at[rev] = out
		m.end = rev
	}
	record(0)
	for len(operations) > 0 {
		s = s.clone()
		var events []event
		// A transaction is of one to four operations.
		n := min(int(operations[0]%4)+1, len(operations))
		for _, op := range operations[:n] {
			key := fmt.Sprintf("/n/%02d", op>>2%20)
			before := live[key]
			s.rev++
			e := &entry{key: key, res: res, uuid: ovsdb.NewUUID(), rev: s.rev, createRev: s.rev}
			if before != nil {
				e.uuid, e.createRev = before.uuid, before.createRev
			}
			if before != nil && op%3 == 0 {
				e.deleted = true
				s.objects.Delete(before)
				s.tombs.ReplaceOrInsert(e)
				delete(live, key)
			} else {
				s.objects.ReplaceOrInsert(e)
				live[key] = e
			}
			events = append(events, event{rev: s.rev, prev: before, cur: e})
			record(s.rev)
		}
		operations = operations[n:]
		h.publish(s, events)
	}
	return h, m
}

func objectsAt(t *testing.T, h *history, rev uint64) []string {
	t.Helper()
	tree, ok := h.at(rev)
	if !ok {
		t.Fatalf("revision %d is forgotten", rev)
	}
	var out []string
	tree.Ascend(func(e *entry) bool {
		out = append(out, fmt.Sprintf("%s@%d", e.key, e.rev))
		return true
	})
	return out
}

// replay applies the events that a watch of everything would deliver to what a client knows.
func replay(t *testing.T, known []string, events []event) []string {
	t.Helper()
	objects := map[string]string{}
	for _, o := range known {
		key, _, _ := strings.Cut(o, "@")
		objects[key] = o
	}
	var last uint64
	for _, ev := range events {
		if ev.rev <= last {
			t.Fatalf("event %d after %d", ev.rev, last)
		}
		last = ev.rev
		_, has := objects[ev.cur.key]
		if ev.cur.deleted {
			if !has {
				t.Fatalf("deletion of %s, which the client does not have", ev.cur.key)
			}
			delete(objects, ev.cur.key)
			continue
		}
		if has != (ev.prev != nil) {
			t.Fatalf("%s at %d: the client has it: %v, the event has an earlier version: %v", ev.cur.key, ev.rev, has, ev.prev != nil)
		}
		objects[ev.cur.key] = fmt.Sprintf("%s@%d", ev.cur.key, ev.cur.rev)
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		out = append(out, objects[key])
	}
	return out
}

// check compares a history with its model at the revisions given: the objects then, and what leads from there to the end,
// from the ring and rebuilt from tombstones.
func check(t *testing.T, h *history, m *pastModel, revisions []uint64) {
	t.Helper()
	now, _ := h.current()
	for _, rev := range revisions {
		if diff := cmp.Diff(m.at[rev], objectsAt(t, h, rev)); diff != "" {
			t.Fatalf("revision %d: %s", rev, diff)
		}
		events, _, _, ok := h.since(rev)
		if !ok {
			t.Fatalf("events after %d are forgotten", rev)
		}
		if diff := cmp.Diff(m.at[m.end], replay(t, m.at[rev], events)); diff != "" {
			t.Fatalf("events after %d: %s", rev, diff)
		}
		w := &watcher{s: &store{prefix: "/n/"}, key: "/n/", rev: rev}
		if diff := cmp.Diff(m.at[m.end], replay(t, m.at[rev], w.rebuild(now))); diff != "" {
			t.Fatalf("rebuilt after %d: %s", rev, diff)
		}
	}
}

// FuzzHistory compares histories of random operations with a model, at every revision.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 3, 0, 3, 0})                         // one object comes and goes
	f.Add([]byte{1, 4, 8, 12, 0, 3, 3, 15, 12, 12, 0})   // several, in transactions
	f.Add([]byte("the quick brown fox jumps over it 0")) // anything
	r := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 300)
	for i := range long {
		long[i] = byte(r.UintN(256))
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, operations []byte) {
		if len(operations) > 2000 {
			t.Skip("nothing new in longer ones")
		}
		h, m := play(operations)
		var all []uint64
		for rev := range m.end + 1 {
			all = append(all, rev)
		}
		check(t, h, m, all)
	})
}

// TestLongHistory crosses many checkpoints, and asks in random order.
func TestLongHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	operations := make([]byte, 5*checkpointEvery)
	for i := range operations {
		operations[i] = byte(r.UintN(256))
	}
	h, m := play(operations)
	revisions := make([]uint64, 100)
	for i := range revisions {
		revisions[i] = r.Uint64N(m.end + 1)
	}
	check(t, h, m, append(revisions, 0, m.end, m.end-1, checkpointEvery, checkpointEvery+1))
	if _, ok := h.at(m.end + 1); ok {
		t.Error("a revision that is still to come is known")
	}

	// What is forgotten is said to be; what is left is right.
	horizon := m.end / 2
	s, _ := h.current()
	s = s.clone()
	s.compacted = horizon
	h.publish(s, nil)
	if _, ok := h.at(horizon - 1); ok {
		t.Error("a revision before the horizon is known")
	}
	if _, _, _, ok := h.since(horizon - 1); ok {
		t.Error("events before the horizon are known")
	}
	check(t, h, m, []uint64{horizon, horizon + 1, m.end - 7, m.end})
}

// TestTheRingForgets publishes more events than the ring holds.
func TestTheRingForgets(t *testing.T) {
	h := newHistory(&sync.Mutex{})
	s := newState()
	res := &Resource{Name: "n"}
	h.publish(s, nil)
	for range maxEvents + 5000 {
		s = s.clone()
		s.rev++
		e := &entry{key: fmt.Sprintf("/n/%02d", s.rev%20), res: res, rev: s.rev}
		prev, _ := s.objects.ReplaceOrInsert(e)
		h.publish(s, []event{{rev: s.rev, prev: prev, cur: e}})
	}
	if len(h.events) > maxEvents || h.start == 0 {
		t.Errorf("the ring holds %d events from %d on", len(h.events), h.start)
	}
	if _, _, _, ok := h.since(0); ok {
		t.Error("the beginning is known")
	}
	if events, _, _, ok := h.since(h.start); !ok || len(events) != len(h.events) {
		t.Error("the ring does not hold what it should")
	}
	if n := len(h.checkpoints); n > maxEvents/checkpointEvery+2 {
		t.Errorf("%d states are kept", n)
	}
}
