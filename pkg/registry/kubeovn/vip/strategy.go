package vip

import (
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

// NewStrategy returns how requests treat Vips: the part that needs no other object.
func NewStrategy(typer runtime.ObjectTyper) kubeovn.ShapeStrategy[*v1.Vip] {
	return kubeovn.NewShapeStrategy(typer, kubeovn.Shape[*v1.Vip]{
		Complete: setLabel, Check: validate, Update: validateUpdate, Unconditional: true,
	})
}

// setLabel sets the label that clients select by.
func setLabel(vip *v1.Vip) { address.SetLabel(vip, v1.LabelSubnet, vip.Spec.Subnet) }

// SelectableFields are the fields that field selectors may name.
func SelectableFields(vip *v1.Vip) fields.Set { return shape.SelectableFields("Vip", vip) }
