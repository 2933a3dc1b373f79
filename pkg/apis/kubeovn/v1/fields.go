package v1

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// SelectableField is a field by which lists and watches of a kind can be filtered (kubectl get --field-selector), in
// addition to metadata.name.
//
// +k8s:deepcopy-gen=false
// +k8s:openapi-gen=false
type SelectableField struct {
	// Label is the field's path, as "spec.vpc".
	Label string
	// Value reads the field of an object of the kind.
	Value func(runtime.Object) string
}

// SelectableFields returns the selectable fields of a kind. Registration with a scheme makes it accept exactly these and
// metadata.name for the kind, and refuse others as a bad request.
func SelectableFields(kind string) []SelectableField { return selectableFields[kind] }

var selectableFields = map[string][]SelectableField{
	"Vpc":             nil,
	"ProviderNetwork": nil,
	"Chassis":         nil,
	"Subnet": {
		field("spec.vpc", func(o *Subnet) string { return o.Spec.Vpc }),
		field("spec.vlan", func(o *Subnet) string { return o.Spec.Vlan }),
		field("spec.provider", func(o *Subnet) string { return o.Spec.Provider }),
	},
	"IP": {
		field("spec.subnet", func(o *IP) string { return o.Spec.Subnet }),
		field("spec.nodeName", func(o *IP) string { return o.Spec.NodeName }),
		field("spec.podName", func(o *IP) string { return o.Spec.PodName }),
		field("spec.namespace", func(o *IP) string { return o.Spec.Namespace }),
	},
	"Vip": {
		field("spec.subnet", func(o *Vip) string { return o.Spec.Subnet }),
		field("spec.namespace", func(o *Vip) string { return o.Spec.Namespace }),
		field("spec.type", func(o *Vip) string { return string(o.Spec.Type) }),
	},
	"OvnEip": {
		field("spec.externalSubnet", func(o *OvnEip) string { return o.Spec.ExternalSubnet }),
		field("spec.type", func(o *OvnEip) string { return string(o.Spec.Type) }),
	},
	"OvnFip":           {field("spec.ovnEip", func(o *OvnFip) string { return o.Spec.OvnEip })},
	"OvnSnatRule":      {field("spec.ovnEip", func(o *OvnSnatRule) string { return o.Spec.OvnEip })},
	"OvnDnatRule":      {field("spec.ovnEip", func(o *OvnDnatRule) string { return o.Spec.OvnEip })},
	"IptablesEIP":      {field("spec.natGwDp", func(o *IptablesEIP) string { return o.Spec.NatGwDp })},
	"IptablesFIPRule":  {field("spec.eip", func(o *IptablesFIPRule) string { return o.Spec.EIP })},
	"IptablesSnatRule": {field("spec.eip", func(o *IptablesSnatRule) string { return o.Spec.EIP })},
	"IptablesDnatRule": {field("spec.eip", func(o *IptablesDnatRule) string { return o.Spec.EIP })},
	"VpcNatGateway":    {field("spec.vpc", func(o *VpcNatGateway) string { return o.Spec.Vpc })},
	"SwitchLBRule":     {field("spec.namespace", func(o *SwitchLBRule) string { return o.Spec.Namespace })},
	"VpcDns":           {field("spec.vpc", func(o *VpcDns) string { return o.Spec.Vpc })},
	"Vlan":             {field("spec.provider", func(o *Vlan) string { return o.Spec.Provider })},
}

func field[T runtime.Object](label string, value func(T) string) SelectableField {
	return SelectableField{Label: label, Value: func(o runtime.Object) string { return value(o.(T)) }}
}

func addFieldLabels(scheme *runtime.Scheme) error {
	for kind, fields := range selectableFields {
		known := map[string]bool{metav1.ObjectNameField: true}
		for _, f := range fields {
			known[f.Label] = true
		}
		convert := func(label, value string) (string, string, error) {
			if !known[label] {
				return "", "", fmt.Errorf("field label not supported for %s: %q", kind, label)
			}
			return label, value, nil
		}
		if err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind(kind), convert); err != nil {
			return err
		}
	}
	return nil
}
