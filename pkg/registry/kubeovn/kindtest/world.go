// Package kindtest runs the functions of kinds over a snapshot that is held in memory, as the engine runs them in a commit:
// Plan, the checks of references, storing, Derive and Rows of all that is affected. It is a value for tests of kinds, neither
// a database nor a mock of one: there is no revision, no concurrency, no wire, and rows are only computed.
package kindtest

import (
	"cmp"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sort"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// InUseFinalizer is what an object carries that is deleted but still referred to.
const InUseFinalizer = "kubeovn.io/in-use"

// World is a set of objects of the given resources. It is a storage.View of what it holds at the moment.
// It is not safe for concurrent use.
type World struct {
	t         testing.TB
	resources map[string]*storage.Resource
	objects   []*entry // by resource and name
	index     []indexed
	hints     map[string]uint64
	schema    schema
	created   int
	// Missing are the columns, as "Table.column", that the database is said not to have.
	Missing map[string]bool
}

var _ storage.View = (*World)(nil)

type entry struct {
	resource *storage.Resource
	name     string
	uuid     ovsdb.UUID
	object   storage.Object
	keys     []string // index keys
	refs     []storage.Ref
}

type indexed struct {
	key   string
	entry *entry
}

// New returns an empty world of the resources. References to other resources are not checked.
func New(t testing.TB, resources ...*storage.Resource) *World {
	t.Helper()
	w := &World{t: t, resources: map[string]*storage.Resource{}, hints: map[string]uint64{}, schema: loadSchema(t), Missing: map[string]bool{}}
	for _, r := range resources {
		w.resources[r.Name] = r
	}
	return w
}

// Create plans and stores a copy of the object, which gets a UID, a creation time and generation 1. The argument is not
// changed: Get returns what was stored.
func (w *World) Create(obj storage.Object) error {
	w.t.Helper()
	r := w.resourceOf(obj)
	if w.find(r.Name, obj.GetName()) != nil {
		return fmt.Errorf("%s/%s already exists", r.Name, obj.GetName())
	}
	w.created++
	own := obj.DeepCopyObject().(storage.Object)
	uuid := ovsdb.DeriveUUID(ovsdb.UUID{}, fmt.Sprintf("%s/%s/%d", r.Name, own.GetName(), w.created))
	if own.GetUID() == "" {
		own.SetUID(types.UID(uuid.String()))
	}
	own.SetCreationTimestamp(metav1.NewTime(time.Unix(1700000000, 0).Add(time.Duration(w.created) * time.Second)))
	own.SetGeneration(1)
	return w.write(r, nil, own, uuid)
}

// Update plans and stores a copy of the object in place of the stored one of its name. Identity and creation time are kept.
func (w *World) Update(obj storage.Object) error {
	w.t.Helper()
	r := w.resourceOf(obj)
	e := w.find(r.Name, obj.GetName())
	if e == nil {
		return fmt.Errorf("%s/%s does not exist", r.Name, obj.GetName())
	}
	own := obj.DeepCopyObject().(storage.Object)
	own.SetUID(e.object.GetUID())
	own.SetCreationTimestamp(e.object.GetCreationTimestamp())
	own.SetGeneration(e.object.GetGeneration() + 1)
	return w.write(r, e.object, own, e.uuid)
}

// MustCreate ends the test if one of the objects cannot be created.
func (w *World) MustCreate(objects ...storage.Object) {
	w.t.Helper()
	for _, obj := range objects {
		if err := w.Create(obj); err != nil {
			w.t.Fatalf("create %s: %v", obj.GetName(), err)
		}
	}
}

// Change updates the named object by a function of a private copy. T is the pointer type of the resource's objects.
func Change[T storage.Object](w *World, resource, name string, change func(T)) error {
	w.t.Helper()
	stored, ok := storage.Get[T](w, resource, name)
	if !ok {
		return fmt.Errorf("%s/%s does not exist", resource, name)
	}
	own := stored.DeepCopyObject().(T)
	change(own)
	return w.Update(own)
}

// Delete plans the deletion and removes the object; while others refer to it strongly, it stays with a deletion timestamp and
// vanishes with the last of them.
func (w *World) Delete(resource, name string) error {
	w.t.Helper()
	e := w.find(resource, name)
	if e == nil {
		return fmt.Errorf("%s/%s does not exist", resource, name)
	}
	if w.held(resource, name) {
		own := e.object.DeepCopyObject().(storage.Object)
		now := metav1.NewTime(time.Unix(1800000000, 0))
		own.SetDeletionTimestamp(&now)
		own.SetFinalizers([]string{InUseFinalizer})
		e.object = own
		return nil
	}
	return w.remove(e)
}

func (w *World) remove(e *entry) error {
	if err := e.resource.PlanWrite(w, e.object, nil); err != nil {
		return err
	}
	affected := w.affected(e)
	w.unindex(e)
	w.objects = slices.DeleteFunc(w.objects, func(x *entry) bool { return x == e })
	w.affectedBy(e, e.object, nil, affected)
	if err := w.accompany(e, e.object, nil); err != nil {
		return err
	}
	if err := w.recompute(affected); err != nil {
		return err
	}
	for _, ref := range e.refs {
		if target := w.find(ref.Resource, ref.Name); target != nil && target.object.GetDeletionTimestamp() != nil && !w.held(ref.Resource, ref.Name) {
			if err := w.remove(target); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *World) write(r *storage.Resource, old, own storage.Object, uuid ovsdb.UUID) error {
	if err := r.PlanWrite(w, old, own); err != nil {
		return err
	}
	refs := r.Refs(own)
	before := w.save()
	affected := map[*entry]bool{}
	e := w.find(r.Name, own.GetName())
	if e == nil {
		e = &entry{resource: r, name: own.GetName(), uuid: uuid}
		i, _ := slices.BinarySearchFunc(w.objects, e, compareEntries)
		w.objects = slices.Insert(w.objects, i, e)
	} else {
		affected = w.affected(e) // targets that the object referred to before
	}
	w.unindex(e)
	e.object, e.refs, e.keys = own, refs, r.IndexKeys(own)
	for _, key := range e.keys {
		item := indexed{key, e}
		i, _ := slices.BinarySearchFunc(w.index, item, compareIndexed)
		w.index = slices.Insert(w.index, i, item)
	}
	for x := range w.affected(e) {
		affected[x] = true
	}
	w.affectedBy(e, old, own, affected)
	err := w.accompany(e, old, own)
	if err == nil {
		err = w.checkReferences(r, old, refs)
	}
	if err != nil {
		before.restore(w)
		return err
	}
	return w.recompute(affected)
}

// affectedBy adds the objects that a change affects without a reference.
func (w *World) affectedBy(e *entry, old, own storage.Object, affected map[*entry]bool) {
	for _, ref := range e.resource.AffectedBy(w, old, own) {
		if target := w.find(ref.Resource, ref.Name); target != nil {
			affected[target] = true
		}
	}
}

// saved is what a refused write goes back to.
type saved struct {
	objects []*entry
	values  []entry
	index   []indexed
}

func (w *World) save() saved {
	s := saved{objects: slices.Clone(w.objects), index: slices.Clone(w.index)}
	for _, e := range w.objects {
		s.values = append(s.values, *e)
	}
	return s
}

func (s saved) restore(w *World) {
	w.objects, w.index = s.objects, s.index
	for i, e := range s.objects {
		*e = s.values[i]
	}
}

// checkReferences holds new strong references to existing objects; only of resources that this world has.
func (w *World) checkReferences(r *storage.Resource, old storage.Object, refs []storage.Ref) error {
	var before []storage.Ref
	if old != nil {
		before = r.Refs(old)
	}
	for _, ref := range refs {
		if ref.Weak || w.resources[ref.Resource] == nil {
			continue
		}
		target := w.find(ref.Resource, ref.Name)
		if target == nil {
			return fmt.Errorf("%s: %s not found", ref.Field, ref)
		}
		isNew := !slices.ContainsFunc(before, func(b storage.Ref) bool { return b.Resource == ref.Resource && b.Name == ref.Name && !b.Weak })
		if isNew && target.object.GetDeletionTimestamp() != nil {
			return fmt.Errorf("%s: %s is being deleted", ref.Field, ref)
		}
	}
	return nil
}

// affected are the objects that are recomputed with e: itself, its referrers, and what it refers to with an effect.
func (w *World) affected(e *entry) map[*entry]bool {
	out := map[*entry]bool{e: true}
	for _, x := range w.objects {
		if slices.ContainsFunc(x.refs, func(ref storage.Ref) bool { return ref.Resource == e.resource.Name && ref.Name == e.name }) {
			out[x] = true
		}
	}
	for _, ref := range e.refs {
		if target := w.find(ref.Resource, ref.Name); target != nil && ref.Effect != storage.NoEffect {
			out[target] = true
		}
	}
	return out
}

// recompute derives the status of the objects that are still there and computes their rows once.
func (w *World) recompute(affected map[*entry]bool) error {
	for _, e := range w.objects {
		if affected[e] {
			own := e.object.DeepCopyObject().(storage.Object)
			e.resource.DeriveStatus(w, own)
			e.object = own
		}
	}
	for _, e := range w.objects {
		if affected[e] {
			if _, err := w.rows(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rows returns the rows of an object by ascending key. Rows that the engine or the database would refuse end the test: a key
// used twice, a table or column that the schema of the installed OVN does not have.
func (w *World) Rows(resource, name string) []storage.Row {
	w.t.Helper()
	e := w.find(resource, name)
	if e == nil {
		return nil
	}
	rows, err := w.rows(e)
	if err != nil {
		w.t.Fatalf("rows of %s/%s: %v", resource, name, err)
	}
	return rows
}

func (w *World) rows(e *entry) ([]storage.Row, error) {
	rows, err := e.resource.DesiredRows(w, e.object)
	if err != nil {
		return nil, err
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b storage.Row) int { return cmp.Compare(a.Key, b.Key) })
	for i, row := range rows {
		if i > 0 && rows[i-1].Key == row.Key {
			w.t.Errorf("%s/%s has two rows with key %q", e.resource.Name, e.name, row.Key)
		}
		if err := w.schema.check(row); err != nil {
			w.t.Errorf("%s/%s row %q: %v", e.resource.Name, e.name, row.Key, err)
		}
	}
	return rows, nil
}

// Row returns the row of an object with a key, and whether there is one.
func (w *World) Row(resource, name, key string) (storage.Row, bool) {
	w.t.Helper()
	for _, row := range w.Rows(resource, name) {
		if row.Key == key {
			return row, true
		}
	}
	return storage.Row{}, false
}

func (w *World) resourceOf(obj storage.Object) *storage.Resource {
	w.t.Helper()
	r := w.resourceFor(obj)
	if r == nil {
		w.t.Fatalf("no resource of this world holds a %T", obj)
	}
	return r
}

func (w *World) resourceFor(obj storage.Object) *storage.Resource {
	for _, r := range w.resources {
		if reflect.TypeOf(r.New()) == reflect.TypeOf(obj) {
			return r
		}
	}
	return nil
}

func (w *World) find(resource, name string) *entry {
	i := sort.Search(len(w.objects), func(i int) bool {
		e := w.objects[i]
		return e.resource.Name > resource || e.resource.Name == resource && e.name >= name
	})
	if i < len(w.objects) && w.objects[i].resource.Name == resource && w.objects[i].name == name {
		return w.objects[i]
	}
	return nil
}

func (w *World) held(resource, name string) bool {
	return slices.ContainsFunc(w.objects, func(e *entry) bool {
		return slices.ContainsFunc(e.refs, func(ref storage.Ref) bool { return !ref.Weak && ref.Resource == resource && ref.Name == name })
	})
}

func (w *World) unindex(e *entry) {
	for _, key := range e.keys {
		if i, found := slices.BinarySearchFunc(w.index, indexed{key, e}, compareIndexed); found {
			w.index = slices.Delete(w.index, i, i+1)
		}
	}
}

func compareEntries(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.resource.Name, b.resource.Name), cmp.Compare(a.name, b.name))
}

func compareIndexed(a, b indexed) int {
	return cmp.Or(cmp.Compare(a.key, b.key), compareEntries(a.entry, b.entry))
}

// Get implements storage.View.
func (w *World) Get(resource, name string) storage.Object {
	if e := w.find(resource, name); e != nil {
		return e.object
	}
	return nil
}

// List implements storage.View.
func (w *World) List(resource string) iter.Seq[storage.Object] {
	return func(yield func(storage.Object) bool) {
		for _, e := range w.objects {
			if e.resource.Name == resource && !yield(e.object) {
				return
			}
		}
	}
}

// Referrers implements storage.View.
func (w *World) Referrers(resource, name string) iter.Seq[storage.Object] {
	return func(yield func(storage.Object) bool) {
		for _, e := range w.objects {
			refers := slices.ContainsFunc(e.refs, func(ref storage.Ref) bool { return ref.Resource == resource && ref.Name == name })
			if refers && !yield(e.object) {
				return
			}
		}
	}
}

// Scan implements storage.View.
func (w *World) Scan(from, to string) iter.Seq2[string, storage.Object] {
	return func(yield func(string, storage.Object) bool) {
		start := sort.Search(len(w.index), func(i int) bool { return w.index[i].key >= from })
		for _, item := range w.index[start:] {
			if item.key >= to || !yield(item.key, item.entry.object) {
				return
			}
		}
	}
}

// ScanDown implements storage.View.
func (w *World) ScanDown(from, to string) iter.Seq2[string, storage.Object] {
	return func(yield func(string, storage.Object) bool) {
		end := sort.Search(len(w.index), func(i int) bool { return w.index[i].key > from })
		for _, item := range slices.Backward(w.index[:end]) {
			if item.key < to || !yield(item.key, item.entry.object) {
				return
			}
		}
	}
}

// RowID implements storage.View.
func (w *World) RowID(resource, name, rowKey string) ovsdb.UUID {
	e := w.find(resource, name)
	if e == nil {
		return ovsdb.UUID{}
	}
	return ovsdb.DeriveUUID(e.uuid, rowKey)
}

// HasColumn implements storage.View.
func (w *World) HasColumn(table, column string) bool {
	return !w.Missing[table+"."+column] && w.schema.has(table, column)
}

// Hint implements storage.View.
func (w *World) Hint(key string) uint64 { return w.hints[key] }

// SetHint implements storage.View.
func (w *World) SetHint(key string, value uint64) { w.hints[key] = value }
