package apiserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/util/dryrun"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// category is what "kubectl get kubeovn" lists.
const category = "kubeovn"

// REST serves one resource: the generic registry over the engine, with dry runs that are planned like writes.
type REST struct {
	*genericregistry.Store
	resource   string
	shortNames []string
	planner    planner
	permanent  []string // names of the objects that cannot be deleted
}

var (
	_ rest.StandardStorage      = (*REST)(nil)
	_ rest.ShortNamesProvider   = (*REST)(nil)
	_ rest.CategoriesProvider   = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
)

func newREST(k *kind, getter generic.RESTOptionsGetter, engine *storage.Engine, config kubeovn.Config) (*REST, error) {
	strategy := k.strategy(Scheme, environment{engine.View, config})
	attrs := func(obj runtime.Object) (labels.Set, fields.Set, error) {
		o, ok := obj.(storage.Object)
		if !ok {
			return nil, nil, fmt.Errorf("%T is no API object", obj)
		}
		return o.GetLabels(), k.selectable(o), nil
	}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return k.new() },
		NewListFunc:               k.newList,
		DefaultQualifiedResource:  v1.Resource(k.resource),
		SingularQualifiedResource: v1.Resource(k.singular),
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		ResetFieldsStrategy:       strategy,
		TableConvertor:            k.table(engine.View),
		PredicateFunc: func(label labels.Selector, field fields.Selector) apistorage.SelectionPredicate {
			return apistorage.SelectionPredicate{Label: label, Field: field, GetAttrs: attrs}
		},
		// REST.Delete needs to see whether the object is gone or Terminating.
		ReturnDeletedObject: true,
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: attrs}); err != nil {
		return nil, err
	}
	// A readiness check of the storage would hold back /livez and /readyz, and with them discovery, while the database is
	// away at the start.
	store.ReadinessCheckFunc = nil
	return &REST{Store: store, resource: k.resource, shortNames: k.shortNames, planner: engine, permanent: permanent(k, config)}, nil
}

// permanent names the objects of a kind on which the network of the cluster itself is built. Without them no pod that has no
// network of its own would get an address, until a restart of the server.
func permanent(k *kind, config kubeovn.Config) []string {
	var names []string
	for _, o := range kubeovn.DefaultObjects(config) {
		if o.GetObjectKind().GroupVersionKind().Kind == k.name {
			names = append(names, o.GetName())
		}
	}
	return names
}

// ShortNames implements rest.ShortNamesProvider.
func (r *REST) ShortNames() []string { return r.shortNames }

// Categories implements rest.CategoriesProvider.
func (r *REST) Categories() []string { return []string{category} }

// DeleteReturnsDeletedObject implements rest.MayReturnFullObjectDeleter: a successful deletion is answered with a Status.
func (r *REST) DeleteReturnsDeletedObject() bool { return false }

// Create implements rest.Creater.
func (r *REST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	if !dryrun.IsDryRun(options.DryRun) {
		return r.Store.Create(ctx, obj, validate, options)
	}
	d := dryRun{planner: r.planner, resource: r.resource}
	out, err := r.Store.Create(ctx, obj, d.create(validate), options)
	return d.answer(out, err)
}

// Update implements rest.Updater.
func (r *REST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, validateCreate rest.ValidateObjectFunc,
	validateUpdate rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if !dryrun.IsDryRun(options.DryRun) {
		return r.Store.Update(ctx, name, info, validateCreate, validateUpdate, forceAllowCreate, options)
	}
	d := dryRun{planner: r.planner, resource: r.resource}
	out, created, err := r.Store.Update(ctx, name, info, d.create(validateCreate), d.update(validateUpdate), forceAllowCreate, options)
	out, err = d.answer(out, err)
	return out, created, err
}

// Delete implements rest.GracefulDeleter. An object that others refer to does not vanish: the answer is the object as it is
// then, Terminating, and the engine's warning says what it waits for.
func (r *REST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	out, deleted, err := r.Store.Delete(ctx, name, r.deletable(validate), options)
	if err != nil {
		return out, deleted, err
	}
	obj, ok := out.(storage.Object)
	if !ok {
		return out, deleted, nil
	}
	if options != nil && dryrun.IsDryRun(options.DryRun) {
		if err := planDelete(ctx, r.planner, r.resource, obj); err != nil {
			return nil, false, err
		}
	}
	if obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) > 0 {
		return obj, false, nil
	}
	return &metav1.Status{Status: metav1.StatusSuccess, Details: &metav1.StatusDetails{
		Name: obj.GetName(), Group: r.DefaultQualifiedResource.Group, Kind: r.DefaultQualifiedResource.Resource, UID: obj.GetUID(),
	}}, true, nil
}

// DeleteCollection implements rest.CollectionDeleter.
func (r *REST) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *metainternalversion.ListOptions) (runtime.Object, error) {
	return r.Store.DeleteCollection(ctx, r.deletable(validate), options, list)
}

// deletable refuses the deletion of permanent objects, and leaves all others to the next check.
func (r *REST) deletable(next rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	if len(r.permanent) == 0 {
		return next
	}
	return func(ctx context.Context, obj runtime.Object) error {
		if o, ok := obj.(storage.Object); ok && slices.Contains(r.permanent, o.GetName()) {
			return apierrors.NewForbidden(r.DefaultQualifiedResource, o.GetName(), errors.New("the network of the cluster itself is built on it: it cannot be deleted"))
		}
		if next == nil {
			return nil
		}
		return next(ctx, obj)
	}
}

// statusREST serves the subresource "status": the same objects, of which it writes the status only.
type statusREST struct {
	store    *genericregistry.Store
	planner  planner
	resource string
}

var (
	_ rest.Patcher             = (*statusREST)(nil)
	_ rest.ResetFieldsStrategy = (*statusREST)(nil)
	_ rest.TableConvertor      = (*statusREST)(nil)
)

func newStatusREST(r *REST, strategy updateStrategy) *statusREST {
	store := *r.Store
	store.CreateStrategy = nil
	store.DeleteStrategy = nil
	store.UpdateStrategy = strategy
	store.ResetFieldsStrategy = strategy
	return &statusREST{store: &store, planner: r.planner, resource: r.resource}
}

// New implements rest.Storage.
func (r *statusREST) New() runtime.Object { return r.store.New() }

// Destroy implements rest.Storage: the main resource owns the storage.
func (r *statusREST) Destroy() {}

// Get implements rest.Getter.
func (r *statusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update implements rest.Updater. A status never creates its object.
func (r *statusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, validateCreate rest.ValidateObjectFunc,
	validateUpdate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if !dryrun.IsDryRun(options.DryRun) {
		return r.store.Update(ctx, name, info, validateCreate, validateUpdate, false, options)
	}
	d := dryRun{planner: r.planner, resource: r.resource}
	out, created, err := r.store.Update(ctx, name, info, validateCreate, d.update(validateUpdate), false, options)
	out, err = d.answer(out, err)
	return out, created, err
}

// GetResetFields implements rest.ResetFieldsStrategy.
func (r *statusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable implements rest.TableConvertor.
func (r *statusREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}
