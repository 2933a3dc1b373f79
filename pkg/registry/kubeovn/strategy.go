package kubeovn

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Strategy is what the strategies of all kinds have in common: the kinds are cluster-scoped, have one form, and are updated
// as custom resources are, naming the version that the update started from.
type Strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

// NewStrategy returns the common part of a kind's strategy.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator}
}

// NamespaceScoped implements rest.RESTCreateStrategy.
func (Strategy) NamespaceScoped() bool { return false }

// Canonicalize implements rest.RESTCreateStrategy.
func (Strategy) Canonicalize(runtime.Object) {}

// AllowCreateOnUpdate implements rest.RESTUpdateStrategy.
func (Strategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate implements rest.RESTUpdateStrategy.
func (Strategy) AllowUnconditionalUpdate(context.Context) bool { return false }

// GetResetFields implements rest.ResetFieldsStrategy: those who apply an object do not own its status.
func (Strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return ResetFields("status")
}

// ResetFields is the answer of GetResetFields for top-level fields.
func ResetFields(names ...string) map[fieldpath.APIVersion]*fieldpath.Set {
	set := fieldpath.NewSet()
	for _, name := range names {
		set.Insert(fieldpath.MakePathOrDie(name))
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(v1.SchemeGroupVersion.String()): set}
}
