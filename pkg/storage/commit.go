package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// begin starts a batch on the newest state, that of the batch in flight if there is one.
func (r *replica) begin() *batch {
	base := r.state()
	if r.inflight != nil && !r.inflight.applied {
		base = r.inflight.work
	}
	return newBatch(r.e, base, r.clone(base))
}

// gather plans waiting requests until the batch is full. Verdicts are given when the batch is committed: they may rest on
// requests before them.
func (r *replica) gather() {
	for len(r.requeued) > 0 && (r.next == nil || r.next.sealed == nil) {
		q := r.requeued[0]
		if r.next == nil {
			r.next = r.begin()
			if q.audit {
				r.next.detached = r.detached
			}
			r.next.sweep = q.sweep // such a request is planned alone
		}
		if n := len(r.next.reqs); n >= maxBatch || n > 0 && !together(r.next.reqs[0], q) {
			return
		}
		r.requeued = r.requeued[1:]
		if q.ctx.Err() != nil {
			q.finish(q.ctx.Err())
			continue
		}
		q.err = r.next.add(q)
		q.refused = q.err != nil
		r.next.reqs = append(r.next.reqs, q)
	}
	if r.next != nil && len(r.next.reqs) == 0 && !r.next.force {
		r.next = nil
	}
}

// together reports whether two requests may share a transaction.
func together(first, q *request) bool { return !first.solo && !q.solo && first.audit == q.audit }

// flush derives what follows from the batch and sends it.
func (r *replica) flush(ctx context.Context) error {
	b := r.next
	r.next = nil
	if err := b.derive(); err != nil {
		return r.failed(b, err)
	}
	if b.reqs != nil && b.onlyAudit() && !b.force {
		r.countDrift(ctx, b)
		r.attachAgain(b)
		if r.e.opts.Drift == DriftReport {
			settle(b)
			return nil
		}
	}
	if !b.force && len(b.docs) == 0 && b.rows.empty() && b.compactTo == 0 {
		r.keepPlaced(b)
		settle(b)
		return nil
	}
	t, err := r.transaction(ctx, b)
	if err != nil {
		return r.failed(b, err)
	}
	return r.send(b, t)
}

func (r *replica) send(b *batch, t *ovsdb.Txn) (err error) {
	b.sent = r.e.opts.Clock.Now()
	b.id, err = r.session.Send(t)
	if errors.Is(err, ovsdb.ErrText) {
		return r.failed(b, err) // nothing was sent
	}
	r.inflight = b
	return err
}

// seal makes the next batch a transaction while another is in flight, if it is as large as that one: what the server executes and
// what is planned then take turns without waiting for each other. A small one waits for more requests until the server is free.
func (r *replica) seal(ctx context.Context) {
	b := r.next
	if r.inflight == nil || b == nil || b.sealed != nil || len(b.docs) == 0 || b.reqs[0].audit ||
		len(b.reqs) < max(manyWriters/2, len(r.inflight.reqs)) {
		return
	}
	err := b.derive()
	if err == nil {
		b.sealed, err = r.transaction(ctx, b)
	}
	if err != nil {
		r.next = nil
		r.apart(b.reqs)
	}
}

// sendSealed sends the next batch if it is sealed.
func (r *replica) sendSealed() error {
	b := r.next
	if b == nil || b.sealed == nil {
		return nil
	}
	r.next = nil
	return r.send(b, b.sealed)
}

// failed handles a batch that could not be made into a transaction: alone, its requests show which is guilty.
func (r *replica) failed(b *batch, err error) error {
	switch len(b.reqs) {
	case 0:
		return err
	case 1:
		b.reqs[0].finish(asStatus(err))
	default:
		r.apart(b.reqs)
	}
	return nil
}

// apart plans requests anew, each in a transaction of its own, so that only the guilty one fails.
func (r *replica) apart(reqs []*request) {
	for _, q := range reqs {
		q.solo = true
	}
	r.again(reqs)
}

func asStatus(err error) error {
	switch {
	case apierrors.ReasonForError(err) != "":
		return err
	case errors.Is(err, ovsdb.ErrText):
		return apierrors.NewBadRequest(err.Error())
	}
	return apierrors.NewInternalError(err)
}

// settle gives the requests their verdicts.
func settle(b *batch) {
	for _, q := range b.reqs {
		q.finish(q.err)
	}
}

// again plans requests anew, before all others, and with them whatever was planned upon them.
func (r *replica) again(reqs []*request) {
	r.replan()
	r.requeue(reqs)
}

// replan discards the plan of the next batch: what it rests on does not hold.
func (r *replica) replan() {
	if r.next == nil {
		return
	}
	reqs := r.next.reqs
	r.next = nil
	r.requeue(reqs)
}

// requeue puts requests before all others; a verdict that they had does not hold.
func (r *replica) requeue(reqs []*request) {
	for _, q := range reqs {
		q.err = nil
	}
	r.requeued = append(slices.Clone(reqs), r.requeued...)
}

// maxRoom is the most room, in bytes, that is made for a transaction before it is known how large it will be.
const maxRoom = 512 << 10

// transaction encodes a batch.
func (r *replica) transaction(ctx context.Context, b *batch) (*ovsdb.Txn, error) {
	r.batchSeq++
	b.seq = r.batchSeq
	b.token = token{rev: b.work.rev, nonce: r.e.nonce, batch: r.batchSeq}
	if r.e.opts.bareToken {
		b.token.batch = 0
	}
	t := ovsdb.NewTxn(r.database())
	t.Grow(min(len(b.docs)*r.docShare, maxRoom))
	t.Wait(carrierTable, tokenRow, columnIDs, keyToken, b.base.token)
	for _, c := range b.changes() {
		raw, err := r.encode(ctx, c.after)
		if err != nil {
			return nil, err
		}
		row := carrierRow(c.after, raw)
		if c.before == nil || r.gone[c.after.uuid] {
			t.Insert(carrierTable, c.after.uuid, row)
		} else {
			if !c.after.deleted {
				b.updated = append(b.updated, updatedDoc{op: t.Len(), entry: c.after})
			}
			t.Update(carrierTable, c.after.uuid, row)
		}
	}
	b.firstRow = t.Len()
	b.rows.write(t, r.columns, r.schema, r.untagged)
	for _, e := range b.dropped {
		t.Delete(carrierTable, e.uuid)
	}
	r.writeToken(t, b)
	r.durable(t)
	b.work.token = b.token.String()
	r.docShare = t.Size() / max(len(b.docs), 1)
	return t, nil
}

func (r *replica) writeToken(t *ovsdb.Txn, b *batch) {
	mine := keyWriter + r.e.nonce
	gone := []string{keyToken, mine}
	set := map[string]string{keyToken: b.token.String(), mine: fmt.Sprintf("%d.%d", r.batchSeq, b.token.rev)}
	if b.compactTo != 0 {
		gone = append(gone, keyCompacted)
		set[keyCompacted] = strconv.FormatUint(b.compactTo, 10)
		for nonce, last := range r.writers {
			_, rev, _ := strings.Cut(last, ".")
			if n, err := strconv.ParseUint(rev, 10, 64); nonce != r.e.nonce && (err != nil || n < b.compactTo) {
				gone = append(gone, keyWriter+nonce) // its process is silent since the horizon
			}
		}
	}
	t.Mutate(carrierTable, tokenRow, columnIDs, "delete", ovsdb.Strings(gone...))
	t.Mutate(carrierTable, tokenRow, columnIDs, "insert", ovsdb.Map(set))
}

// confirmed ends the flight of a batch that is committed.
func (r *replica) confirmed(ctx context.Context, b *batch, unwritten []*entry) error {
	r.inflight = nil
	err := r.sendSealed() // first, so that the server has something to do
	r.committed(ctx, b, unwritten)
	return err
}

// committed publishes a batch and gives its requests their verdicts.
func (r *replica) committed(ctx context.Context, b *batch, unwritten []*entry) {
	r.e.opts.Metrics.Committed(len(b.reqs), r.e.opts.Clock.Since(b.sent))
	for _, q := range b.reqs {
		q.confirmed = true
	}
	r.publish(b)
	maps.Copy(r.lazy, b.lazy)
	if len(unwritten) > 0 {
		r.restore(ctx, b, unwritten)
	} else {
		settle(b)
	}
	r.expected = len(b.reqs)
	if r.next != nil {
		r.expected += len(r.next.reqs)
	}
	r.dismissUnknown()
}

// publish makes the outcome of a committed batch the current state, unless notifications have brought it.
func (r *replica) publish(b *batch) {
	if b.applied {
		return
	}
	b.applied = true
	var events []event
	for _, c := range b.changes() {
		if c.before == nil && c.after.deleted {
			continue
		}
		events = append(events, event{rev: c.after.rev, prev: c.before, cur: c.after})
	}
	r.adopt(b)
	r.e.hist.publish(b.work, events)
}

// updatedDoc is a document that a transaction writes into a row that should be there; of a tombstone nobody misses the row.
type updatedDoc struct {
	op    int
	entry *entry
}

// unwritten are the documents that a committed transaction did not find a row for: somebody deleted it just before.
func (b *batch) unwritten(reply *ovsdb.Reply) (entries []*entry) {
	for _, u := range b.updated {
		if u.op < len(reply.Results) && reply.Results[u.op].Count == 0 {
			entries = append(entries, u.entry)
		}
	}
	return entries
}

// restore inserts documents again, and gives the requests that wrote them their verdicts when that is done.
func (r *replica) restore(ctx context.Context, b *batch, unwritten []*entry) {
	writes := make([]*write, len(unwritten))
	for i, e := range unwritten {
		r.gone[e.uuid] = true
		writes[i] = &write{verb: rewrite, key: e.key}
	}
	q := r.internal(ctx, false, writes)
	go func() {
		<-q.done
		for _, waiting := range b.reqs {
			waiting.finish(cmp.Or(waiting.err, q.err))
		}
	}()
}

// dismissUnknown plans again what was sent in earlier sessions: the tokens that it waits for are gone, so that it did not and
// will not take place.
func (r *replica) dismissUnknown() {
	unknown := r.unknown
	r.unknown = nil
	for _, b := range slices.Backward(unknown) {
		r.again(b.reqs)
	}
}

// adopt takes the outcome of our own transaction from its plan instead of from the notification.
func (r *replica) adopt(b *batch) {
	for uuid, c := range b.docs {
		r.docs[uuid] = c.after
		delete(r.gone, uuid)
		r.expire(c.after)
		r.countCorrupt(c.before, c.after)
	}
	for _, e := range b.dropped {
		delete(r.docs, e.uuid)
	}
	for uuid, row := range b.rows.rows {
		if row == nil {
			delete(r.rows, uuid)
		} else {
			r.rows[uuid] = row
			delete(r.untagged, uuid)
		}
	}
}

// keepPlaced remembers what a batch that changes nothing has found out about the parents of rows.
func (r *replica) keepPlaced(b *batch) {
	if len(b.rows.rows) == 0 || r.inflight != nil || b.base != r.state() {
		return
	}
	r.adopt(b)
	r.e.hist.publish(b.work, nil)
}

// settleUnknown finishes the batch of an earlier session that, as the token row shows, took place. Any others did not: only one
// of the transactions that waited for one token can find it.
func (r *replica) settleUnknown() {
	for i, b := range r.unknown {
		if !r.tookPlace(b) {
			continue
		}
		r.unknown = slices.Delete(r.unknown, i, i+1)
		maps.Copy(r.lazy, b.lazy)
		settle(b)
		r.dismissUnknown()
		return
	}
}

// tookPlace reports whether a batch is the last that this process committed.
func (r *replica) tookPlace(b *batch) bool {
	seq, _, _ := strings.Cut(r.writers[r.e.nonce], ".")
	return seq == strconv.FormatUint(b.seq, 10)
}
