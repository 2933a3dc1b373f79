package storage

import (
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// FinalizerInUse is on an object that was deleted while others referred to it. The engine sets it, and removes it together
// with the object in the transaction that removes the last referrer.
const FinalizerInUse = "kubeovn.io/in-use"

// batch plans requests one upon the other on a speculative state, and becomes one transaction.
type batch struct {
	e    *Engine
	cols map[string][]string // monitored columns of each table
	now  metav1.Time         // of all that the batch stamps

	base *state // what the batch began on; may be speculative itself
	work *state // with everything planned so far

	reqs []*request
	docs map[ovsdb.UUID]*docChange
	rows rowChanges
	// parents are those of rows that this process did not place, by owner and row.
	parents map[string]map[ovsdb.UUID][]Parent
	// sweep: rows that are deleted are taken out of every column that could hold them, whoever put them there.
	sweep bool
	// detached, of an audit, reports whether somebody took a row out of a column that it should be in.
	detached func(Parent, ovsdb.UUID) bool

	dirty map[string]bool // keys whose status and rows must be derived again
	lazy  map[string]bool // keys whose status is to be derived some time later

	undo []func() // takes back the request that is being planned, last first

	compactTo uint64   // when set, tombstones up to this revision go
	dropped   []*entry // the tombstones that go

	updated []updatedDoc

	firstRow int // the operation of the transaction that inserts the first row

	force bool // send it even if it changes nothing
	// sealed: the transaction, made before its time; nothing is added to the batch any more.
	sealed *ovsdb.Txn
	seq    uint64
	token  token
	id     uint64    // of the call, once it is sent
	sent   time.Time // when
	// applied: its outcome is part of the published state.
	applied bool
	// seen: its own notification has come, the reply not yet. It is committed.
	seen bool
}

// docChange is the change of one document over the whole batch.
type docChange struct{ before, after *entry }

func newBatch(e *Engine, base, work *state) *batch {
	return &batch{
		e: e, cols: work.columns, now: metav1.NewTime(e.opts.Clock.Now().Truncate(time.Second)), base: base, work: work,
		docs:    map[ovsdb.UUID]*docChange{},
		rows:    rowChanges{parents: map[Parent]*members{}, rows: map[ovsdb.UUID]*realized{}},
		parents: map[string]map[ovsdb.UUID][]Parent{}, dirty: map[string]bool{}, lazy: map[string]bool{},
	}
}

// add plans a request. On an error the batch is as it was before.
func (b *batch) add(r *request) error {
	rev := b.work.rev
	b.undo = b.undo[:0]
	for i, w := range r.writes {
		if err := b.plan(w); err != nil {
			for _, f := range slices.Backward(b.undo) {
				f()
			}
			b.work.rev = rev
			if len(r.writes) > 1 {
				return &BatchError{Index: i, Err: err}
			}
			return err
		}
	}
	return nil
}

// BatchError says which of several writes was refused.
type BatchError struct {
	Index int
	Err   error
}

func (e *BatchError) Error() string { return fmt.Sprintf("object %d: %v", e.Index, e.Err) }

// Unwrap returns the reason.
func (e *BatchError) Unwrap() error { return e.Err }

func (b *batch) plan(w *write) error {
	switch w.verb {
	case create:
		return b.create(w)
	case update:
		return b.update(w)
	case remove:
		return b.remove(w)
	case rewrite:
		b.rewrite(w.key)
		return nil
	case compact:
		b.compact(w.expect)
		return nil
	default:
		b.dirty[w.key] = true
		return nil
	}
}

// rewrite writes an object again, at a new revision.
func (b *batch) rewrite(key string) {
	cur := b.work.get(key)
	if cur == nil || cur.obj == nil {
		return
	}
	e := *cur
	e.obj = cur.obj.DeepCopyObject().(Object)
	e.rev = b.nextRev()
	b.put(cur, &e)
}

// compact drops tombstones up to a revision.
func (b *batch) compact(to uint64) {
	to = min(to, b.work.rev)
	if to <= b.work.compacted {
		return
	}
	b.work.tombs.Ascend(func(e *entry) bool {
		if e.rev > to {
			return false
		}
		b.dropped = append(b.dropped, e)
		return true
	})
	for _, e := range b.dropped {
		b.work.tombs.Delete(e)
	}
	b.compactTo = to
	b.work.compacted = to
}

func (b *batch) create(w *write) error {
	if b.work.get(w.key) != nil {
		return storage.NewKeyExistsError(w.key, 0)
	}
	obj := w.obj.DeepCopyObject().(Object)
	if err := w.res.PlanWrite(b.work, nil, obj); err != nil {
		return err
	}
	e := &entry{key: w.key, res: w.res, uuid: w.uuid, obj: obj, expires: w.expires}
	e.rev = b.nextRev()
	e.createRev = e.rev
	b.put(nil, e)
	w.out = e
	if err := b.accompany(nil, e); err != nil {
		return err
	}
	return b.checkRefs(nil, e) // now: companions are what it may refer to
}

// current returns what is stored if it is what the caller saw.
func (b *batch) current(w *write) (*entry, error) {
	cur := b.work.get(w.key)
	if cur == nil || cur.rev != w.expect {
		return nil, errStale
	}
	return cur, nil
}

func (b *batch) update(w *write) error {
	cur, err := b.current(w)
	if err != nil {
		return err
	}
	obj := w.obj.DeepCopyObject().(Object)
	if err := w.res.PlanWrite(b.work, cur.obj, obj); err != nil {
		return err
	}
	e := &entry{key: cur.key, res: cur.res, uuid: cur.uuid, createRev: cur.createRev, obj: obj, expires: w.expires}
	if obj.GetDeletionTimestamp() != nil {
		held := b.work.held(e.res.Name, e.name())
		setFinalizer(obj, held)
		if !held && len(obj.GetFinalizers()) == 0 {
			w.out, err = b.vanish(cur)
			return err
		}
	}
	e.rev = b.nextRev()
	b.put(cur, e)
	w.out = e
	if err := b.accompany(cur, e); err != nil {
		return err
	}
	if err := b.checkRefs(cur, e); err != nil {
		return err
	}
	return b.release(cur)
}

func (b *batch) remove(w *write) error {
	cur, err := b.current(w)
	if err != nil {
		return err
	}
	w.holders = b.work.holders(cur.res.Name, cur.name())
	if len(w.holders) > 0 && cur.obj != nil {
		w.out = b.terminate(cur)
		return nil
	}
	w.out, err = b.vanish(cur)
	return err
}

// terminate marks an object that is in use as being deleted.
func (b *batch) terminate(cur *entry) *entry {
	if cur.obj.GetDeletionTimestamp() != nil && slices.Contains(cur.obj.GetFinalizers(), FinalizerInUse) {
		return cur
	}
	e := *cur
	e.obj = cur.obj.DeepCopyObject().(Object)
	if e.obj.GetDeletionTimestamp() == nil {
		e.obj.SetDeletionTimestamp(&b.now)
		var grace int64
		e.obj.SetDeletionGracePeriodSeconds(&grace)
		if g := e.obj.GetGeneration(); g > 0 {
			e.obj.SetGeneration(g + 1)
		}
	}
	setFinalizer(e.obj, true)
	e.rev = b.nextRev()
	b.put(cur, &e)
	return &e
}

// vanish removes an object that nothing holds, and whatever waited only for that.
func (b *batch) vanish(cur *entry) (*entry, error) {
	if cur.obj != nil {
		if err := cur.res.PlanWrite(b.work, cur.obj, nil); err != nil {
			return nil, err
		}
	}
	tomb := *cur
	if cur.obj != nil {
		tomb.obj = cur.obj.DeepCopyObject().(Object)
	}
	tomb.deleted, tomb.expires = true, 0
	tomb.rev = b.nextRev()
	b.put(cur, &tomb)
	if err := b.accompany(cur, nil); err != nil {
		return nil, err
	}
	return &tomb, b.release(cur)
}

// release lets go of what old referred to: objects that waited for their last referrer vanish.
func (b *batch) release(old *entry) error {
	if old.obj == nil {
		return nil
	}
	for _, r := range old.res.Refs(old.obj) {
		target := b.work.get("/" + r.Resource + "/" + r.Name)
		if r.Weak || target == nil || target.obj == nil || target.obj.GetDeletionTimestamp() == nil ||
			!slices.Contains(target.obj.GetFinalizers(), FinalizerInUse) || b.work.held(r.Resource, r.Name) {
			continue
		}
		if len(target.obj.GetFinalizers()) == 1 {
			if _, err := b.vanish(target); err != nil {
				return err
			}
			continue
		}
		e := *target
		e.obj = target.obj.DeepCopyObject().(Object)
		setFinalizer(e.obj, false)
		e.rev = b.nextRev()
		b.put(target, &e)
	}
	return nil
}

func setFinalizer(obj Object, want bool) {
	finalizers := obj.GetFinalizers()
	i := slices.Index(finalizers, FinalizerInUse)
	switch {
	case want && i < 0:
		obj.SetFinalizers(append(slices.Clone(finalizers), FinalizerInUse))
	case !want && i >= 0:
		obj.SetFinalizers(slices.Delete(slices.Clone(finalizers), i, i+1))
	}
}

// checkRefs refuses strong references that are new in e and cannot be made.
func (b *batch) checkRefs(old, e *entry) error {
	var before []Ref
	if old != nil && old.obj != nil {
		before = old.res.Refs(old.obj)
	}
	var errs field.ErrorList
	for _, r := range e.res.Refs(e.obj) {
		if r.Weak || slices.ContainsFunc(before, func(o Ref) bool {
			return o.Resource == r.Resource && o.Name == r.Name && !o.Weak
		}) {
			continue
		}
		switch target := b.work.get("/" + r.Resource + "/" + r.Name); {
		case target == nil || old == nil && target.key == e.key: // nothing holds itself
			errs = append(errs, &field.Error{Type: field.ErrorTypeNotFound, Field: r.Field, BadValue: r.Name,
				Detail: "create it first"})
		case target.obj != nil && target.obj.GetDeletionTimestamp() != nil:
			errs = append(errs, &field.Error{Type: field.ErrorTypeForbidden, Field: r.Field, BadValue: r.Name,
				Detail: fmt.Sprintf("%s is being deleted, nothing new may refer to it", r)})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: b.e.opts.Group, Kind: e.res.Kind}, e.obj.GetName(), errs)
}

func (b *batch) nextRev() uint64 {
	b.work.rev++
	return b.work.rev
}

// put makes e the current version of its object; old is what it replaces, nil for a new object.
func (b *batch) put(old, e *entry) {
	b.store(old, e)
	b.dirty[e.key] = true
	for r := range b.work.referrers(e.res.Name, e.name()) {
		b.dirty[r.key] = true
	}
	for _, v := range []*entry{old, e} {
		if v == nil || v.obj == nil {
			continue
		}
		for _, r := range v.res.Refs(v.obj) {
			switch r.Effect {
			case Immediately:
				b.dirty["/"+r.Resource+"/"+r.Name] = true
			case Eventually:
				b.lazy["/"+r.Resource+"/"+r.Name] = true
			}
		}
	}
	var before, after Object
	if old != nil && old.obj != nil {
		before = old.obj
	}
	if !e.deleted && e.obj != nil {
		after = e.obj
	}
	for _, r := range e.res.AffectedBy(b.work, before, after) {
		b.dirty["/"+r.Resource+"/"+r.Name] = true
	}
}

// store changes the trees, and records how to take it back.
func (b *batch) store(old, e *entry) {
	w := b.work
	var oldKeys, newKeys []string
	if old != nil {
		oldKeys = old.indexKeys()
	}
	if e.deleted {
		w.objects.Delete(old)
		w.tombs.ReplaceOrInsert(e)
		b.undo = append(b.undo, func() { w.tombs.Delete(e); w.objects.ReplaceOrInsert(old) })
	} else {
		newKeys = e.indexKeys()
		w.objects.ReplaceOrInsert(e)
		b.undo = append(b.undo, func() {
			if old != nil {
				w.objects.ReplaceOrInsert(old)
			} else {
				w.objects.Delete(e)
			}
		})
	}
	replaceIndex(w, old, oldKeys, e, newKeys)
	b.undo = append(b.undo, func() { replaceIndex(w, e, newKeys, old, oldKeys) })

	change := b.docs[e.uuid]
	if change == nil {
		b.docs[e.uuid] = &docChange{before: old, after: e}
		b.undo = append(b.undo, func() { delete(b.docs, e.uuid) })
		return
	}
	last := change.after
	change.after = e
	b.undo = append(b.undo, func() { change.after = last })
}

func replaceIndex(s *state, old *entry, oldKeys []string, e *entry, newKeys []string) {
	for _, k := range oldKeys {
		s.index.Delete(indexItem{key: k})
	}
	for _, k := range newKeys {
		s.index.ReplaceOrInsert(indexItem{key: k, entry: e})
	}
}

// changes are the batch's documents in the order of their revisions.
func (b *batch) changes() []*docChange {
	return slices.SortedFunc(maps.Values(b.docs), func(x, y *docChange) int {
		if x.after.rev < y.after.rev {
			return -1
		}
		return 1
	})
}
