package ovsdb

import (
	"errors"
	"fmt"
	"strconv"
)

// Names of the session's two monitors.
const (
	dataMonitor = "data"
	roleMonitor = "role"
)

// read is the reader: it alone reads, and sends events.
func (s *Session) read() {
	defer close(s.events)
	f := framer{r: s.conn, progress: func(partial bool) {
		s.partial.Store(partial)
		s.reads.Add(1)
		s.busy.Store(false)
	}}
	for {
		b, err := f.message()
		if err != nil {
			s.end(lost(err))
			return
		}
		s.busy.Store(true)
		m, err := parseMessage(b)
		if err == nil {
			err = s.handle(m)
		}
		if err != nil {
			s.end(lost(err))
			return
		}
	}
}

func (s *Session) handle(m message) error {
	if isNull(m.method) {
		return s.handleReply(m)
	}
	switch string(m.method) {
	case `"update3"`:
		d := decoder{scanner: scanner{b: m.params}, names: s.names}
		monitor, update := d.update(s.o.Undecoded)
		if d.err != nil {
			return d.err
		}
		if monitor == roleMonitor {
			return s.takeRole(update.Tables[roleTable])
		}
		return s.deliver(Event{Update: &update})
	case `"echo"`:
		s.answer(m)
	case `"monitor_canceled"`:
		return errors.New("the server ended the monitor, as it does when the schema changes")
	}
	return nil // other notifications are about what a session never asks for
}

// answer returns the server's echo request.
func (s *Session) answer(m message) {
	b := make([]byte, 0, len(m.id)+len(m.params)+40)
	b = append(b, `{"id":`...)
	b = append(b, m.id...)
	b = append(b, `,"result":`...)
	b = append(b, m.params...)
	b = append(b, `,"error":null}`...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, b)
	s.wakeWriter()
}

func (s *Session) handleReply(m message) error {
	id, err := strconv.ParseUint(string(m.id), 10, 64)
	s.mu.Lock()
	c := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if err != nil || c == nil {
		return fmt.Errorf("the server answered a call %.40q that was not made", m.id)
	}
	if c.decode != nil {
		if isNull(m.err) {
			err = c.decode(m.result)
		} else {
			err = fmt.Errorf("%s: %w", c.method, refusal(m.err))
		}
		c.done <- err
		return nil
	}
	reply := &Reply{ID: id}
	switch {
	case !isNull(m.err):
		reply.Err = refusal(m.err)
	case c.method == "transact":
		d := decoder{scanner: scanner{b: m.result}, names: s.names}
		if reply.Results = d.results(); d.err != nil {
			return d.err
		}
	}
	return s.deliver(Event{Reply: reply})
}

// deliver waits until the session's user has room for the event, or the session ends.
func (s *Session) deliver(e Event) error {
	select {
	case s.events <- e:
		return nil
	default:
	}
	select {
	case s.events <- e:
		return nil
	case <-s.done:
		return s.reason()
	}
}
