package storage

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// StoreConfig describes the storage.Interface of one resource.
type StoreConfig struct {
	// Resource is the name of a resource of the engine.
	Resource string
	// NewFunc makes an empty object for bookmarks; the resource's own New when nil.
	NewFunc func() runtime.Object
	// ShareEncoding makes watch events carry a runtime.CacheableObject, so that all watchers of an event share one encoding
	// and no handler sees the stored object itself.
	ShareEncoding bool
}

// store implements storage.Interface for one resource. Objects live decoded in the published state; suggestions of callers
// are not needed and ignored.
type store struct {
	e         *Engine
	res       *Resource
	prefix    string // "/subnets/"
	newFunc   func() runtime.Object
	share     bool
	versioner storage.Versioner
	sizes     atomic.Bool // estimate object sizes in Stats
}

var _ storage.Interface = (*store)(nil)

// Store returns the storage.Interface of a resource.
func (e *Engine) Store(c StoreConfig) (storage.Interface, error) {
	res := e.byName[c.Resource]
	if res == nil {
		return nil, fmt.Errorf("storage: resource %q is not registered", c.Resource)
	}
	s := &store{e: e, res: res, prefix: "/" + res.Name + "/", newFunc: c.NewFunc, share: c.ShareEncoding, versioner: storage.APIObjectVersioner{}}
	if s.newFunc == nil {
		s.newFunc = func() runtime.Object { return res.New() }
	}
	return s, nil
}

// Versioner implements storage.Interface.
func (s *store) Versioner() storage.Versioner { return s.versioner }

// prepare checks a key; with recursive it is made a prefix.
func (s *store) prepare(key string, recursive bool) (string, error) {
	return storage.PrepareKey(s.prefix, key, recursive)
}

// snapshot returns the published state.
func (s *store) snapshot() (*state, error) {
	now, _ := s.e.hist.current()
	if now == nil {
		return nil, unavailable()
	}
	return now, nil
}

// latest returns a state that holds all that was committed before the call.
func (s *store) latest(ctx context.Context) (*state, error) {
	if err := s.e.barrier(ctx); err != nil {
		return nil, err
	}
	return s.snapshot()
}

// object returns what an entry holds; shared, not to be modified.
func (s *store) object(ctx context.Context, e *entry) (obj Object, stale bool, err error) {
	if s.e.opts.Transformer == nil {
		if e.err != nil {
			return nil, false, s.corrupt(e, e.err)
		}
		return e.obj, false, nil
	}
	obj, stale, err = s.e.decode(ctx, e.key, s.res, e.raw)
	if err != nil {
		return nil, false, s.corrupt(e, err)
	}
	if err := s.versioner.UpdateObject(obj, e.rev); err != nil {
		return nil, false, err
	}
	return obj, stale, nil
}

// copyInto makes *dst a copy of obj. deep copies share nothing with the store.
func copyInto(dst runtime.Object, obj Object, deep bool) error {
	if dst == nil {
		return nil
	}
	v, err := conversion.EnforcePtr(dst)
	if err != nil {
		return err
	}
	var src runtime.Object = obj
	if deep {
		src = obj.DeepCopyObject()
	}
	from := reflect.ValueOf(src).Elem()
	if v.Type() != from.Type() {
		return fmt.Errorf("cannot store %s into %s", from.Type(), v.Type())
	}
	v.Set(from)
	return nil
}

// Create implements storage.Interface.
func (s *store) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	key, err := s.prepare(key, false)
	if err != nil {
		return err
	}
	if rv, err := s.versioner.ObjectResourceVersion(obj); err == nil && rv != 0 {
		return storage.ErrResourceVersionSetOnCreate
	}
	object, err := s.storable(obj)
	if err != nil {
		return err
	}
	w := &write{verb: create, res: s.res, key: key, uuid: ovsdb.NewUUID(), obj: object, expires: s.expiry(ttl)}
	if err := s.e.submit(newRequest(ctx, w)); err != nil {
		return err
	}
	return s.result(w.out, out)
}

// storable returns an object as it would be read from its stored form: no resource version, no kind, times in whole seconds.
// Otherwise the first update after a creation would look like a change.
func (s *store) storable(obj runtime.Object) (Object, error) {
	object, ok := obj.(Object)
	if !ok {
		return nil, fmt.Errorf("%T is not an API object", obj)
	}
	if err := s.versioner.PrepareObjectForStorage(obj); err != nil {
		return nil, fmt.Errorf("PrepareObjectForStorage failed: %w", err)
	}
	normalize(object)
	return object, nil
}

func normalize(object Object) {
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	object.SetCreationTimestamp(wholeSeconds(object.GetCreationTimestamp()))
	fields := object.GetManagedFields()
	for i := range fields {
		if t := fields[i].Time; t != nil {
			whole := wholeSeconds(*t)
			fields[i].Time = &whole
		}
	}
}

func wholeSeconds(t metav1.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

func (s *store) expiry(ttl uint64) int64 {
	if ttl == 0 {
		return 0
	}
	return s.e.opts.Clock.Now().Unix() + int64(ttl)
}

// result answers a write with what was stored. Readers share the stored object, therefore the copy.
func (s *store) result(e *entry, out runtime.Object) error {
	if out == nil {
		return nil
	}
	if e.obj == nil {
		return s.corrupt(e, e.err)
	}
	if err := copyInto(out, e.obj, true); err != nil {
		return err
	}
	// A version that another request of the same transaction has replaced was never stored, and has no version set.
	return s.versioner.UpdateObject(out, e.rev)
}

// Get implements storage.Interface.
func (s *store) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	key, err := s.prepare(key, false)
	if err != nil {
		return err
	}
	now, err := s.notOlderThan(ctx, opts.ResourceVersion)
	if err != nil {
		return err
	}
	e := now.get(key)
	if e == nil {
		if opts.IgnoreNotFound {
			return runtime.SetZeroValue(out)
		}
		return storage.NewKeyNotFoundError(key, 0)
	}
	obj, _, err := s.object(ctx, e)
	if err != nil {
		return err
	}
	return copyInto(out, obj, false)
}

// notOlderThan returns a state for a read: "" is the latest, "0" any, others at least that revision.
func (s *store) notOlderThan(ctx context.Context, resourceVersion string) (*state, error) {
	if resourceVersion == "" {
		return s.latest(ctx)
	}
	rv, err := s.versioner.ParseResourceVersion(resourceVersion)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid resource version: %v", err))
	}
	now, err := s.snapshot()
	if err != nil || now.rev >= rv {
		return now, err
	}
	if now, err = s.latest(ctx); err != nil {
		return nil, err
	}
	if now.rev < rv {
		return nil, storage.NewTooLargeResourceVersionError(rv, now.rev, 0)
	}
	return now, nil
}

// Stats implements storage.Interface.
func (s *store) Stats(context.Context) (storage.Stats, error) {
	now, err := s.snapshot()
	if err != nil {
		return storage.Stats{}, err
	}
	var out storage.Stats
	var size int64
	now.ascend(s.prefix, s.prefix, func(e *entry) bool {
		out.ObjectCount++
		size += int64(e.size)
		return true
	})
	if s.sizes.Load() && out.ObjectCount > 0 {
		out.EstimatedAverageObjectSizeBytes = size / out.ObjectCount
	}
	return out, nil
}

// EnableResourceSizeEstimation implements storage.Interface. The sizes are known without asking.
func (s *store) EnableResourceSizeEstimation(storage.KeysFunc) error {
	s.sizes.Store(true)
	return nil
}

// ReadinessCheck implements storage.Interface.
func (s *store) ReadinessCheck() error {
	if s.e.Ready() != nil {
		return storage.ErrStorageNotReady
	}
	return nil
}

// GetCurrentResourceVersion implements storage.Interface: the revision of all resources, linearizable.
func (s *store) GetCurrentResourceVersion(ctx context.Context) (uint64, error) {
	now, err := s.latest(ctx)
	if err != nil {
		return 0, err
	}
	return now.rev, nil
}

// CompactRevision implements storage.Interface.
func (s *store) CompactRevision() int64 {
	if now, _ := s.e.hist.current(); now != nil {
		return int64(now.compacted)
	}
	return 0
}

// Compact forgets what was before a revision: deleted objects, events, states. Watches and lists that need it end with 410.
func (e *Engine) Compact(ctx context.Context, rev uint64) error {
	return e.submit(newRequest(ctx, &write{verb: compact, expect: rev}))
}

// listItems returns the settable slice of a list object.
func listItems(list runtime.Object) (reflect.Value, error) {
	items, err := meta.GetItemsPtr(list)
	if err != nil {
		return reflect.Value{}, err
	}
	v, err := conversion.EnforcePtr(items)
	if err != nil || v.Kind() != reflect.Slice {
		return reflect.Value{}, fmt.Errorf("need a pointer to a slice, got %T: %v", items, err)
	}
	return v, nil
}
