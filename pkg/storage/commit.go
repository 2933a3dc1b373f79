package storage

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// begin starts a batch on the newest state, that of the batch in flight if there is one.
func (r *replica) begin() *batch {
	base := r.state()
	if r.inflight != nil {
		base = r.inflight.work
	}
	return newBatch(base, r.clone(base), r.e.opts.Group, r.columns)
}

// gather plans waiting requests until the batch is full. Verdicts are given when the batch is committed: they may rest on
// requests before them.
func (r *replica) gather() {
	for len(r.requeued) > 0 {
		q := r.requeued[0]
		if r.next == nil {
			r.next = r.begin()
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
	b.sent = r.e.opts.Clock.Now()
	b.id, err = r.session.Send(t)
	if errors.Is(err, ovsdb.ErrText) {
		return r.failed(b, err) // nothing was sent
	}
	r.inflight = b
	return err
}

// failed handles a batch that could not be made into a transaction: alone, its requests show which is guilty.
func (r *replica) failed(b *batch, err error) error {
	switch len(b.reqs) {
	case 0:
		return err
	case 1:
		b.reqs[0].finish(asStatus(err))
	default:
		for _, q := range b.reqs {
			q.solo = true
		}
		r.again(b.reqs)
	}
	return nil
}

func asStatus(err error) error {
	if apierrors.ReasonForError(err) != "" {
		return err
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
	for _, q := range reqs {
		q.err = nil
	}
	r.replan()
	r.requeued = append(slices.Clone(reqs), r.requeued...)
}

// replan discards the plan of the next batch: what it rests on does not hold.
func (r *replica) replan() {
	if r.next == nil {
		return
	}
	reqs := r.next.reqs
	r.next = nil
	for _, q := range reqs {
		q.err = nil
	}
	r.requeued = append(slices.Clone(reqs), r.requeued...)
}

// transaction encodes a batch.
func (r *replica) transaction(ctx context.Context, b *batch) (*ovsdb.Txn, error) {
	r.batchSeq++
	b.seq = r.batchSeq
	b.token = token{rev: b.work.rev, nonce: r.e.nonce, batch: r.batchSeq}
	if r.e.opts.bareToken {
		b.token.batch = 0
	}
	t := ovsdb.NewTxn(r.database())
	t.Wait(carrierTable, tokenRow, columnIDs, keyToken, b.base.token)
	for _, c := range b.changes() {
		raw, err := r.encode(ctx, c.after)
		if err != nil {
			return nil, err
		}
		row := carrierRow(c.after, raw)
		if c.before == nil {
			t.Insert(carrierTable, c.after.uuid, row)
		} else {
			t.Update(carrierTable, c.after.uuid, row)
		}
	}
	b.rows.write(t, r.columns)
	for _, e := range b.dropped {
		t.Delete(carrierTable, e.uuid)
	}
	r.writeToken(t, b)
	r.durable(t)
	b.work.token = b.token.String()
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

// encode returns the stored form of an entry and completes the entry: nobody else has seen it yet.
func (r *replica) encode(ctx context.Context, e *entry) ([]byte, error) {
	if e.obj == nil {
		return e.raw, nil
	}
	e.obj.SetResourceVersion("")
	var buf bytes.Buffer
	if err := r.e.opts.Codec.Encode(e.obj, &buf); err != nil {
		return nil, fmt.Errorf("document %s: %w", e.key, err)
	}
	e.obj.SetResourceVersion(strconv.FormatUint(e.rev, 10))
	raw := buf.Bytes()
	e.size = len(raw)
	if t := r.e.opts.Transformer; t != nil {
		data, err := t.TransformToStorage(ctx, raw, value.DefaultContext(e.key))
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", e.key, err)
		}
		e.size = len(data)
		raw = encodeText(data)
		e.raw = raw
	}
	if err := ovsdb.CheckText(string(raw)); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s cannot be stored: %v", e.key, err))
	}
	return raw, nil
}

// A transformer's output is any bytes, a column's text is not.
func encodeText(data []byte) []byte { return base64.StdEncoding.AppendEncode(nil, data) }

func decodeText(raw []byte) ([]byte, error) { return base64.StdEncoding.AppendDecode(nil, raw) }

// committed publishes a batch and gives its requests their verdicts.
func (r *replica) committed(b *batch) {
	r.e.opts.Metrics.Committed(len(b.reqs), r.e.opts.Clock.Since(b.sent))
	var events []event
	for _, c := range b.changes() {
		if c.before == nil && c.after.deleted {
			continue
		}
		events = append(events, event{rev: c.after.rev, prev: c.before, cur: c.after})
	}
	if !b.applied {
		r.adopt(b)
		r.e.hist.publish(b.work, events)
	}
	for key := range b.lazy {
		r.lazy[key] = true
	}
	settle(b)
	r.dismissUnknown()
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
		for key := range b.lazy {
			r.lazy[key] = true
		}
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

// onlyAudit reports whether a batch only looks for drift.
func (b *batch) onlyAudit() bool {
	return len(b.reqs) > 0 && !slices.ContainsFunc(b.reqs, func(q *request) bool { return !q.audit })
}

// countDrift counts the differences that an audit has found.
func (r *replica) countDrift(ctx context.Context, b *batch) {
	tables := map[string]int{}
	for _, x := range b.rows.inserts {
		tables[x.table]++
	}
	for _, x := range b.rows.updates {
		tables[x.row.table]++
	}
	for _, x := range b.rows.deletes {
		tables[x.table]++
	}
	for _, table := range sortedKeys(tables) {
		r.e.opts.Metrics.Drifted(table, tables[table])
		klog.FromContext(ctx).Info("Rows were not as their owners want them", "table", table, "rows", tables[table], "drift", r.e.opts.Drift)
	}
}

const (
	auditChunk   = 256
	refreshLimit = 1024
)

// tick is called every second: derived status that may lag, drift, expiry, compaction.
func (r *replica) tick(ctx context.Context) {
	now := r.e.opts.Clock.Now()
	if keys := sortedKeys(r.lazy); len(keys) > 0 {
		keys = keys[:min(len(keys), refreshLimit)]
		for _, k := range keys {
			delete(r.lazy, k)
		}
		r.internal(ctx, false, refreshes(keys))
	}
	if keys := sortedKeys(r.drifted); len(keys) > 0 {
		clear(r.drifted)
		r.internal(ctx, true, refreshes(keys))
	}
	for key, at := range r.ttl {
		if e := r.state().get(key); e != nil && now.Unix() >= at {
			r.internal(ctx, false, []*write{{verb: remove, res: e.res, key: key, expect: e.rev}})
		}
	}
	r.compactHistory(ctx, now)
}

// compactHistory drops tombstones that are older than the history window.
func (r *replica) compactHistory(ctx context.Context, now time.Time) {
	s := r.state()
	if n := len(r.horizons); n == 0 || now.Unix()-r.horizons[n-1].unix >= 10 {
		r.horizons = append(r.horizons, horizon{rev: s.rev, unix: now.Unix()})
	}
	limit := now.Add(-r.e.opts.HistoryWindow).Unix()
	var target uint64
	for len(r.horizons) > 1 && r.horizons[0].unix < limit {
		target = r.horizons[0].rev
		r.horizons = r.horizons[1:]
	}
	if oldest, ok := s.tombs.Min(); ok && target >= oldest.rev && target > s.compacted {
		r.internal(ctx, false, []*write{{verb: compact, expect: target}})
	}
}

func refreshes(keys []string) []*write {
	out := make([]*write, len(keys))
	for i, k := range keys {
		out[i] = &write{verb: refresh, key: k}
	}
	return out
}

// internal queues a request of the engine itself.
func (r *replica) internal(ctx context.Context, audit bool, writes []*write) *request {
	q := newRequest(ctx, writes...)
	q.audit = audit
	r.requeued = append(r.requeued, q)
	return q
}

// startAudit compares all realized rows with what their owners want, a few at a time and behind all other requests.
func (r *replica) startAudit() {
	r.auditQueue = r.auditQueue[:0]
	r.state().objects.Ascend(func(e *entry) bool {
		if e.res.rows != nil {
			r.auditQueue = append(r.auditQueue, e.key)
		}
		return true
	})
}

// auditMore queues the next part of an audit when nothing else is to do.
func (r *replica) auditMore(ctx context.Context) {
	if len(r.auditQueue) == 0 || len(r.requeued) > 0 || r.inflight != nil || r.next != nil {
		return
	}
	n := min(auditChunk, len(r.auditQueue))
	r.internal(ctx, true, refreshes(r.auditQueue[:n]))
	r.auditQueue = r.auditQueue[n:]
}
