package subnet

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
)

// Strategy is what the generic registry does with a Subnet before it is stored: shape only. What depends on other objects is
// decided by the engine's Plan.
type Strategy struct{ kubeovn.Strategy }

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
	subnet := obj.(*v1.Subnet)
	subnet.Status = v1.SubnetStatus{}
	subnet.Generation = 1
	completeAddresses(subnet)
}

// Validate implements rest.RESTCreateStrategy.
func (Strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validate(obj.(*v1.Subnet))
}

// WarningsOnCreate implements rest.RESTCreateStrategy.
func (Strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return warnings(obj.(*v1.Subnet), nil)
}

// PrepareForUpdate implements rest.RESTUpdateStrategy: the generation counts changes of the spec.
func (Strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	subnet, before := obj.(*v1.Subnet), old.(*v1.Subnet)
	subnet.Status = before.Status
	inherit(subnet, before)
	completeAddresses(subnet)
	subnet.Generation = before.Generation
	if !apiequality.Semantic.DeepEqual(subnet.Spec, before.Spec) {
		subnet.Generation++
	}
}

// ValidateUpdate implements rest.RESTUpdateStrategy.
func (Strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return append(validate(obj.(*v1.Subnet)), validateUpdate(obj.(*v1.Subnet), old.(*v1.Subnet))...)
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (Strategy) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return warnings(obj.(*v1.Subnet), old.(*v1.Subnet))
}

// StatusStrategy is the strategy of the status subresource: all but the status stays.
type StatusStrategy struct{ Strategy }

// NewStatusStrategy returns the strategy of the status subresource.
func NewStatusStrategy(s Strategy) StatusStrategy { return StatusStrategy{s} }

// PrepareForUpdate implements rest.RESTUpdateStrategy.
func (StatusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	subnet, before := obj.(*v1.Subnet), old.(*v1.Subnet)
	subnet.Spec, subnet.Generation = before.Spec, before.Generation
	subnet.Labels, subnet.Annotations = before.Labels, before.Annotations
	subnet.Finalizers, subnet.OwnerReferences = before.Finalizers, before.OwnerReferences
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
func SelectableFields(subnet *v1.Subnet) fields.Set {
	return generic.AddObjectMetaFieldsSet(fields.Set{
		"spec.vpc":      subnet.Spec.Vpc,
		"spec.vlan":     subnet.Spec.Vlan,
		"spec.provider": subnet.Spec.Provider,
	}, &subnet.ObjectMeta, false)
}

// GetAttrs returns labels and selectable fields of a Subnet.
func GetAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	subnet, ok := obj.(*v1.Subnet)
	if !ok {
		return nil, nil, fmt.Errorf("%T is not a Subnet", obj)
	}
	return subnet.Labels, SelectableFields(subnet), nil
}
