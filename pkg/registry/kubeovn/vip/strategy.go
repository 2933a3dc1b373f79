package vip

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
)

// Strategy is how requests treat Vips: the part that needs no other object.
type Strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

var (
	_ rest.RESTCreateStrategy  = Strategy{}
	_ rest.RESTUpdateStrategy  = Strategy{}
	_ rest.RESTDeleteStrategy  = Strategy{}
	_ rest.ResetFieldsStrategy = Strategy{}
)

// NewStrategy returns the strategy for objects that the typer knows.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{typer, names.SimpleNameGenerator}
}

// NamespaceScoped is false: Vips are cluster-scoped.
func (Strategy) NamespaceScoped() bool { return false }

// PrepareForCreate clears the status, which is the server's, and sets the label that clients select by.
func (Strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	vip := obj.(*v1.Vip)
	vip.Status = v1.VipStatus{}
	vip.Generation = 1
	address.SetLabel(vip, v1.LabelSubnet, vip.Spec.Subnet)
}

// Validate returns what is wrong with the shape of a new Vip.
func (Strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validate(obj.(*v1.Vip))
}

// WarningsOnCreate has none.
func (Strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

// Canonicalize does nothing: what is not canonical is refused.
func (Strategy) Canonicalize(runtime.Object) {}

// AllowCreateOnUpdate is false: a PUT does not create.
func (Strategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate is true: a PUT without a resource version overwrites.
func (Strategy) AllowUnconditionalUpdate(context.Context) bool { return true }

// PrepareForUpdate keeps the status, whatever the client says.
func (Strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	vip, before := obj.(*v1.Vip), old.(*v1.Vip)
	vip.Status = *before.Status.DeepCopy()
	address.SetLabel(vip, v1.LabelSubnet, vip.Spec.Subnet)
	vip.Generation = before.Generation
	if !equality.Semantic.DeepEqual(vip.Spec, before.Spec) {
		vip.Generation++
	}
}

// ValidateUpdate returns what is wrong with the shape of a changed Vip, and refuses changes of what is assigned once.
func (Strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validateUpdate(obj.(*v1.Vip), old.(*v1.Vip))
}

// WarningsOnUpdate has none.
func (Strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields is the status: no client owns a field of it.
func (Strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(v1.SchemeGroupVersion.String()): fieldpath.NewSet(fieldpath.MakePathOrDie("status")),
	}
}

// SelectableFields are the fields that field selectors may name.
func SelectableFields(vip *v1.Vip) fields.Set {
	set := fields.Set{"metadata.name": vip.Name}
	for _, f := range v1.SelectableFields("Vip") {
		set[f.Label] = f.Value(vip)
	}
	return set
}
