package ovsdb

import (
	"fmt"
	"time"
)

// ticksPerTimeout is how finely the keeper counts.
const ticksPerTimeout = 8

// keep ends the session when the server leaves a call unanswered for too long, and probes a server that says nothing.
// It counts ticks instead of comparing times: a process that did not run does not blame its server, and the time in
// which the session itself is the slow one does not count. The first tick that a call sees does not count either: it may be
// one that was due before the call.
func (s *Session) keep() {
	tick := max(min(s.o.CallTimeout, s.o.ProbeInterval)/ticksPerTimeout, time.Millisecond)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var idle time.Duration
	var reads uint64
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		before := reads
		reads = s.reads.Load()
		heard := reads != before
		if s.busy.Load() || heard && s.partial.Load() {
			idle = 0
			continue
		}
		if idle += tick; heard {
			idle = 0
		}
		if err := s.count(tick); err != nil {
			s.end(lost(err))
			return
		}
		if idle >= s.o.ProbeInterval {
			idle = 0
			s.probe()
		}
	}
}

// count adds a tick to the calls that wait.
func (s *Session) count(tick time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.pending {
		if c.silent > c.limit {
			return fmt.Errorf("%w: no reply to %s within %v", ErrSilent, c.method, c.limit)
		}
		c.silent += tick
	}
	return nil
}

// probe sends an echo unless there is a call whose deadline watches the server already.
func (s *Session) probe() {
	s.mu.Lock()
	waiting := len(s.pending) > 0
	s.mu.Unlock()
	if waiting {
		return
	}
	// A session that ended meanwhile needs no probe.
	_, _ = s.call(&call{
		method: "echo",
		limit:  s.o.CallTimeout,
		decode: func([]byte) error { return nil },
		done:   make(chan error, 1),
	}, []byte("[]"))
}
