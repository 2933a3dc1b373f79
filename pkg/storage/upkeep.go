package storage

import (
	"context"
	"slices"
	"time"

	"k8s.io/klog/v2"
)

// Upkeep is what the engine does without being asked: status that may lag, drift, expiry, compaction, the audit of all rows.

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
	for p, m := range b.rows.parents {
		if r.attachments.columns[p.Table] == p.Column && len(m.add) > 0 {
			tables[p.Table] += len(m.add)
		}
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

// removeOrphans has realized rows deleted whose owner has no document, before anything else is planned: what they hold, addresses
// above all, would be given out again.
func (r *replica) removeOrphans(ctx context.Context) {
	var first []*request
	for owners := range slices.Chunk(r.state().orphans(), auditChunk) {
		q := newRequest(ctx, refreshes(owners)...)
		q.audit = true
		first = append(first, q)
	}
	r.requeued = append(first, r.requeued...)
}

// startAudit compares all realized rows with what their owners want, a few at a time and behind all other requests. It is for
// a database that was loaded: in a session that goes on where the last one ended, the monitor has told of all changes.
func (r *replica) startAudit() {
	r.auditQueue = r.auditQueue[:0]
	r.state().objects.Ascend(func(e *entry) bool {
		if e.res.rows != nil {
			r.auditQueue = append(r.auditQueue, e.key)
		}
		return true
	})
	r.e.unaudited.Store(int64(len(r.auditQueue)))
}

// auditMore queues the next part of an audit when nothing else is to do: then the part before it is done.
func (r *replica) auditMore(ctx context.Context) {
	if len(r.requeued) > 0 || r.inflight != nil || r.next != nil {
		return
	}
	r.e.unaudited.Store(int64(len(r.auditQueue)))
	if len(r.auditQueue) == 0 {
		return
	}
	n := min(auditChunk, len(r.auditQueue))
	r.internal(ctx, true, refreshes(r.auditQueue[:n]))
	r.auditQueue = r.auditQueue[n:]
}
