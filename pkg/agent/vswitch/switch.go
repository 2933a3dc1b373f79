package vswitch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

const (
	database   = "Open_vSwitch"
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
	// attempts is how often a change is planned when others change the same rows at the same time.
	attempts = 5
)

// ErrClosed is the error of changes after Close.
var ErrClosed = errors.New("the switch is closed")

// Switch is a node's Open vSwitch. All methods may be called at the same time.
type Switch struct {
	options  ovsdb.Options
	current  atomic.Pointer[Snapshot]
	requests chan *request
	cancel   context.CancelFunc
	stopped  chan struct{}
}

// request is a change on its way.
type request struct {
	ctx      context.Context
	changes  []Change
	counted  []int // operations that must have found their row
	attempts int
	done     chan error
}

// Open begins to watch the database at an address as "unix:/run/openvswitch/db.sock" and returns at once: Wait tells when its
// content is known. It connects again whenever the connection is lost, until Close, or until the context is done.
// The error is about the address.
func Open(ctx context.Context, address string) (*Switch, error) {
	addresses, err := ovsdb.ParseAddresses(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Switch{
		options:  ovsdb.Options{Addresses: addresses, Database: database},
		requests: make(chan *request),
		cancel:   cancel,
		stopped:  make(chan struct{}),
	}
	s.current.Store(&Snapshot{changed: make(chan struct{})})
	go s.run(ctx)
	return s, nil
}

// Close ends the session. Changes that are under way fail with ErrClosed; their outcome is unknown.
func (s *Switch) Close() {
	s.cancel()
	<-s.stopped
}

// Snapshot returns the newest content, without waiting.
func (s *Switch) Snapshot() Snapshot { return *s.current.Load() }

// Wait returns the first snapshot of a connected session that the condition holds for; the condition is asked once for each
// snapshot. The error is that of the context.
func (s *Switch) Wait(ctx context.Context, condition func(Snapshot) bool) (Snapshot, error) {
	for {
		now := s.Snapshot()
		if now.Connected && condition(now) {
			return now, nil
		}
		select {
		case <-now.Changed():
		case <-ctx.Done():
			return now, context.Cause(ctx)
		}
	}
}

// Apply makes the changes in one transaction, all of them or none, and returns when the database has them; Snapshot has them,
// too, by then. What is already as wanted is left alone. While there is no connection it waits for one, as long as the context
// allows; a change whose context ends on the way may still take place.
func (s *Switch) Apply(ctx context.Context, changes ...Change) error {
	r := &request{ctx: ctx, changes: changes, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.stopped:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("Open vSwitch database at %s: %w", s.options.Addresses[0], context.Cause(ctx))
	}
	select {
	case err := <-r.done:
		return err
	case <-s.stopped:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("Open vSwitch database at %s: %w", s.options.Addresses[0], context.Cause(ctx))
	}
}

// publish makes a snapshot the newest.
func (s *Switch) publish(next Snapshot) {
	next.changed = make(chan struct{})
	close(s.current.Swap(&next).changed)
}

// run is the goroutine of the switch: one session after the other.
func (s *Switch) run(ctx context.Context) {
	defer close(s.stopped)
	var unanswered []*request
	backoff := minBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := s.session(ctx, &unanswered)
		if now := s.Snapshot(); now.Connected {
			now.Connected = false
			s.publish(now)
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
		if backoff == minBackoff {
			klog.FromContext(ctx).Info("No session with the Open vSwitch database", "reason", err)
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// session connects, loads the content, and serves until the session ends. Requests without an answer by then are planned
// again in the next one: whether they took place is seen from the content.
func (s *Switch) session(ctx context.Context, unanswered *[]*request) error {
	session, err := ovsdb.Dial(ctx, s.options)
	if err != nil {
		return err
	}
	defer session.Close()
	initial, err := session.Monitor(ctx, tables, "")
	if err != nil {
		return err
	}
	rows := newReplica(session.Schema())
	first := rows.apply(Snapshot{}, &initial.Update)
	first.Connected = true
	s.publish(first)

	pending := map[uint64]*request{}
	defer func() {
		for _, r := range pending {
			*unanswered = append(*unanswered, r)
		}
	}()
	send := func(r *request) error {
		err := s.send(session, pending, r)
		if err != nil {
			*unanswered = append(*unanswered, r)
		}
		return err
	}
	for len(*unanswered) > 0 {
		r := (*unanswered)[0]
		*unanswered = (*unanswered)[1:]
		if err := send(r); err != nil {
			return err
		}
	}
	for {
		select {
		case event, ok := <-session.Events():
			if !ok {
				return session.Err()
			}
			if event.Update != nil {
				s.publish(rows.apply(s.Snapshot(), event.Update))
				continue
			}
			r := pending[event.Reply.ID]
			delete(pending, event.Reply.ID)
			if r == nil || r.settle(event.Reply) {
				continue
			}
			if err := send(r); err != nil {
				return err
			}
		case r := <-s.requests:
			if err := send(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send plans a request on the newest snapshot and sends its transaction. When there is nothing to do, or the request is
// wrong, that is its answer. The error is the session's; the request has no answer then.
func (s *Switch) send(session *ovsdb.Session, pending map[uint64]*request, r *request) error {
	if r.ctx.Err() != nil {
		r.done <- context.Cause(r.ctx)
		return nil
	}
	p := newPlan(s.Snapshot())
	for _, change := range r.changes {
		if err := change(p); err != nil {
			r.done <- err
			return nil
		}
	}
	p.finish()
	if err := p.txn.Err(); err != nil {
		r.done <- err
		return nil
	}
	if p.txn.Len() == 0 {
		r.done <- nil
		return nil
	}
	r.counted = p.counted
	r.attempts++
	id, err := session.Send(p.txn)
	if err != nil {
		return err
	}
	pending[id] = r
	return nil
}

// settle answers a request, unless it has to be planned again because it was planned on content that had changed meanwhile.
// The updates about that come before the reply.
func (r *request) settle(reply *ovsdb.Reply) bool {
	if reply.Err != nil {
		r.done <- fmt.Errorf("the Open vSwitch database refuses the change: %w", reply.Err)
		return true
	}
	_, failure := reply.Failure()
	if failure == nil {
		for _, op := range r.counted {
			if reply.Results[op].Count == 0 && r.attempts < attempts {
				return false // the row is gone
			}
		}
		r.done <- nil
		return true
	}
	raced := failure.Error == "constraint violation" || failure.Error == "referential integrity violation"
	if raced && r.attempts < attempts {
		return false
	}
	r.done <- fmt.Errorf("the Open vSwitch database refuses the change: %w", failure.Err())
	return true
}
