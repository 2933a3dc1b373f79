package vpc

import (
	"context"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Strategy is what the generic registry does with a Vpc before it is stored: shape only. What depends on other objects is
// decided by the engine's Plan.
type Strategy struct {
	kubeovn.ShapeStrategy[*v1.Vpc]
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
	return Strategy{ShapeStrategy: kubeovn.NewShapeStrategy(typer, kubeovn.Shape[*v1.Vpc]{Check: validate})}
}

// WarningsOnCreate implements rest.RESTCreateStrategy.
func (s Strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return s.warnings(obj.(*v1.Vpc), nil)
}

// WarningsOnUpdate implements rest.RESTUpdateStrategy.
func (s Strategy) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return s.warnings(obj.(*v1.Vpc), old.(*v1.Vpc))
}

// SelectableFields are the fields by which lists and watches may select.
func SelectableFields(vpc *v1.Vpc) fields.Set { return shape.SelectableFields("Vpc", vpc) }
