package storage

import (
	"bytes"
	"context"
	"errors"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// GuaranteedUpdate implements storage.Interface.
func (s *store) GuaranteedUpdate(ctx context.Context, key string, destination runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc, _ runtime.Object) error {
	key, err := s.prepare(key, false)
	if err != nil {
		return err
	}
	return s.decide(ctx, key, func(e *entry, current bool) (bool, error) {
		return s.tryUpdate(ctx, e, key, destination, ignoreNotFound, preconditions, tryUpdate, current)
	})
}

// decide makes attempts on versions of an object until a verdict stands: first on the version at hand, which may be old, then
// on the latest. An attempt that is not done met a version that is not current, or reached a verdict that holds only if it is.
func (s *store) decide(ctx context.Context, key string, attempt func(e *entry, current bool) (done bool, err error)) error {
	now, err := s.snapshot()
	if err != nil {
		return err
	}
	for current := false; ; current = true {
		done, err := attempt(now.get(key), current)
		if done {
			return err
		}
		if cause := context.Cause(ctx); cause != nil {
			return apierrors.NewTimeoutError(cause.Error(), 1)
		}
		fresh, readErr := s.latest(ctx)
		if readErr != nil {
			return readErr
		}
		if err != nil && fresh.get(key) == now.get(key) {
			return err // the same object: the refusal stands
		}
		now = fresh
	}
}

// tryUpdate makes one attempt on one version of the object. done is false when another version should be tried.
func (s *store) tryUpdate(ctx context.Context, e *entry, key string, destination runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, try storage.UpdateFunc, current bool) (done bool, err error) {
	if e == nil && !ignoreNotFound {
		return current, storage.NewKeyNotFoundError(key, 0)
	}
	var stale bool
	var stored Object
	var rev uint64
	if e != nil {
		rev = e.rev
		if stored, stale, err = s.object(ctx, e); err != nil {
			return true, err
		}
	} else {
		stored = s.res.New()
	}
	if err := preconditions.Check(key, stored); err != nil {
		return current, err
	}
	ret, ttl, err := try(stored.DeepCopyObject(), storage.ResponseMeta{ResourceVersion: rev})
	if err != nil {
		return current, err
	}
	object, err := s.storable(ret)
	if err != nil {
		return true, err
	}
	if e != nil && !stale && ttl == nil && s.unchanged(ctx, e, object, stored) {
		if !current {
			// Nothing to write is only true of the object as it is now.
			if now, err := s.latest(ctx); err != nil {
				return true, err
			} else if now.get(key) != e {
				return false, nil
			}
		}
		return true, copyInto(destination, stored, true)
	}
	w := &write{verb: create, res: s.res, key: key, uuid: ovsdb.NewUUID(), obj: object}
	if e != nil {
		w.verb, w.expect, w.expires = update, e.rev, e.expires
	}
	if ttl != nil {
		w.expires = s.expiry(*ttl)
	}
	err = s.e.submit(newRequest(ctx, w))
	if errors.Is(err, errStale) || (e == nil && storage.IsExist(err)) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, s.result(w.out, destination)
}

// unchanged reports whether a write of object would leave what is stored as it is.
func (s *store) unchanged(ctx context.Context, e *entry, object, stored Object) bool {
	if s.e.opts.Transformer == nil {
		return sameContent(object, stored)
	}
	plain, _, err := s.e.fromStorage(ctx, e.key, e.raw)
	if err != nil {
		return false
	}
	raw, err := runtime.Encode(s.e.opts.Codec, object)
	return err == nil && bytes.Equal(raw, plain)
}

// sameContent reports whether two objects of one kind differ in nothing but their resource version.
func sameContent(obj, stored Object) bool {
	obj.GetObjectKind().SetGroupVersionKind(stored.GetObjectKind().GroupVersionKind())
	rv := obj.GetResourceVersion()
	obj.SetResourceVersion(stored.GetResourceVersion())
	defer obj.SetResourceVersion(rv)
	return apiequality.Semantic.DeepEqual(obj, stored)
}
