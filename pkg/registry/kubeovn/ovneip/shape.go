package ovneip

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

var specPath = field.NewPath("spec")

// Shape is what requests and tables do with OvnEips. The columns are those of the guides, in which TYPE says what a nat address is
// used for; what later versions of Kube-OVN print besides is behind -o wide.
var Shape = &shape.Kind[*v1.OvnEip]{
	Name:           "OvnEip",
	Validate:       validate,
	ValidateUpdate: validateUpdate,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the OvnEip."),
		shape.Text("V4IP", "IPv4 address."),
		shape.Text("V6IP", "IPv6 address."),
		shape.Text("Mac", "MAC that goes with the address."),
		shape.Text("Type", "What the address is used for: dnat, fip and snat, lrp, lsp; nat when no rule uses it."),
		shape.Flag("Ready", "Whether the address is assigned and, for lrp and lsp, its port exists."),
		shape.Wide(shape.Text("Nat", "Kinds of NAT rules that use the address.")),
		shape.Wide(shape.Text("ExternalSubnet", "Subnet of the address.")),
	},
	Cells: func(e *v1.OvnEip, name, _ string) []any {
		s := &e.Status
		use := string(s.Type)
		if s.Nat != "" {
			use = s.Nat
		}
		return []any{name, s.V4IP, s.V6IP, s.MacAddress, use, s.Ready, s.Nat, e.Spec.ExternalSubnet}
	},
}

func typeOf(e *v1.OvnEip) v1.OvnEipType {
	if e.Spec.Type == "" {
		return v1.OvnEipNat
	}
	return e.Spec.Type
}

func validate(e *v1.OvnEip) field.ErrorList {
	spec := &e.Spec
	errs := shape.OptionalName(specPath.Child("externalSubnet"), spec.ExternalSubnet)
	switch typeOf(e) {
	case v1.OvnEipNat, v1.OvnEipLrp, v1.OvnEipLsp:
	default:
		errs = append(errs, field.NotSupported(specPath.Child("type"), spec.Type, []v1.OvnEipType{v1.OvnEipNat, v1.OvnEipLrp, v1.OvnEipLsp}))
	}
	_, problems := requested(spec)
	errs = append(errs, problems...)
	return append(errs, shape.MAC(specPath.Child("macAddress"), spec.MacAddress)...)
}

// requested returns the addresses that a spec names.
func requested(spec *v1.OvnEipSpec) (ipam.Addrs, field.ErrorList) {
	return shape.Addresses(specPath.Child("v4Ip"), spec.V4IP, specPath.Child("v6Ip"), spec.V6IP)
}

// validateUpdate refuses changes of what is assigned once. A field of spec that was empty may be given the value that was
// assigned, as clients of Kube-OVN do that write back what they read, and may be left out again.
func validateUpdate(e, old *v1.OvnEip) field.ErrorList {
	now, has := &e.Spec, &old.Status
	errs := shape.Fixed(specPath.Child("type"), string(typeOf(e)), string(typeOf(old)))
	if now.ExternalSubnet != "" {
		errs = append(errs, shape.Fixed(specPath.Child("externalSubnet"), now.ExternalSubnet, old.Spec.ExternalSubnet)...)
	}
	if now.V4IP != "" {
		errs = append(errs, shape.Fixed(specPath.Child("v4Ip"), now.V4IP, has.V4IP)...)
	}
	if now.V6IP != "" {
		errs = append(errs, shape.Fixed(specPath.Child("v6Ip"), now.V6IP, has.V6IP)...)
	}
	if now.MacAddress != "" && !strings.EqualFold(now.MacAddress, has.MacAddress) {
		errs = append(errs, shape.Fixed(specPath.Child("macAddress"), now.MacAddress, has.MacAddress)...)
	}
	return errs
}
