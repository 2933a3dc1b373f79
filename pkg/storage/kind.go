package storage

import (
	"fmt"
	"iter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Object is an API object: what the engine stores one document for.
type Object interface {
	runtime.Object
	metav1.Object
}

// Effect says what a change of the referring object means for the object that it refers to.
type Effect uint8

const (
	// NoEffect: rows and status of the referred object do not depend on its referrers.
	NoEffect Effect = iota
	// Eventually: the status of the referred object is derived again soon, at most once a second.
	Eventually
	// Immediately: rows and status of the referred object are derived again in the same transaction.
	Immediately
)

// Ref is a reference from one object to another of the same engine.
// A strong reference (Weak false) may only be made to an object that exists and is not being deleted,
// and keeps that object from vanishing. A weak one may dangle and protects nothing.
// Whenever an object changes, its referrers of both sorts are derived again in the same transaction.
type Ref struct {
	Resource string // plural resource name of the target, as "subnets"
	Name     string // name of the target
	Field    string // path of the referring field, as "spec.vpc"; for error messages
	Weak     bool
	Effect   Effect
}

// View is an immutable snapshot of all objects, and what a kind's functions may know.
// All sequences are in ascending key order and deterministic.
type View interface {
	// Get returns the named object, or nil when there is none. The object is shared: never modify it.
	// Objects that are being deleted (deletion timestamp set) are returned, too.
	Get(resource, name string) Object
	// List yields every object of a resource.
	List(resource string) iter.Seq[Object]
	// Referrers yields every object, of any resource, that refers to the named one.
	// An object with several references to it is yielded once.
	Referrers(resource, name string) iter.Seq[Object]
	// Scan yields the index entries with from <= key < to, ascending; see Kind.Index.
	Scan(from, to string) iter.Seq2[string, Object]
	// ScanDown yields the index entries with key <= from and key >= to, descending.
	ScanDown(from, to string) iter.Seq2[string, Object]
	// RowID is the UUID of a realized row: a function of the owner's identity and the row's key.
	// It is the zero UUID when the owner does not exist.
	RowID(resource, name, rowKey string) ovsdb.UUID
	// HasColumn reports whether the connected database's schema has a column: newer columns are optional.
	HasColumn(table, column string) bool
	// Hint returns a value left by SetHint, 0 when there is none. Hints are soft: they may be forgotten at any time
	// (a restart forgets them) and must influence nothing but a choice between answers that are all right.
	Hint(key string) uint64
	SetHint(key string, value uint64)
}

// Parent is a column of another row that must contain the UUID of this one.
type Parent struct {
	Table  string // "Logical_Switch"
	UUID   ovsdb.UUID
	Column string // "ports"
}

// Row is a row of the Northbound database that realizes (a part of) an object.
type Row struct {
	Table string
	// Key identifies the row within its owner; stable over the life of the owner. A row keeps its UUID as long as its key.
	Key string
	// Columns are the columns that the owner decides; all others are left alone. The engine adds the ownership tags to
	// external_ids. Set and map columns are owned whole.
	Columns ovsdb.Row
	// Parents hold the row: tables that are not roots need one, or the row vanishes.
	Parents []Parent
}

// Kind is everything the engine knows about one resource. All functions are pure: the same snapshot gives the same
// answer; no clock, no randomness. T is the pointer type of the API object.
// Functions may be nil.
type Kind[T Object] struct {
	// References returns what the object points at; drives existence and deletion checks, and recomputation.
	References func(obj T) []Ref
	// Index returns keys under which Scan finds the object; conventionally "<index>/<key>". A function of the object alone.
	Index func(obj T) []string
	// Plan decides one write inside the commit. obj is a private copy that Plan may complete (allocate, default from other
	// objects); old is what is stored, zero on creation; obj is zero on deletion (old is about to vanish: nothing refers to
	// it any more). A returned error refuses the write, changes nothing and reaches the client as it is when it is an
	// *apierrors.StatusError. v is the state before the write: it does not hold obj yet.
	Plan func(v View, old, obj T) error
	// Derive sets what follows from other objects: the status. v holds obj and all of the transaction.
	// It runs after Plan, and whenever an object that obj refers to, or that refers to obj with an Effect, has changed.
	Derive func(v View, obj T)
	// Companions returns objects that exist on behalf of obj, as a VPC's address on the external network that it asks for. They are
	// created in the transaction that first wants them and deleted in the one that no longer does, or that deletes obj. An
	// object of that name that somebody else created is left as it is. Companions have no companions of their own.
	Companions func(v View, obj T) []Object
	// Affected names the objects, besides those that references tell, that are derived again in the transaction in which obj
	// takes the place of old: those that depend on a set of objects and not on one that they could name, as a router's gateway
	// port on all chassis that are gateways. old is zero on creation, obj on deletion; v holds obj. Weak and Effect do not count.
	Affected func(v View, old, obj T) []Ref
	// Rows returns the Northbound rows that realize the object, given all of the transaction's objects.
	// Rows of an object that is being deleted but still in use are as those of any other.
	Rows func(v View, obj T) ([]Row, error)
}

// Resource registers a Kind with the engine.
type Resource struct {
	// Name is the plural resource name, "subnets". Keys of its objects begin with "/<Name>/".
	Name string
	// Singular is the Go kind, "Subnet", used in ownership tags and messages.
	Kind string
	New  func() Object

	references func(Object) []Ref
	index      func(Object) []string
	plan       func(v View, old, obj Object) error
	derive     func(View, Object)
	companions func(View, Object) []Object
	affected   func(v View, old, obj Object) []Ref
	rows       func(View, Object) ([]Row, error)
}

// NewResource binds a Kind to a resource name.
func NewResource[T Object](name, kind string, newObject func() T, k Kind[T]) *Resource {
	r := &Resource{Name: name, Kind: kind, New: func() Object { return newObject() }}
	if k.References != nil {
		r.references = func(o Object) []Ref { return k.References(o.(T)) }
	}
	if k.Index != nil {
		r.index = func(o Object) []string { return k.Index(o.(T)) }
	}
	if k.Plan != nil {
		r.plan = func(v View, old, obj Object) error {
			var before, after T
			if old != nil {
				before = old.(T)
			}
			if obj != nil {
				after = obj.(T)
			}
			return k.Plan(v, before, after)
		}
	}
	if k.Derive != nil {
		r.derive = func(v View, o Object) { k.Derive(v, o.(T)) }
	}
	if k.Companions != nil {
		r.companions = func(v View, o Object) []Object { return k.Companions(v, o.(T)) }
	}
	if k.Affected != nil {
		r.affected = func(v View, old, obj Object) []Ref {
			var before, after T
			if old != nil {
				before = old.(T)
			}
			if obj != nil {
				after = obj.(T)
			}
			return k.Affected(v, before, after)
		}
	}
	if k.Rows != nil {
		r.rows = func(v View, o Object) ([]Row, error) { return k.Rows(v, o.(T)) }
	}
	return r
}

// Get returns the named object of a resource as T, and whether it exists.
func Get[T Object](v View, resource, name string) (T, bool) {
	o, ok := v.Get(resource, name).(T)
	return o, ok
}

// ReferrersOf yields the referrers of one object that are of type T.
func ReferrersOf[T Object](v View, resource, name string) iter.Seq[T] {
	return func(yield func(T) bool) {
		for o := range v.Referrers(resource, name) {
			if t, ok := o.(T); ok && !yield(t) {
				return
			}
		}
	}
}

// String is the form of messages: "vpcs/vpc1".
func (r Ref) String() string { return fmt.Sprintf("%s/%s", r.Resource, r.Name) }

// The functions of a Kind, callable for any Object of the resource; a function that the kind does not have does nothing.

// Refs returns what obj points at.
func (r *Resource) Refs(obj Object) []Ref {
	if r.references == nil {
		return nil
	}
	return r.references(obj)
}

// IndexKeys returns the keys under which View.Scan finds obj.
func (r *Resource) IndexKeys(obj Object) []string {
	if r.index == nil {
		return nil
	}
	return r.index(obj)
}

// PlanWrite runs Plan; see there for nil arguments.
func (r *Resource) PlanWrite(v View, old, obj Object) error {
	if r.plan == nil {
		return nil
	}
	return r.plan(v, old, obj)
}

// DeriveStatus runs Derive on obj, which the caller owns.
func (r *Resource) DeriveStatus(v View, obj Object) {
	if r.derive != nil {
		r.derive(v, obj)
	}
}

// DesiredCompanions returns the objects that exist on behalf of obj.
func (r *Resource) DesiredCompanions(v View, obj Object) []Object {
	if r.companions == nil {
		return nil
	}
	return r.companions(v, obj)
}

// AffectedBy names the objects that the change from old to obj affects without a reference; see Kind.Affected for nil arguments.
func (r *Resource) AffectedBy(v View, old, obj Object) []Ref {
	if r.affected == nil {
		return nil
	}
	return r.affected(v, old, obj)
}

// DesiredRows returns the rows that realize obj.
func (r *Resource) DesiredRows(v View, obj Object) ([]Row, error) {
	if r.rows == nil {
		return nil, nil
	}
	return r.rows(v, obj)
}
