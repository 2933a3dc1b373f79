package natgateway

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Plural names of the kinds of rules.
const (
	FIPResource  = "iptables-fip-rules"
	SnatResource = "iptables-snat-rules"
	DnatResource = "iptables-dnat-rules"
)

var (
	internalIPPath   = specPath.Child("internalIp")
	internalCIDRPath = specPath.Child("internalCIDR")

	protocols = []string{"tcp", "udp"}
	dnatTypes = []string{string(v1.DnatExclusive), string(v1.DnatShare)}

	eipColumn     = shape.Text("Eip", "IptablesEIP that the rule uses.")
	v4Column      = shape.Text("V4ip", "External IPv4 address.")
	v6Column      = shape.Text("V6ip", "External IPv6 address.")
	gatewayColumn = shape.Text("NatGwDp", "Gateway that applies the rule.")
	readyColumn   = shape.Flag("Ready", "Whether the gateway applies the rule.")
)

func validateEipName(name string) field.ErrorList {
	return shape.ObjectName(eipPath, name, "the name of the IptablesEIP")
}

func validateInternalIP(text string) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(internalIPPath, "the internal IPv4 address")}
	}
	_, errs := shape.Address(internalIPPath, text, true)
	return errs
}

// FIP is what requests and tables do with IptablesFIPRules.
var FIP = &shape.Kind[*v1.IptablesFIPRule]{
	Name: "IptablesFIPRule",
	Validate: func(r *v1.IptablesFIPRule) field.ErrorList {
		return append(validateEipName(r.Spec.EIP), validateInternalIP(r.Spec.InternalIP)...)
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the IptablesFIPRule."), eipColumn, v4Column, shape.Text("InternalIp", "Internal address."), v6Column, readyColumn, gatewayColumn,
	},
	Cells: func(r *v1.IptablesFIPRule, name, _ string) []any {
		s := &r.Status
		return []any{name, r.Spec.EIP, s.V4ip, r.Spec.InternalIP, s.V6ip, s.Ready, s.NatGwDp}
	},
}

// NewFIPResource returns what the engine knows about IptablesFIPRules.
func NewFIPResource(kubeovn.Config) *storage.Resource {
	return (&rules[*v1.IptablesFIPRule]{
		resource: FIPResource, kind: "IptablesFIPRule",
		new: func() *v1.IptablesFIPRule { return &v1.IptablesFIPRule{} },
		eip: func(r *v1.IptablesFIPRule) string { return r.Spec.EIP },
		outcome: func(r *v1.IptablesFIPRule) outcome {
			s := &r.Status
			return outcome{&s.Conditions, &s.Ready, &s.V4ip, &s.V6ip, &s.NatGwDp}
		},
		internal: func(r *v1.IptablesFIPRule) (*field.Path, string) { return internalIPPath, r.Spec.InternalIP },
		use:      func(*v1.IptablesFIPRule) eipsharing.Use { return eipsharing.Use{Sort: eipsharing.FIP} },
		settle:   func(r *v1.IptablesFIPRule) { r.Status.InternalIP = r.Spec.InternalIP },
	}).newResource()
}

// Snat is what requests and tables do with IptablesSnatRules.
var Snat = &shape.Kind[*v1.IptablesSnatRule]{
	Name: "IptablesSnatRule",
	Validate: func(r *v1.IptablesSnatRule) field.ErrorList {
		errs := validateEipName(r.Spec.EIP)
		if r.Spec.InternalCIDR == "" {
			return append(errs, field.Required(internalCIDRPath, "the internal IPv4 prefix"))
		}
		_, problems := shape.Prefix(internalCIDRPath, r.Spec.InternalCIDR, true)
		return append(errs, problems...)
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the IptablesSnatRule."), eipColumn, v4Column, v6Column, shape.Text("InternalCIDR", "Internal prefix."), gatewayColumn, readyColumn,
	},
	Cells: func(r *v1.IptablesSnatRule, name, _ string) []any {
		s := &r.Status
		return []any{name, r.Spec.EIP, s.V4ip, s.V6ip, r.Spec.InternalCIDR, s.NatGwDp, s.Ready}
	},
}

// NewSnatResource returns what the engine knows about IptablesSnatRules.
func NewSnatResource(kubeovn.Config) *storage.Resource {
	return (&rules[*v1.IptablesSnatRule]{
		resource: SnatResource, kind: "IptablesSnatRule",
		new: func() *v1.IptablesSnatRule { return &v1.IptablesSnatRule{} },
		eip: func(r *v1.IptablesSnatRule) string { return r.Spec.EIP },
		outcome: func(r *v1.IptablesSnatRule) outcome {
			s := &r.Status
			return outcome{&s.Conditions, &s.Ready, &s.V4ip, &s.V6ip, &s.NatGwDp}
		},
		internal: func(r *v1.IptablesSnatRule) (*field.Path, string) { return internalCIDRPath, r.Spec.InternalCIDR },
		use:      func(*v1.IptablesSnatRule) eipsharing.Use { return eipsharing.Use{Sort: eipsharing.SNAT} },
		settle:   func(r *v1.IptablesSnatRule) { r.Status.InternalCIDR = r.Spec.InternalCIDR },
	}).newResource()
}

// Dnat is what requests and tables do with IptablesDnatRules.
var Dnat = &shape.Kind[*v1.IptablesDnatRule]{
	Name: "IptablesDnatRule",
	Validate: func(r *v1.IptablesDnatRule) field.ErrorList {
		s := &r.Spec
		errs := append(validateEipName(s.EIP), validateInternalIP(s.InternalIP)...)
		errs = append(errs, shape.Port(specPath.Child("externalPort"), s.ExternalPort)...)
		errs = append(errs, shape.Port(specPath.Child("internalPort"), s.InternalPort)...)
		errs = append(errs, shape.OneOf(specPath.Child("protocol"), s.Protocol, protocols)...)
		return append(errs, shape.OneOf(specPath.Child("type"), string(dnatType(r)), dnatTypes)...)
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the IptablesDnatRule."), eipColumn, shape.Text("Protocol", "tcp or udp."), v4Column, v6Column,
		shape.Text("InternalIp", "Internal address."), shape.Text("ExternalPort", "External port."), shape.Text("InternalPort", "Internal port."),
		shape.Text("Type", "Whether the external port is this rule's alone."), gatewayColumn, readyColumn,
	},
	Cells: func(r *v1.IptablesDnatRule, name, _ string) []any {
		s, spec := &r.Status, &r.Spec
		return []any{name, spec.EIP, spec.Protocol, s.V4ip, s.V6ip, spec.InternalIP, spec.ExternalPort, spec.InternalPort, string(dnatType(r)), s.NatGwDp, s.Ready}
	},
}

func dnatType(r *v1.IptablesDnatRule) v1.DnatType {
	if r.Spec.Type == "" {
		return v1.DnatExclusive
	}
	return r.Spec.Type
}

// NewDnatResource returns what the engine knows about IptablesDnatRules.
func NewDnatResource(kubeovn.Config) *storage.Resource {
	return (&rules[*v1.IptablesDnatRule]{
		resource: DnatResource, kind: "IptablesDnatRule",
		new: func() *v1.IptablesDnatRule { return &v1.IptablesDnatRule{} },
		eip: func(r *v1.IptablesDnatRule) string { return r.Spec.EIP },
		outcome: func(r *v1.IptablesDnatRule) outcome {
			s := &r.Status
			return outcome{&s.Conditions, &s.Ready, &s.V4ip, &s.V6ip, &s.NatGwDp}
		},
		internal: func(r *v1.IptablesDnatRule) (*field.Path, string) { return internalIPPath, r.Spec.InternalIP },
		use: func(r *v1.IptablesDnatRule) eipsharing.Use {
			return eipsharing.Use{Sort: eipsharing.DNAT, Protocol: r.Spec.Protocol, Port: r.Spec.ExternalPort, Share: dnatType(r) == v1.DnatShare}
		},
		settle: func(r *v1.IptablesDnatRule) {
			s, spec := &r.Status, &r.Spec
			s.Protocol, s.InternalIP, s.InternalPort, s.ExternalPort, s.Type = spec.Protocol, spec.InternalIP, spec.InternalPort, spec.ExternalPort, dnatType(r)
			label(r, v1.LabelDnatExternalPort, spec.ExternalPort)
		},
	}).newResource()
}
