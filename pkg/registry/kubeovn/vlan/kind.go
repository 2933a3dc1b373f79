package vlan

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

// maxID is the highest value of ovn-nb(5), Logical_Switch_Port.tag_request.
const maxID = 4095

var (
	specPath     = field.NewPath("spec")
	idPath       = specPath.Child("id")
	providerPath = specPath.Child("provider")
)

// Shape is what requests and tables need to know of the kind.
var Shape = &shape.Kind[*v1.Vlan]{
	Name:     "Vlan",
	Validate: validate,
	ValidateUpdate: func(vlan, old *v1.Vlan) field.ErrorList {
		return append(shape.Fixed(idPath, fmt.Sprint(vlan.Spec.ID), fmt.Sprint(old.Spec.ID)), shape.Fixed(providerPath, vlan.Spec.Provider, old.Spec.Provider)...)
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("The name of the Vlan."),
		shape.Number("ID", "The VLAN identifier; 0 is untagged."),
		shape.Text("Provider", "The ProviderNetwork."),
		shape.Flag("conflict", "Always false: a second Vlan with the same identifier is refused."),
	},
	Cells: func(vlan *v1.Vlan, name, _ string) []any {
		return []any{name, int64(vlan.Spec.ID), vlan.Spec.Provider, vlan.Status.Conflict}
	},
}

// validate checks what can be said of a Vlan without looking at other objects.
func validate(vlan *v1.Vlan) field.ErrorList {
	errs := shape.ObjectName(providerPath, vlan.Spec.Provider, "the name of a ProviderNetwork")
	if id := vlan.Spec.ID; id < 0 || id > maxID {
		errs = append(errs, field.Invalid(idPath, id, fmt.Sprintf("must be 0 (untagged) to %d", maxID)))
	}
	if former := vlan.Spec.VlanID; former != 0 && former != vlan.Spec.ID {
		errs = append(errs, field.Invalid(specPath.Child("vlanId"), former, fmt.Sprintf("is the former name of id, which is %d: leave it out", vlan.Spec.ID)))
	}
	return errs
}
