package apiserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/warning"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// planner is what a dry run needs of the engine: the verdict and the result of a write that is not committed.
type planner interface {
	PlanCreate(ctx context.Context, resource string, obj storage.Object) (storage.Object, error)
	PlanUpdate(ctx context.Context, resource string, old, obj storage.Object) (storage.Object, error)
	PlanDelete(ctx context.Context, resource, name string) (referrers []storage.Ref, err error)
}

var _ planner = (*storage.Engine)(nil)

// dryRun is one dry run of a write. The generic registry's own never reaches the storage: it would neither refuse a conflict
// nor know what is allocated. So the plan runs where the last validation runs, on the object as it would be stored.
type dryRun struct {
	planner  planner
	resource string
	planned  storage.Object
}

func (d *dryRun) create(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		o, ok := obj.(storage.Object)
		if !ok {
			return fmt.Errorf("%T is no API object", obj)
		}
		var err error
		d.planned, err = d.planner.PlanCreate(ctx, d.resource, o)
		return storeerr.InterpretCreateError(err, v1.Resource(d.resource), o.GetName())
	}
}

func (d *dryRun) update(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj, old); err != nil {
				return err
			}
		}
		o, ok := obj.(storage.Object)
		before, okOld := old.(storage.Object)
		if !ok || !okOld {
			return fmt.Errorf("%T is no API object", obj)
		}
		var err error
		d.planned, err = d.planner.PlanUpdate(ctx, d.resource, before, o)
		return storeerr.InterpretUpdateError(err, v1.Resource(d.resource), o.GetName())
	}
}

// answer is the planned object where there is one, else what the registry made of it.
func (d *dryRun) answer(out runtime.Object, err error) (runtime.Object, error) {
	if err != nil || d.planned == nil {
		return out, err
	}
	return d.planned, nil
}

// planDelete marks obj as the deletion would leave it, and warns about what refers to it.
func planDelete(ctx context.Context, p planner, resource string, obj storage.Object) error {
	referrers, err := p.PlanDelete(ctx, resource, obj.GetName())
	if err != nil || len(referrers) == 0 {
		return storeerr.InterpretDeleteError(err, v1.Resource(resource), obj.GetName())
	}
	names := make([]string, 0, len(referrers))
	for _, r := range referrers {
		names = append(names, r.String())
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("%s %s is in use and would be deleted together with the last object that refers to it: %s",
		resource, obj.GetName(), strings.Join(names, ", ")))
	now := metav1.Now()
	obj.SetDeletionTimestamp(&now)
	if f := obj.GetFinalizers(); !slices.Contains(f, storage.FinalizerInUse) {
		obj.SetFinalizers(append(slices.Clone(f), storage.FinalizerInUse))
	}
	return nil
}
