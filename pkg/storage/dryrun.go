package storage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// A dry run is the plan of a write without its commit: the same functions on the same snapshot, so that the verdict and the
// allocated values are those that the write would have met.

// try plans a request on a published state and discards the plan.
func (e *Engine) try(ctx context.Context, s *state, writes ...*write) error {
	if s == nil {
		return unavailable()
	}
	e.clones.Lock()
	work := s.clone()
	e.clones.Unlock()
	work.hints = s.hints.freeze()
	b := newBatch(e, s, work)
	if err := b.add(newRequest(ctx, writes...)); err != nil {
		return err
	}
	if err := b.derive(); err != nil {
		return asStatus(err)
	}
	t := ovsdb.NewTxn("")
	b.rows.write(t, b.cols, s.schema, nil)
	if err := t.Err(); err != nil {
		return asStatus(err)
	}
	return nil
}

// PlanCreate returns what Create would store.
func (e *Engine) PlanCreate(ctx context.Context, resource string, obj Object) (Object, error) {
	w, err := e.creation(resource, obj)
	if err != nil {
		return nil, err
	}
	s, _ := e.hist.current()
	if err := e.try(ctx, s, w); err != nil {
		return nil, err
	}
	return w.out.obj, nil
}

// PlanUpdate returns what an update of old to obj would store. It fails with a conflict when old is not current.
func (e *Engine) PlanUpdate(ctx context.Context, resource string, old, obj Object) (Object, error) {
	res := e.byName[resource]
	if res == nil {
		return nil, fmt.Errorf("storage: resource %q is not registered", resource)
	}
	key := "/" + resource + "/" + obj.GetName()
	s, _ := e.hist.current()
	if s == nil {
		return nil, unavailable()
	}
	cur := s.get(key)
	if cur == nil {
		return nil, storage.NewKeyNotFoundError(key, 0)
	}
	if rv := old.GetResourceVersion(); cur.obj == nil || rv != "" && rv != cur.obj.GetResourceVersion() {
		return nil, storage.NewResourceVersionConflictsError(key, int64(cur.rev))
	}
	w := &write{verb: update, res: res, key: key, expect: cur.rev, obj: obj, expires: cur.expires}
	if err := e.try(ctx, s, w); err != nil {
		return nil, err
	}
	out := w.out.obj
	out.SetResourceVersion(cur.obj.GetResourceVersion())
	return out, nil
}

// PlanDelete returns what refers to an object: when there is anything, a deletion leaves the object waiting for it.
func (e *Engine) PlanDelete(ctx context.Context, resource, name string) (holders []Ref, err error) {
	s, _ := e.hist.current()
	if s == nil {
		return nil, unavailable()
	}
	cur := s.get("/" + resource + "/" + name)
	if cur == nil {
		return nil, storage.NewKeyNotFoundError("/"+resource+"/"+name, 0)
	}
	w := &write{verb: remove, res: cur.res, key: cur.key, expect: cur.rev}
	if err := e.try(ctx, s, w); err != nil {
		return nil, err
	}
	return w.holders, nil
}

// CreateAll creates several objects, of any resources, in one transaction: all or none. An object with a resource version
// replaces the stored one of that version instead. An error is a *BatchError that names the first object that was refused.
// With dryRun nothing is stored. The results are in the order of objs.
func (e *Engine) CreateAll(ctx context.Context, objs []Object, dryRun bool) ([]Object, error) {
	writes := make([]*write, len(objs))
	for i, obj := range objs {
		res := e.resourceFor(obj)
		if res == nil {
			return nil, fmt.Errorf("storage: %T is of no registered resource", obj)
		}
		w, err := e.creation(res.Name, obj)
		if err != nil {
			return nil, err
		}
		if rv := obj.GetResourceVersion(); rv != "" {
			w.verb = update
			if w.expect, err = strconv.ParseUint(rv, 10, 64); err != nil {
				return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid resource version: %v", err))
			}
		}
		writes[i] = w
	}
	var err error
	if dryRun {
		s, _ := e.hist.current()
		err = e.try(ctx, s, writes...)
	} else {
		err = e.submit(newRequest(ctx, writes...))
	}
	if errors.Is(err, errStale) {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: e.opts.Group}, "", err)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Object, len(writes))
	for i, w := range writes {
		out[i] = w.out.obj.DeepCopyObject().(Object)
	}
	return out, nil
}

func (e *Engine) creation(resource string, obj Object) (*write, error) {
	res := e.byName[resource]
	if res == nil {
		return nil, fmt.Errorf("storage: resource %q is not registered", resource)
	}
	normalize(obj)
	return &write{verb: create, res: res, key: "/" + resource + "/" + obj.GetName(), uuid: ovsdb.NewUUID(), obj: obj}, nil
}

// resourceFor finds the resource of an object by its Go type.
func (e *Engine) resourceFor(obj Object) *Resource {
	for _, r := range e.opts.Resources {
		if reflect.TypeOf(r.New()) == reflect.TypeOf(obj) {
			return r
		}
	}
	return nil
}
