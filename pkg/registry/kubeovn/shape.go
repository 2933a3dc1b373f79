package kubeovn

import (
	"context"
	"reflect"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Shape is what a kind says about its objects without looking at others. T is the pointer to a struct with the field Spec and,
// unless the kind has no status, Status. Functions may be nil.
type Shape[T storage.Object] struct {
	Keep     func(obj, old T)                 // of updates, before Complete: what the server wrote stays when a client leaves it out
	Complete func(obj T)                      // writes out defaults; what cannot be read stays for Check to name
	Check    func(obj T) field.ErrorList      // of every write
	Update   func(obj, old T) field.ErrorList // of updates, besides Check
	Warnings func(obj, old T) []string        // of what is new or changed; old is zero when the object is new

	Unconditional bool // a PUT without a resource version overwrites
}

// ShapeStrategy is the strategy of the main resource of a kind: the status is the server's, and the generation counts changes of
// the spec.
type ShapeStrategy[T storage.Object] struct {
	Strategy
	shape Shape[T]
}

// NewShapeStrategy returns the strategy of a kind's main resource.
func NewShapeStrategy[T storage.Object](typer runtime.ObjectTyper, shape Shape[T]) ShapeStrategy[T] {
	return ShapeStrategy[T]{NewStrategy(typer), shape}
}

var (
	_ rest.RESTCreateStrategy  = ShapeStrategy[storage.Object]{}
	_ rest.RESTUpdateStrategy  = ShapeStrategy[storage.Object]{}
	_ rest.RESTDeleteStrategy  = ShapeStrategy[storage.Object]{}
	_ rest.ResetFieldsStrategy = ShapeStrategy[storage.Object]{}
)

// PrepareForCreate implements rest.RESTCreateStrategy.
func (s ShapeStrategy[T]) PrepareForCreate(_ context.Context, obj runtime.Object) {
	if status := part(obj, "Status"); status.IsValid() {
		status.SetZero()
	}
	obj.(T).SetGeneration(1)
	s.complete(obj)
}

// Validate implements rest.RESTCreateStrategy.
func (s ShapeStrategy[T]) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	if s.shape.Check == nil {
		return nil
	}
	return s.shape.Check(obj.(T))
}

// WarningsOnCreate implements rest.RESTCreateStrategy.
func (s ShapeStrategy[T]) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	if s.shape.Warnings == nil {
		return nil
	}
	var none T
	return s.shape.Warnings(obj.(T), none)
}

// PrepareForUpdate implements rest.RESTUpdateStrategy.
func (s ShapeStrategy[T]) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	if status := part(obj, "Status"); status.IsValid() {
		status.Set(part(old, "Status"))
	}
	if s.shape.Keep != nil {
		s.shape.Keep(obj.(T), old.(T))
	}
	s.complete(obj)
	generation := old.(T).GetGeneration()
	if !apiequality.Semantic.DeepEqual(part(obj, "Spec").Interface(), part(old, "Spec").Interface()) {
		generation++
	}
	obj.(T).SetGeneration(generation)
}

// ValidateUpdate implements rest.RESTUpdateStrategy.
func (s ShapeStrategy[T]) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	errs := s.Validate(ctx, obj)
	if s.shape.Update != nil {
		errs = append(errs, s.shape.Update(obj.(T), old.(T))...)
	}
	return errs
}

// AllowUnconditionalUpdate implements rest.RESTUpdateStrategy.
func (s ShapeStrategy[T]) AllowUnconditionalUpdate(context.Context) bool {
	return s.shape.Unconditional
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (s ShapeStrategy[T]) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	if s.shape.Warnings == nil {
		return nil
	}
	return s.shape.Warnings(obj.(T), old.(T))
}

func (s ShapeStrategy[T]) complete(obj runtime.Object) {
	if s.shape.Complete != nil {
		s.shape.Complete(obj.(T))
	}
}

// StatusStrategy is the strategy of a status subresource that node agents and controllers write: all but the status stays.
type StatusStrategy struct {
	Strategy
	// Check says what is wrong with a status; optional.
	Check func(obj runtime.Object) field.ErrorList
}

// NewStatusStrategy returns the strategy of a status that is the server's: what is sent as status is planned and derived anew.
func NewStatusStrategy(typer runtime.ObjectTyper) StatusStrategy {
	return StatusStrategy{Strategy: NewStrategy(typer)}
}

var (
	_ rest.RESTUpdateStrategy  = StatusStrategy{}
	_ rest.ResetFieldsStrategy = StatusStrategy{}
)

// PrepareForUpdate implements rest.RESTUpdateStrategy.
func (StatusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	part(obj, "Spec").Set(part(old, "Spec"))
	now, before := obj.(storage.Object), old.(storage.Object)
	now.SetGeneration(before.GetGeneration())
	now.SetLabels(before.GetLabels())
	now.SetAnnotations(before.GetAnnotations())
	now.SetFinalizers(before.GetFinalizers())
	now.SetOwnerReferences(before.GetOwnerReferences())
}

// ValidateUpdate implements rest.RESTUpdateStrategy.
func (s StatusStrategy) ValidateUpdate(_ context.Context, obj, _ runtime.Object) field.ErrorList {
	if s.Check == nil {
		return nil
	}
	return s.Check(obj)
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (StatusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields implements rest.ResetFieldsStrategy: those who apply a status own nothing else.
func (StatusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return ResetFields("spec", "metadata")
}

// SameSpec reports whether two objects of one kind ask for the same. What was decided for one that asks for the same as before stands:
// a change of a label, or what an agent reports, is not the place to find out that the world around it has changed.
func SameSpec(a, b storage.Object) bool {
	return apiequality.Semantic.DeepEqual(part(a, "Spec").Interface(), part(b, "Spec").Interface())
}

// part is the field of an API object with a name; invalid when there is none.
func part(obj runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}
