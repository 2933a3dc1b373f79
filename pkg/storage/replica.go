package storage

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// replica is the part of the engine that follows the database and plans on it. It belongs to the engine's goroutine.
type replica struct {
	e       *Engine
	session *ovsdb.Session
	schema  ovsdb.Schema
	columns map[string][]string // of rows and documents, by table; what the database has
	lastTxn string
	serving bool // the replica is loaded and the token row exists

	docs map[ovsdb.UUID]*entry    // carrier rows, tombstones included
	gone map[ovsdb.UUID]bool      // rows of documents that somebody deleted: the next write inserts them again
	rows map[ovsdb.UUID]*realized // rows with our tags
	// untagged are rows that, by their UUID, are ours, but somebody took their tags away. The database's refusal to insert them told.
	untagged map[ovsdb.UUID]bool
	writers  map[string]string // of the token row: last transaction by process
	attachments
	ttl map[string]int64 // expiry by key

	batchSeq uint64
	docShare int      // bytes of the last transaction for each of its documents, its rows included: room for the next one's
	next     *batch   // being planned
	inflight *batch   // sent
	unknown  []*batch // sent in earlier sessions, outcome not known
	requeued []*request
	expected int // writers that seem to be at work: those of the batch settled last, and those that waited meanwhile

	echoed []ownUpdate // notifications of our own transactions, not looked into yet

	readers     []chan error // waiting for an echo to be sent
	echoReaders []chan error // waiting for the reply of echo
	echo        uint64

	bootstrapping uint64
	lazy          map[string]bool // status to be derived again
	drifted       map[string]bool // owners of rows that somebody else changed
	auditQueue    []string
	horizons      []horizon
}

// horizon remembers when a revision was current, for compaction.
type horizon struct {
	rev  uint64
	unix int64
}

func newReplica(e *Engine) *replica {
	return &replica{e: e, docs: map[ovsdb.UUID]*entry{}, gone: map[ovsdb.UUID]bool{}, rows: map[ovsdb.UUID]*realized{},
		untagged: map[ovsdb.UUID]bool{}, ttl: map[string]int64{}, lazy: map[string]bool{}, drifted: map[string]bool{}, writers: map[string]string{}}
}

// state is the published state; an empty one before the first load.
func (r *replica) state() *state {
	s, _ := r.e.hist.current()
	if s == nil {
		s = newState()
		s.schema, s.columns = r.schema, r.columns
	}
	return s
}

// clone is state.clone under the lock that keeps others from cloning at the same time.
func (r *replica) clone(s *state) *state {
	r.e.clones.Lock()
	defer r.e.clones.Unlock()
	return s.clone()
}

// monitorTables leaves out what the database does not have.
func (r *replica) monitorTables(schema ovsdb.Schema) {
	r.schema = schema
	r.columns = map[string][]string{carrierTable: carrierColumns}
	for table, columns := range r.e.opts.Tables {
		for _, c := range columns {
			if schema.HasColumn(table, c) {
				r.columns[table] = append(r.columns[table], c)
			}
		}
	}
	r.attachments.columns = map[string]string{}
	for table, column := range r.e.opts.Attachments {
		if len(r.columns[table]) > 0 && schema.HasColumn(table, column) {
			r.attachments.columns[table] = column
		}
	}
}

// monitored are all columns that the monitor tells of.
func (r *replica) monitored() map[string][]string {
	all := maps.Clone(r.columns)
	for table, column := range r.attachments.columns {
		all[table] = append(slices.Clone(all[table]), column)
	}
	return all
}

// disconnected forgets what belongs to a session. What was planned is planned again; the outcome of what was sent is open.
func (r *replica) disconnected(ctx context.Context) {
	for _, done := range append(r.readers, r.echoReaders...) {
		done <- unavailable()
	}
	r.readers, r.echoReaders, r.echo, r.bootstrapping = nil, nil, 0, 0
	r.serving, r.session = false, nil
	r.replan()
	b := r.inflight
	r.inflight = nil
	switch {
	case b == nil:
	case b.seen:
		// Only the reply is lost. The next session may go on behind this transaction: nobody will tell of it again.
		r.committed(ctx, b, nil)
	default:
		r.unknown = append(r.unknown, b)
	}
	if r.settleEchoes() != nil {
		r.lastTxn = "" // not to be understood: load anew
	}
}

// giveUp answers everything that waits: the database is away for long, or the engine is closed. What was sent may take place
// all the same; the token keeps that harmless.
func (r *replica) giveUp() {
	for _, b := range append(r.unknown, r.inflight) {
		if b != nil {
			finishAll(b.reqs, unconfirmed())
		}
	}
	if r.next != nil {
		finishAll(r.next.reqs, unavailable())
	}
	finishAll(r.requeued, unavailable())
	r.unknown, r.inflight, r.next, r.requeued = nil, nil, nil, nil
}

func finishAll(reqs []*request, err error) {
	for _, q := range reqs {
		q.finish(err)
	}
}

// token takes the token row from its carrier rows, if it is among them.
func (r *replica) token(s *state, updates []ovsdb.RowUpdate) {
	for _, u := range updates {
		if u.UUID != tokenRow || u.Type == ovsdb.Delete {
			continue
		}
		if u.Type == ovsdb.Insert {
			clear(r.writers)
		}
		for k, v := range u.Row[columnIDs].AsMap() {
			switch nonce, isWriter := strings.CutPrefix(k, keyWriter); {
			case k == keyToken:
				if t, err := parseToken(v); err == nil {
					s.token, s.rev = v, t.rev
				}
			case k == keyCompacted:
				s.compacted, _ = strconv.ParseUint(v, 10, 64)
			case isWriter && r.writers[nonce] == v:
				delete(r.writers, nonce) // a difference with the same value is a removal
			case isWriter:
				r.writers[nonce] = v
			}
		}
	}
}

// notice takes a notification. That of our own transaction is set aside: its content is known from the plan, and who waits
// for the transaction should not wait for its decoding. The server sends it when the transaction is committed, just before the reply.
func (r *replica) notice(ctx context.Context, u *ovsdb.Update) error {
	if b := r.inflight; b != nil && !b.seen && u.Contains(b.token.String()) {
		b.seen = true
		r.lastTxn = u.TxnID
		r.echoed = append(r.echoed, ownUpdate{update: u, rows: &b.rows})
		if len(b.updated) > 0 {
			return nil // the reply tells whether all of them were there; an insertion succeeds or fails with the whole transaction
		}
		return r.confirmed(ctx, b, nil)
	}
	if err := r.settleEchoes(); err != nil {
		return err
	}
	if b := r.inflight; b != nil && b.seen {
		r.publish(b) // what others do between our transaction and its reply comes on top of it
	}
	return r.update(ctx, u)
}

// ownUpdate is the notification of our own transaction.
type ownUpdate struct {
	update *ovsdb.Update
	rows   *rowChanges // the plan
}

// settleEchoes looks into the notifications that were set aside: the server may have merged changes by others into them.
func (r *replica) settleEchoes() error {
	for i, own := range r.echoed {
		if err := own.update.Decode(carrierTable); err != nil {
			r.echoed = r.echoed[i+1:]
			return err
		}
		r.foreignRows(own.update, own.rows.rows)
	}
	clear(r.echoed)
	r.echoed = r.echoed[:0]
	return nil
}

// update applies a notification of what others did.
func (r *replica) update(ctx context.Context, u *ovsdb.Update) error {
	if err := u.Decode(); err != nil {
		return err
	}
	r.lastTxn = u.TxnID
	if len(u.Tables[carrierTable]) > 0 {
		return r.foreignDocuments(ctx, u)
	}
	r.foreignRows(u, nil)
	return nil
}

// foreignDocuments applies what another process wrote.
func (r *replica) foreignDocuments(ctx context.Context, u *ovsdb.Update) error {
	s := r.clone(r.state())
	s.epoch++
	old := s.rev
	r.token(s, u.Tables[carrierTable])
	forgotten := s.compacted > old // what happened up to then is told by no tombstone any more
	var changed []*entry
	for _, c := range u.Tables[carrierTable] {
		before := r.docs[c.UUID]
		if c.Type == ovsdb.Delete && c.UUID == tokenRow {
			r.lastTxn = ""
			return errors.New("the revision row was deleted: loading anew")
		}
		if c.Type == ovsdb.Delete && forgotten && before != nil && !before.deleted {
			r.lastTxn = ""
			return errors.New("a document went together with its tombstone: loading anew")
		}
		if c.Type == ovsdb.Delete {
			r.carrierGone(ctx, s, c.UUID, before)
			continue
		}
		if c.UUID == tokenRow {
			continue
		}
		switch e := r.decodeRow(ctx, c, before); {
		case e != nil && (before == nil || e.rev > before.rev):
			changed = append(changed, e)
		case before != nil:
			r.damaged(ctx, before)
		}
	}
	slices.SortFunc(changed, func(a, b *entry) int { return cmp.Compare(a.rev, b.rev) })
	var events []event
	for _, e := range changed {
		before := r.docs[e.uuid]
		if before == nil && e.deleted {
			s.tombs.ReplaceOrInsert(e) // came and went while we did not look
			r.docs[e.uuid] = e
			continue
		}
		events = append(events, event{rev: e.rev, prev: before, cur: e})
		r.apply(s, before, e)
	}
	owners := r.attach(u, nil)
	for table, updates := range u.Tables {
		if table == carrierTable {
			continue
		}
		owners = append(owners, r.applyRows(updates, table, target{state: s})...)
	}
	for _, owner := range owners {
		if e := s.get(owner); e == nil && s.owns(owner) || e != nil && e.rev <= old {
			r.drifted[owner] = true // no document explains the change
		}
	}
	if s.rev < old {
		r.e.hist.reset(s)
	} else {
		r.e.hist.publish(s, events)
	}
	if r.inflight != nil && r.tookPlace(r.inflight) {
		r.inflight.applied = true
	}
	r.settleUnknown()
	r.replan()
	return nil
}

// apply makes e the current version of its object in a state that is not yet published.
func (r *replica) apply(s *state, before, e *entry) {
	var oldKeys, newKeys []string
	if before != nil {
		oldKeys = before.indexKeys()
	}
	if e.deleted {
		if cur := s.get(e.key); cur != nil && cur.uuid == e.uuid {
			s.objects.Delete(cur)
		}
		s.tombs.ReplaceOrInsert(e)
	} else {
		s.objects.ReplaceOrInsert(e)
		newKeys = e.indexKeys()
	}
	replaceIndex(s, before, oldKeys, e, newKeys)
	r.docs[e.uuid] = e
	r.expire(e)
	r.countCorrupt(before, e)
}

func (r *replica) expire(e *entry) {
	if e.expires != 0 && !e.deleted {
		r.ttl[e.key] = e.expires
	} else if len(r.ttl) > 0 {
		delete(r.ttl, e.key)
	}
}

// carrierGone handles a carrier row that is deleted: the compaction of a tombstone, or vandalism.
func (r *replica) carrierGone(ctx context.Context, s *state, uuid ovsdb.UUID, before *entry) {
	if before == nil {
		return
	}
	if before.deleted {
		s.tombs.Delete(before)
		delete(r.docs, uuid)
		return
	}
	r.gone[uuid] = true
	r.damaged(ctx, before)
}

// damaged handles a document that was changed by hand: what we know of it is written again, now or with its next change.
func (r *replica) damaged(ctx context.Context, e *entry) {
	klog.FromContext(ctx).Error(nil, "A document was changed in the database by hand", "key", e.key, "row", e.uuid, "drift", r.e.opts.Drift)
	r.e.opts.Metrics.Drifted(carrierTable, 1)
	if r.e.opts.Drift == DriftRepair && !e.deleted && e.obj != nil {
		r.internal(ctx, false, []*write{{verb: rewrite, key: e.key}})
	}
}

// countCorrupt keeps count of the documents that cannot be decoded.
func (r *replica) countCorrupt(before, e *entry) {
	var delta int64
	if before != nil && before.err != nil && !before.deleted {
		delta--
	}
	if e != nil && e.err != nil && !e.deleted {
		delta++
	}
	if delta != 0 {
		r.e.opts.Metrics.Undecodable(int(r.e.corrupt.Add(delta)))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
