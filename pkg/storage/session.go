package storage

import (
	"context"
	"fmt"
	"net/http"
	goruntime "runtime"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
)

// run is the engine's goroutine: one session after the other.
func (e *Engine) run(ctx context.Context) {
	defer close(e.stopped)
	backoff := minBackoff
	for ctx.Err() == nil {
		err := e.session(ctx)
		if e.r.serving {
			backoff = minBackoff
		}
		e.setConnected(false)
		e.r.disconnected(ctx)
		if ctx.Err() != nil {
			break
		}
		klog.FromContext(ctx).Info("No session with the Northbound database", "reason", err)
		if !e.pause(ctx, backoff) {
			break
		}
		backoff = min(2*backoff, maxBackoff)
	}
	e.queueMu.Lock()
	e.closed = true
	e.queueMu.Unlock()
	e.r.giveUp()
	e.refuse(unavailable())
}

// pause waits before the next attempt, and answers what has waited too long.
func (e *Engine) pause(ctx context.Context, d time.Duration) bool {
	if e.away() {
		e.r.giveUp()
		e.refuse(unavailable())
	}
	timer := e.opts.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// session connects, loads the replica, and serves until the session ends.
func (e *Engine) session(ctx context.Context) error {
	s, err := ovsdb.Dial(ctx, e.opts.NB)
	if err != nil {
		return err
	}
	defer s.Close()
	r := e.r
	r.session = s
	r.monitorTables(s.Schema())
	initial, err := s.Monitor(ctx, r.monitored(), r.lastTxn)
	if err != nil {
		return err
	}
	e.reached()
	if err := r.load(ctx, initial); err != nil {
		return err
	}
	r.settleUnknown()
	second := e.opts.Clock.NewTicker(time.Second)
	defer second.Stop()
	for {
		if err := r.advance(ctx); err != nil {
			return err
		}
		if err := r.settleEchoes(); err != nil {
			return err
		}
		select {
		case ev, ok := <-s.Events():
			if !ok {
				return fmt.Errorf("the session ended: %w", s.Err())
			}
			if err := r.handle(ctx, ev); err != nil {
				return err
			}
		case <-e.wake:
		case <-second.C():
			r.tick(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// advance sends what can be sent: the token row if there is none, an echo for waiting readers, the next batch.
func (r *replica) advance(ctx context.Context) error {
	if r.state().token == "" {
		return r.bootstrap()
	}
	if !r.serving {
		r.serving = true
		r.e.setConnected(true)
		r.e.hist.publish(r.state(), nil) // wakes who waits for readiness
	}
	r.take()
	if len(r.readers) > 0 && r.echo == 0 {
		id, err := r.session.Echo()
		if err != nil {
			return err
		}
		r.echo, r.echoReaders, r.readers = id, r.readers, nil
	}
	r.gather()
	r.regroup()
	for r.inflight == nil && r.next != nil {
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.gather()
	}
	r.seal(ctx)
	switch {
	case r.inflight != nil:
	case len(r.unknown) > 0:
		return r.fence(ctx)
	case r.e.unaudited.Load() > 0:
		r.auditMore(ctx)
		r.e.wakeUp()
	}
	return nil
}

// take moves what callers have queued into the replica's hands.
func (r *replica) take() {
	reqs, readers := r.e.take()
	r.requeued = append(r.requeued, reqs...)
	r.readers = append(r.readers, readers...)
}

const (
	// regroupMisses is how often in a row nobody comes before the next batch leaves.
	regroupMisses = 2
	// manyWriters are enough for two groups: what a transaction costs whatever its size, the sync above all, is then less than what
	// is saved where one group's requests are planned while the other's are executed.
	manyWriters = 32
)

// regroup lets the callers of the batch that was settled last run before the next one leaves. Otherwise writers that write one
// after the other split into two groups, one waiting while the other's batch is in flight, and every batch is half as large.
// Of many writers one half suffices.
func (r *replica) regroup() {
	if r.inflight != nil || r.next == nil {
		return
	}
	enough := r.expected
	if enough >= manyWriters {
		enough /= 2
	}
	for misses := 0; misses < regroupMisses && len(r.next.reqs) < min(enough, maxBatch); misses++ {
		before := len(r.next.reqs)
		goruntime.Gosched()
		r.take()
		r.gather()
		if r.next == nil {
			return
		}
		if len(r.next.reqs) > before {
			misses = -1
		}
	}
	r.expected = 0
}

// bootstrap makes the token row of a fresh database. Of several processes one succeeds; all see the row.
func (r *replica) bootstrap() error {
	if r.bootstrapping != 0 {
		return nil
	}
	t := ovsdb.NewTxn(r.database())
	first := token{rev: r.state().rev + 1, nonce: r.e.nonce} // above all documents, should somebody have deleted the row
	t.Insert(carrierTable, tokenRow, ovsdb.Row{columnName: ovsdb.String(tokenName),
		columnIDs: ovsdb.Map(map[string]string{keyToken: first.String()})})
	r.durable(t)
	id, err := r.session.Send(t)
	r.bootstrapping = id
	return err
}

func (r *replica) database() string {
	if r.e.opts.NB.Database != "" {
		return r.e.opts.NB.Database
	}
	return "OVN_Northbound"
}

// durable makes a transaction's success mean that it is on disk. A clustered database's always does.
func (r *replica) durable(t *ovsdb.Txn) {
	if !r.session.Clustered() {
		t.CommitDurable()
	}
}

// handle takes one event of the session.
func (r *replica) handle(ctx context.Context, ev ovsdb.Event) error {
	if ev.Update != nil {
		began := time.Now()
		err := r.notice(ctx, ev.Update)
		r.e.opts.Metrics.Lag(time.Since(began))
		return err
	}
	switch id := ev.Reply.ID; {
	case id == r.echo && id != 0:
		for _, done := range r.echoReaders {
			done <- nil
		}
		r.echo, r.echoReaders = 0, nil
		return nil
	case id == r.bootstrapping && id != 0:
		r.bootstrapping = 0
		if r.state().token == "" {
			_, err := ev.Reply.Failure()
			return fmt.Errorf("the revision row could not be created: %v, %v", ev.Reply.Err, err)
		}
		return nil
	case r.inflight != nil && id == r.inflight.id:
		return r.replied(ctx, ev.Reply)
	}
	return nil
}

// replied settles the batch in flight.
func (r *replica) replied(ctx context.Context, reply *ovsdb.Reply) error {
	b := r.inflight
	if reply.Err != nil {
		return fmt.Errorf("transaction refused: %w", reply.Err) // the outcome is resolved with the next session
	}
	op, failure := reply.Failure()
	if failure == nil {
		return r.confirmed(ctx, b, b.unwritten(reply))
	}
	r.inflight = nil
	switch {
	case op == 0:
		// Another transaction came first. What it changed has arrived before this reply.
		r.e.opts.Metrics.Replanned(len(b.reqs))
		r.settleUnknown()
		r.again(b.reqs)
	case len(b.reqs) == 1 && r.learns(b, op, failure):
		b.reqs[0].solo = true
		r.again(b.reqs)
	case len(b.reqs) == 1:
		b.reqs[0].finish(refused(failure))
		r.replan()
	default:
		r.apart(b.reqs)
	}
	return nil
}

// What the database says of a row that is deleted while another one refers to it strongly, and of one that is there.
const (
	heldElsewhere = "referential integrity violation"
	duplicateRow  = "duplicate uuid"
)

// learns reports whether the failure of an operation tells something about rows with which the batch's only request may succeed:
// somebody has put them elsewhere, or taken their tags away. It is true once for each row and reason.
func (r *replica) learns(b *batch, op int, failure *ovsdb.OpError) bool {
	switch n := op - b.firstRow; {
	case failure.Error == heldElsewhere && !b.reqs[0].sweep:
		b.reqs[0].sweep = true
		return true
	case failure.Error == duplicateRow && n >= 0 && n < len(b.rows.inserts):
		row := b.rows.inserts[n].uuid
		if r.rows[row] != nil || r.untagged[row] {
			return false
		}
		r.untagged[row] = true
		return true
	}
	return false
}

// refused is the answer to a write that the database itself does not accept.
func refused(failure *ovsdb.OpError) error {
	err := fmt.Errorf("the Northbound database refuses the write: %w", failure.Err())
	if failure.Error == "constraint violation" {
		// What is not ours in the database is in the way: a name that must be unique.
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusConflict,
			Reason: metav1.StatusReasonConflict, Message: err.Error()}}
	}
	return apierrors.NewInternalError(err)
}

// fence sends an empty batch: once it is committed, a transaction of an earlier session that nobody has heard of can never
// take place, since the token it waits for is gone.
func (r *replica) fence(ctx context.Context) error {
	r.next = r.begin()
	r.next.force = true
	return r.flush(ctx)
}
