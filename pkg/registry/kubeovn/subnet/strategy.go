package subnet

import (
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

// NewStrategy returns what the generic registry does with a Subnet before it is stored: shape only. What depends on other objects
// is decided by the engine's Plan.
func NewStrategy(typer runtime.ObjectTyper) kubeovn.ShapeStrategy[*v1.Subnet] {
	return kubeovn.NewShapeStrategy(typer, kubeovn.Shape[*v1.Subnet]{
		Keep: follow, Check: validate, Update: validateUpdate, Warnings: warnings,
	})
}

// SelectableFields are the fields by which lists and watches may select.
func SelectableFields(subnet *v1.Subnet) fields.Set { return shape.SelectableFields("Subnet", subnet) }
