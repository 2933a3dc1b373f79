package ovnnat

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Where an OvnFip is translated.
const (
	distributed = "distributed" // on the node of the interface
	centralized = "centralized" // on the gateway node; the default, as it needs no physical network on every node
)

var typePath = specPath.Child("type")

// Fip is what requests and tables do with OvnFips.
var Fip = &shape.Kind[*v1.OvnFip]{
	Name:     "OvnFip",
	Validate: validateFip,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the OvnFip."),
		shape.Text("Vpc", "Vpc whose router translates."),
		shape.Text("V4Eip", "External IPv4 address."),
		shape.Text("V4Ip", "Internal IPv4 address."),
		shape.Flag("Ready", "Whether the translation exists."),
		shape.Text("IpType", "What ipName names: an IP unless it says vip."),
		shape.Text("IpName", "IP or Vip whose address is translated."),
		shape.Wide(shape.Text("Type", "Where the address is translated.")),
		shape.Wide(shape.Text("V6Eip", "External IPv6 address.")),
		shape.Wide(shape.Text("V6Ip", "Internal IPv6 address.")),
	},
	Cells: func(f *v1.OvnFip, name, _ string) []any {
		s := &f.Status
		return []any{name, s.Vpc, s.V4Eip, s.V4IP, s.Ready, string(f.Spec.IPType), f.Spec.IPName, f.Spec.Type, s.V6Eip, s.V6IP}
	},
}

func validateFip(f *v1.OvnFip) field.ErrorList {
	errs := shape.ObjectName(eipPath, f.Spec.OvnEip, "the name of the OvnEip")
	switch f.Spec.Type {
	case "", distributed, centralized:
	default:
		errs = append(errs, field.NotSupported(typePath, f.Spec.Type, []string{distributed, centralized}))
	}
	return append(errs, endpointOfFip(f).validate()...)
}

func endpointOfFip(f *v1.OvnFip) endpoint {
	s := &f.Spec
	return endpoint{ipType: s.IPType, ipName: s.IPName, vpc: s.Vpc, v4: s.V4IP, v6: s.V6IP}
}

// FipResource is the plural name of OvnFips.
const FipResource = "ovn-fips"

// NewFipResource returns what the engine knows about OvnFips.
func NewFipResource(cfg kubeovn.Config) *storage.Resource {
	r := &rules[*v1.OvnFip]{
		resource: FipResource, kind: "OvnFip", cfg: cfg,
		new: func() *v1.OvnFip { return &v1.OvnFip{} },
		eip: func(f *v1.OvnFip) string { return f.Spec.OvnEip },
		outcome: func(f *v1.OvnFip) outcome {
			s := &f.Status
			return outcome{&s.Conditions, &s.Ready, &s.Vpc, &s.V4Eip, &s.V6Eip}
		},
		sameSpec:   func(a, b *v1.OvnFip) bool { return a.Spec == b.Spec },
		adopt:      func(f, old *v1.OvnFip) { f.Status = *old.Status.DeepCopy() },
		references: func(f *v1.OvnFip) []storage.Ref { return endpointOfFip(f).references() },
		use: func(f *v1.OvnFip) eipsharing.Use {
			return eipsharing.Use{Resource: ovneip.Resource, EIP: f.Spec.OvnEip, Router: f.Status.Vpc, Sort: eipsharing.FIP}
		},
		resolve:  func(v storage.View, f *v1.OvnFip) (target, field.ErrorList) { return endpointOfFip(f).resolve(v) },
		settle:   settleFip,
		named:    func(f *v1.OvnFip) []string { return endpointOfFip(f).named() },
		lost:     func(v storage.View, f *v1.OvnFip) field.ErrorList { return endpointOfFip(f).lost(v) },
		rows:     rowsOfFip,
		internal: func(f *v1.OvnFip) []string { return []string{f.Status.V4IP, f.Status.V6IP} },
	}
	return r.newResource()
}

func settleFip(v storage.View, f *v1.OvnFip, eip *v1.OvnEip, t target) field.ErrorList {
	s := &f.Status
	s.V4IP, s.V6IP, s.MacAddress = t.v4, t.v6, ""
	if f.Spec.Type != distributed {
		return nil
	}
	for _, internal := range [...]string{t.v4, t.v6} {
		if internal != "" && portOf(v, f, internal) == "" {
			return field.ErrorList{field.Invalid(typePath, f.Spec.Type, "there is no interface on whose node "+internal+
				" could be translated: name an IP, or a Vip that pods carry, or write centralized")}
		}
	}
	s.MacAddress = eip.Status.MacAddress
	return nil
}

// portOf is the logical switch port whose node translates an internal address; "" when there is none.
func portOf(v storage.View, f *v1.OvnFip, internal string) string {
	if f.Spec.IPName == "" {
		return ""
	}
	names := []string{f.Spec.IPName}
	if f.Spec.IPType == v1.IPTypeVip && internal == f.Status.V6IP {
		names = []string{f.Spec.IPName + "/v6", f.Spec.IPName} // see package vip
	}
	for _, name := range names {
		switch holder := address.PortHolder(v, name).(type) {
		case *v1.IP:
			if f.Spec.IPType != v1.IPTypeVip && holder.Name == f.Spec.IPName {
				return name
			}
		case *v1.Vip:
			if f.Spec.IPType == v1.IPTypeVip && holder.Name == f.Spec.IPName {
				return name
			}
		}
	}
	return ""
}

func rowsOfFip(v storage.View, f *v1.OvnFip) []storage.Row {
	s := &f.Status
	var out []storage.Row
	for _, n := range [...]struct{ key, external, internal string }{{natKey4, s.V4Eip, s.V4IP}, {natKey6, s.V6Eip, s.V6IP}} {
		if n.external == "" {
			continue
		}
		row := nat(v, s.Vpc, n.key, "dnat_and_snat", n.external, n.internal)
		row.Columns["external_mac"], row.Columns["logical_port"] = ovsdb.Empty, ovsdb.Empty
		// A Vip that pods no longer carry has no port any more: its address is translated on the gateway node then.
		if port := portOf(v, f, n.internal); s.MacAddress != "" && port != "" {
			row.Columns["external_mac"], row.Columns["logical_port"] = ovsdb.Strings(s.MacAddress), ovsdb.Strings(port)
		}
		out = append(out, row)
	}
	return out
}

// Keys of rows, one of each address family.
const (
	natKey4 = "nat4"
	natKey6 = "nat6"
)

// nat is a translation by a Vpc's router. Of several external networks the router takes the one that the external address
// lies in: that is what ovn-northd does where NAT.gateway_port is not set.
func nat(v storage.View, vpc, key, kind, external, internal string) storage.Row {
	return storage.Row{
		Table: nb.NAT,
		Key:   key,
		Columns: ovsdb.Row{
			"type":         ovsdb.String(kind),
			"external_ip":  ovsdb.String(external),
			"logical_ip":   ovsdb.String(internal),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, vpc, "nat"),
	}
}
