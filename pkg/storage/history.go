package storage

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"k8s.io/utils/third_party/forked/golang/btree"
)

// event is one change of one object.
type event struct {
	rev  uint64
	prev *entry // what it was; nil when it did not exist, or is not known
	cur  *entry // what it is; a tombstone for a deletion
}

func sortEvents(events []event) {
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.rev, b.rev) })
}

const (
	maxEvents       = 100_000
	checkpointEvery = 1024 // revisions between states that are kept to rebuild those in between
	maxRebuilt      = 8    // rebuilt object trees kept for the following pages of a list
)

// history is the published state, the events that led to it, and enough older states to rebuild any revision since the first
// of these events. Readers share it; only the engine's goroutine publishes.
//
//	start                                       cur.rev
//	  │ event event event event event event event │
//	              ▲ checkpoint        ▲ checkpoint
//
// A revision in between is rebuilt by undoing events from the next checkpoint, or from the current state.
type history struct {
	mu      sync.RWMutex
	cur     *state
	changed chan struct{} // closed at the next publication

	events      []event // in order of revision; the array behind it is never written twice at one place
	start       uint64  // events holds all changes after this revision
	checkpoints []*state
	rebuilt     map[uint64]*btree.BTree[*entry]

	resets atomic.Int64 // how often the past was forgotten: who was in it cannot go on

	clones *sync.Mutex // held while a published tree is cloned
}

func newHistory(clones *sync.Mutex) *history {
	return &history{changed: make(chan struct{}), clones: clones, rebuilt: map[uint64]*btree.BTree[*entry]{}}
}

// current returns the published state, nil before the first, and a channel that is closed when another is published.
func (h *history) current() (*state, <-chan struct{}) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.cur, h.changed
}

// publish makes s the current state.
func (h *history) publish(s *state, events []event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cur == nil {
		h.start = s.rev
	}
	h.events = append(h.events, events...)
	if n := len(h.checkpoints); n == 0 || s.rev >= h.checkpoints[n-1].rev+checkpointEvery {
		h.checkpoints = append(h.checkpoints, s)
	}
	horizon := s.compacted
	if n := len(h.events) - maxEvents; n > 0 {
		horizon = max(horizon, h.events[n-1].rev)
	}
	h.trim(horizon)
	h.cur = s
	close(h.changed)
	h.changed = make(chan struct{})
}

// reset forgets the past: the database went back in time, or came with a past that is not known.
func (h *history) reset(s *state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.resets.Add(1)
	h.cur, h.start, h.events = s, s.rev, nil
	h.checkpoints = []*state{s}
	clear(h.rebuilt)
	close(h.changed)
	h.changed = make(chan struct{})
}

// trim forgets events up to a revision, and states that no event continues.
func (h *history) trim(horizon uint64) {
	if horizon <= h.start {
		return
	}
	h.start = horizon
	h.events = h.events[h.after(horizon):]
	i := sort.Search(len(h.checkpoints), func(i int) bool { return h.checkpoints[i].rev >= horizon })
	h.checkpoints = slices.Clone(h.checkpoints[i:])
	for rev := range h.rebuilt {
		if rev < horizon {
			delete(h.rebuilt, rev)
		}
	}
}

// after is the index of the first event with a revision above rev.
func (h *history) after(rev uint64) int {
	return sort.Search(len(h.events), func(i int) bool { return h.events[i].rev > rev })
}

// since returns the events after rev, the revision that they lead to, and a channel that is closed when there are more.
// ok is false when some of them are forgotten.
func (h *history) since(rev uint64) (events []event, now uint64, changed <-chan struct{}, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if rev < h.start {
		return nil, h.cur.rev, h.changed, false
	}
	return h.events[h.after(rev):len(h.events):len(h.events)], h.cur.rev, h.changed, true
}

// at returns the live objects as they were at a revision; ok is false when that is forgotten.
func (h *history) at(rev uint64) (objects *btree.BTree[*entry], ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if rev == h.cur.rev {
		return h.cur.objects, true
	}
	if rev < h.start || rev > h.cur.rev {
		return nil, false
	}
	if t := h.rebuilt[rev]; t != nil {
		return t, true
	}
	later := h.cur
	if i := sort.Search(len(h.checkpoints), func(i int) bool { return h.checkpoints[i].rev >= rev }); i < len(h.checkpoints) {
		later = h.checkpoints[i]
	}
	h.clones.Lock()
	t := later.objects.Clone()
	h.clones.Unlock()
	undone := h.events[h.after(rev):h.after(later.rev)]
	for _, ev := range slices.Backward(undone) {
		if ev.prev != nil {
			t.ReplaceOrInsert(ev.prev)
		} else {
			t.Delete(ev.cur)
		}
	}
	h.keep(rev, t)
	return t, true
}

func (h *history) keep(rev uint64, t *btree.BTree[*entry]) {
	if len(h.rebuilt) >= maxRebuilt {
		clear(h.rebuilt)
	}
	h.rebuilt[rev] = t
}
