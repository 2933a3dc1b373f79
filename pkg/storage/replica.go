package storage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// replica is the part of the engine that follows the database and plans on it. It belongs to the engine's goroutine.
type replica struct {
	e       *Engine
	session *ovsdb.Session
	schema  ovsdb.Schema
	columns map[string][]string // monitored, of all tables; what the database has
	lastTxn string
	serving bool // the replica is loaded and the token row exists

	docs    map[ovsdb.UUID]*entry    // carrier rows, tombstones included
	rows    map[ovsdb.UUID]*realized // rows with our tags
	writers map[string]string        // of the token row: last transaction by process
	ttl     map[string]int64         // expiry by key

	batchSeq uint64
	next     *batch   // being planned
	inflight *batch   // sent
	unknown  []*batch // sent in earlier sessions, outcome not known
	requeued []*request

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
	return &replica{e: e, docs: map[ovsdb.UUID]*entry{}, rows: map[ovsdb.UUID]*realized{}, ttl: map[string]int64{},
		lazy: map[string]bool{}, drifted: map[string]bool{}, writers: map[string]string{}}
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
}

// disconnected forgets what belongs to a session. What was planned is planned again; the outcome of what was sent is open.
func (r *replica) disconnected() {
	for _, done := range append(r.readers, r.echoReaders...) {
		done <- unavailable()
	}
	r.readers, r.echoReaders, r.echo, r.bootstrapping = nil, nil, 0, 0
	r.serving, r.session = false, nil
	r.replan()
	if r.inflight != nil {
		r.unknown = append(r.unknown, r.inflight)
		r.inflight = nil
	}
}

// abandon ends everything that waits: the engine is closed.
func (r *replica) abandon() {
	for _, b := range append(r.unknown, r.inflight, r.next) {
		if b != nil {
			refuseAll(b.reqs)
		}
	}
	r.requeued = refuseAll(r.requeued)
	r.unknown, r.inflight, r.next = nil, nil, nil
}

// load takes the content of the database, or what has happened since the last session.
func (r *replica) load(ctx context.Context, initial ovsdb.Initial) error {
	if initial.Found && r.lastTxn != "" {
		return r.update(ctx, &initial.Update)
	}
	old := r.state()
	s := newState()
	s.schema, s.columns, s.hints = r.schema, r.columns, old.hints
	docs, known := r.docs, len(r.docs) > 0 || old.token != ""
	r.docs, r.rows, r.ttl = map[ovsdb.UUID]*entry{}, map[ovsdb.UUID]*realized{}, map[string]int64{}
	r.e.corrupt.Store(0)
	loaded := r.decodeAll(ctx, initial.Update.Tables[carrierTable])
	for _, e := range loaded {
		if before := docs[e.uuid]; before != nil && before.rev == e.rev && before.err == nil {
			e = before // the same pointer: watchers and lists share it
		}
		r.docs[e.uuid] = e
		insert(s, e)
		r.expire(e)
		r.countCorrupt(nil, e)
	}
	r.token(s, initial.Update.Tables[carrierTable])
	for table, updates := range initial.Update.Tables {
		if table != carrierTable {
			r.applyRows(updates, table, s)
		}
	}
	r.lastTxn = initial.TxnID
	clear(r.drifted)
	if !known {
		r.e.hist.publish(s, nil)
		return nil
	}
	return r.reload(ctx, old, s)
}

// reload publishes a state that was loaded anew, with the events that lead to it.
func (r *replica) reload(ctx context.Context, old, s *state) error {
	if s.rev < old.rev {
		klog.FromContext(ctx).Info("The database has gone back in time: watches begin anew", "revision", s.rev, "was", old.rev)
		r.e.hist.reset(s)
		return nil
	}
	var events []event
	s.objects.Ascend(func(e *entry) bool {
		if before := old.get(e.key); before != e {
			events = append(events, event{rev: e.rev, prev: before, cur: e})
		}
		return true
	})
	s.tombs.Ascend(func(e *entry) bool {
		if before := old.get(e.key); before != nil && before.uuid == e.uuid {
			events = append(events, event{rev: e.rev, prev: before, cur: e})
		}
		return true
	})
	sortEvents(events)
	if s.compacted > old.rev {
		r.e.hist.reset(s) // tombstones that were not seen are gone
		return nil
	}
	r.e.hist.publish(s, events)
	return nil
}

func insert(s *state, e *entry) {
	if e.deleted {
		s.tombs.ReplaceOrInsert(e)
		return
	}
	s.objects.ReplaceOrInsert(e)
	replaceIndex(s, nil, nil, e, e.indexKeys())
}

// decodeAll decodes carrier rows on all processors.
func (r *replica) decodeAll(ctx context.Context, updates []ovsdb.RowUpdate) []*entry {
	entries := make([]*entry, len(updates))
	var wg sync.WaitGroup
	workers := goruntime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(updates); i += workers {
				entries[i] = r.decodeRow(ctx, updates[i], nil)
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(entries, func(e *entry) bool { return e == nil })
}

// decodeRow makes an entry of a carrier row, or of a change of one; nil for rows that hold no document of ours.
func (r *replica) decodeRow(ctx context.Context, u ovsdb.RowUpdate, before *entry) *entry {
	name := u.Row[columnName].AsString()
	if before != nil && name == "" {
		name = strings.TrimPrefix(before.key, "/")
	}
	d, ok, err := parseDocument(name, u.Row[columnIDs].AsMap())
	if !ok && err == nil {
		return nil
	}
	e := &entry{key: d.key, uuid: u.UUID, rev: d.rev, createRev: d.createRev, deleted: d.deleted, expires: d.expires, err: err}
	if before != nil {
		e.key = before.key
		if e.createRev == 0 {
			e.createRev = before.createRev
		}
	}
	if e.res = r.e.resourceOf(e.key); e.res == nil {
		return nil // a kind that another version of the program knows
	}
	switch {
	case err != nil:
	case d.hasRaw:
		r.decode(ctx, e, []byte(d.raw))
	case before != nil && before.obj != nil:
		e.obj, e.raw, e.size = before.obj.DeepCopyObject().(Object), before.raw, before.size
	case before != nil:
		r.decode(ctx, e, before.raw)
	default:
		e.err = fmt.Errorf("document %s is empty", name)
	}
	if e.obj != nil {
		e.obj.SetResourceVersion(strconv.FormatUint(e.rev, 10))
	}
	return e
}

// decode fills an entry from the stored form.
func (r *replica) decode(ctx context.Context, e *entry, raw []byte) {
	e.size = len(raw)
	obj, _, err := r.e.decode(ctx, e.key, e.res, raw)
	if err != nil {
		e.err, e.raw = err, raw
		return
	}
	e.obj = obj
	if r.e.opts.Transformer != nil {
		e.raw = raw
	}
}

// decode turns a stored form into an object. stale says that the transformer wants it to be written anew.
func (e *Engine) decode(ctx context.Context, key string, res *Resource, raw []byte) (obj Object, stale bool, err error) {
	if e.opts.Transformer != nil {
		if raw, stale, err = e.fromStorage(ctx, key, raw); err != nil {
			return nil, false, err
		}
	}
	out, _, err := e.opts.Codec.Decode(raw, nil, res.New())
	if err != nil {
		return nil, false, &CorruptError{Key: key, Err: err}
	}
	return out.(Object), stale, nil
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

// update applies a notification.
func (r *replica) update(ctx context.Context, u *ovsdb.Update) error {
	r.lastTxn = u.TxnID
	carrier := u.Tables[carrierTable]
	probe := &state{}
	for _, c := range carrier {
		if c.UUID == tokenRow && c.Type != ovsdb.Delete {
			probe.token = c.Row[columnIDs].AsMap()[keyToken]
		}
	}
	own := r.inflight != nil && probe.token != "" && probe.token == r.inflight.token.String()
	for table, updates := range u.Tables {
		if table == carrierTable {
			continue
		}
		if own {
			// What our own transaction did is known from its plan.
			updates = slices.DeleteFunc(updates, func(c ovsdb.RowUpdate) bool {
				_, planned := r.inflight.rows.rows[c.UUID]
				return planned
			})
		}
		u.Tables[table] = updates
	}
	if own {
		r.token(&state{}, carrier)
		return r.foreignRows(u)
	}
	if len(carrier) == 0 {
		return r.foreignRows(u)
	}
	return r.foreignDocuments(ctx, u)
}

// foreignDocuments applies what another process wrote.
func (r *replica) foreignDocuments(ctx context.Context, u *ovsdb.Update) error {
	s := r.clone(r.state())
	var changed []*entry
	for _, c := range u.Tables[carrierTable] {
		before := r.docs[c.UUID]
		if c.Type == ovsdb.Delete {
			r.carrierGone(ctx, s, before)
			delete(r.docs, c.UUID)
			continue
		}
		if c.UUID == tokenRow {
			continue
		}
		if e := r.decodeRow(ctx, c, before); e != nil && (before == nil || e.rev > before.rev) {
			changed = append(changed, e)
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
	old := s.rev
	r.token(s, u.Tables[carrierTable])
	for table, updates := range u.Tables {
		if table != carrierTable {
			r.applyRows(updates, table, s)
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
func (r *replica) carrierGone(ctx context.Context, s *state, before *entry) {
	switch {
	case before == nil:
	case before.deleted:
		s.tombs.Delete(before)
	default:
		klog.FromContext(ctx).Error(nil, "A document was deleted from the database by hand; the object stays known until the next start",
			"key", before.key, "row", before.uuid)
	}
}

// foreignRows applies changes of realized rows that no document explains. The states under way get them, too.
func (r *replica) foreignRows(u *ovsdb.Update) error {
	touched := false
	for table, updates := range u.Tables {
		touched = touched || (table != carrierTable && len(updates) > 0)
	}
	if !touched {
		return nil
	}
	s := r.clone(r.state())
	targets := []*state{s}
	for _, b := range []*batch{r.inflight, r.next} {
		if b != nil {
			targets = append(targets, b.work)
		}
	}
	for table, updates := range u.Tables {
		if table != carrierTable {
			for _, owner := range r.applyRows(updates, table, targets...) {
				r.drifted[owner] = true
			}
		}
	}
	r.e.hist.publish(s, nil)
	return nil
}

// applyRows applies changes of realized rows to states and to the index by UUID. It returns the owners concerned.
func (r *replica) applyRows(updates []ovsdb.RowUpdate, table string, states ...*state) (owners []string) {
	columns := r.columns[table]
	for _, u := range updates {
		before := r.rows[u.UUID]
		var after *realized
		switch u.Type {
		case ovsdb.Delete:
		case ovsdb.Modify:
			if before == nil {
				continue // somebody else's
			}
			row := *before
			row.cols = slices.Clone(before.cols)
			for i, c := range columns {
				if diff, ok := u.Row[c]; ok {
					row.cols[i] = row.cols[i].ApplyDiff(diff, r.schema[table][c].Scalar)
				}
			}
			after = &row
		default:
			if after = r.identify(table, columns, u); after == nil {
				continue
			}
		}
		if before == nil && after == nil {
			continue
		}
		owner := r.replaceRow(before, after, states)
		owners = append(owners, owner)
	}
	return owners
}

func (r *replica) replaceRow(before, after *realized, states []*state) (owner string) {
	for _, s := range states {
		if before != nil && after == nil {
			s.rows.Delete(before)
		}
		if after != nil {
			s.rows.ReplaceOrInsert(after)
		}
	}
	if after != nil {
		r.rows[after.uuid] = after
		return after.owner
	}
	delete(r.rows, before.uuid)
	return before.owner
}

// identify reads the tags of a row; nil if it is none of ours.
func (r *replica) identify(table string, columns []string, u ovsdb.RowUpdate) *realized {
	ids := u.Row[columnIDs].AsMap()
	kind, name, ok := strings.Cut(ids[tagOwner], "/")
	res := r.e.byKind[kind]
	if !ok || res == nil || ids[tagRow] == "" {
		return nil
	}
	row := &realized{owner: "/" + res.Name + "/" + name, key: ids[tagRow], table: table, uuid: u.UUID, cols: make([]ovsdb.Value, len(columns))}
	for i, c := range columns {
		if v, ok := u.Row[c]; ok {
			row.cols[i] = v
		} else {
			row.cols[i] = r.schema[table][c].Default
		}
	}
	return row
}

// countCorrupt keeps count of the documents that cannot be decoded.
func (r *replica) countCorrupt(before, e *entry) {
	var delta int64
	if before != nil && before.err != nil {
		delta--
	}
	if e != nil && e.err != nil {
		delta++
	}
	if delta != 0 {
		r.e.opts.Metrics.Undecodable(int(r.e.corrupt.Add(delta)))
	}
}

// fromStorage applies the transformer.
func (e *Engine) fromStorage(ctx context.Context, key string, raw []byte) ([]byte, bool, error) {
	plain, err := decodeText(raw)
	if err != nil {
		return nil, false, &CorruptError{Key: key, Err: err}
	}
	data, stale, err := e.opts.Transformer.TransformFromStorage(ctx, plain, value.DefaultContext(key))
	if err != nil {
		return nil, false, fmt.Errorf("document %s: %w", key, err)
	}
	return data, stale, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
