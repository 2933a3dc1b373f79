package vpc

import (
	"context"
	"fmt"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Strategy is what the generic registry does with a Vpc before it is stored: shape only. What depends on other objects is
// decided by the engine's Plan.
type Strategy struct {
	kubeovn.Strategy
	// View returns the current snapshot, for warnings about what other objects make of a Vpc. Optional: without it those
	// warnings are not given.
	View func() storage.View
	// External is the name of the default external Subnet, for the same purpose.
	External string
}

var (
	_ rest.RESTCreateStrategy  = Strategy{}
	_ rest.RESTUpdateStrategy  = Strategy{}
	_ rest.RESTDeleteStrategy  = Strategy{}
	_ rest.ResetFieldsStrategy = Strategy{}
)

// NewStrategy returns the strategy of the main resource.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{Strategy: kubeovn.NewStrategy(typer)}
}

// PrepareForCreate implements rest.RESTCreateStrategy: the status is the server's.
func (Strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	vpc := obj.(*v1.Vpc)
	vpc.Status = v1.VpcStatus{}
	vpc.Generation = 1
	complete(vpc)
}

// Validate implements rest.RESTCreateStrategy.
func (Strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validate(obj.(*v1.Vpc))
}

// WarningsOnCreate implements rest.RESTCreateStrategy.
func (s Strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return s.warnings(obj.(*v1.Vpc), nil)
}

// PrepareForUpdate implements rest.RESTUpdateStrategy: the generation counts changes of the spec.
func (Strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	vpc, before := obj.(*v1.Vpc), old.(*v1.Vpc)
	vpc.Status = before.Status
	complete(vpc)
	vpc.Generation = before.Generation
	if !apiequality.Semantic.DeepEqual(vpc.Spec, before.Spec) {
		vpc.Generation++
	}
}

// ValidateUpdate implements rest.RESTUpdateStrategy.
func (Strategy) ValidateUpdate(_ context.Context, obj, _ runtime.Object) field.ErrorList {
	return validate(obj.(*v1.Vpc))
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (s Strategy) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return s.warnings(obj.(*v1.Vpc), old.(*v1.Vpc))
}

// StatusStrategy is the strategy of the status subresource: all but the status stays.
type StatusStrategy struct{ Strategy }

// NewStatusStrategy returns the strategy of the status subresource.
func NewStatusStrategy(s Strategy) StatusStrategy { return StatusStrategy{s} }

// PrepareForUpdate implements rest.RESTUpdateStrategy.
func (StatusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	vpc, before := obj.(*v1.Vpc), old.(*v1.Vpc)
	vpc.Spec, vpc.Generation = before.Spec, before.Generation
	vpc.Labels, vpc.Annotations = before.Labels, before.Annotations
	vpc.Finalizers, vpc.OwnerReferences = before.Finalizers, before.OwnerReferences
}

// ValidateUpdate implements rest.RESTUpdateStrategy: the status is derived, whatever was sent.
func (StatusStrategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (StatusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields implements rest.ResetFieldsStrategy: those who apply a status own nothing else.
func (StatusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return kubeovn.ResetFields("spec", "metadata")
}

// SelectableFields are the fields by which lists and watches may select.
func SelectableFields(vpc *v1.Vpc) fields.Set {
	return generic.ObjectMetaFieldsSet(&vpc.ObjectMeta, false)
}

// GetAttrs returns labels and selectable fields of a Vpc.
func GetAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	vpc, ok := obj.(*v1.Vpc)
	if !ok {
		return nil, nil, fmt.Errorf("%T is not a Vpc", obj)
	}
	return vpc.Labels, SelectableFields(vpc), nil
}
