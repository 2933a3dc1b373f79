package subnet

import (
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// kind is the configuration that Plan and Rows depend on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns the engine's side of the kind.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	k := kind{cfg}
	return storage.NewResource(nb.Subnets, "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{
		References: references,
		Index:      k.index,
		Plan:       k.plan,
		Derive:     k.derive,
		Affected: func(v storage.View, old, s *v1.Subnet) []storage.Ref {
			return slices.Concat(affected(v, old, s), lbplace.AffectedBySubnet(v, cfg, old, s), reach.AffectedBySubnet(v, old, s))
		},
		Rows: k.rows,
	})
}

// references hold the Vpc and the Vlan, whose status names their Subnets.
func references(s *v1.Subnet) []storage.Ref {
	var refs []storage.Ref
	if s.Spec.Vpc != "" {
		refs = append(refs, storage.Ref{Resource: nb.Vpcs, Name: s.Spec.Vpc, Field: vpcPath.String(), Effect: storage.Immediately})
	}
	if s.Spec.Vlan != "" {
		refs = append(refs, storage.Ref{Resource: nb.Vlans, Name: s.Spec.Vlan, Field: vlanPath.String(), Effect: storage.Immediately})
	}
	return refs
}

const defaultKey = "default-subnet" // the one Subnet with spec.default

// index makes conflicts visible: of prefixes in each scope, of names in the database, of addresses and MACs, of namespaces.
func (k kind) index(s *v1.Subnet) []string {
	var keys []string
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	for _, scope := range scopes(s) {
		for _, p := range prefixes.All() {
			keys = append(keys, prefix.Key(scope, p))
		}
	}
	if hasRouterPort(s) {
		keys = append(keys, nb.RouterPortNameKey(nb.RouterPort(s.Spec.Vpc, s.Name)), address.PortKey(nb.PatchPort(s.Name, s.Spec.Vpc)))
	}
	if hasLocalnet(s) {
		keys = append(keys, address.PortKey(nb.LocalnetPort(s.Name)))
	}
	if isInterconnected(s) {
		keys = append(keys, interconnectedKey(s.Spec.Vpc, s.Name))
		keys = append(keys, address.Keys(s.Name, interconnection(s), "")...)
	}
	if mac := nb.RouterMAC(s); mac != "" {
		keys = append(keys, address.MACKey(mac, s.Name))
	}
	for _, text := range s.Spec.Vips {
		if a, err := ipam.ParseAddr(text); err == nil {
			keys = append(keys, address.Key(s.Name, a), address.PortKey(nb.VirtualPort(s.Name, text)))
		}
	}
	for _, ns := range s.Spec.Namespaces {
		keys = append(keys, lbplace.NamespaceKey(ns, s.Spec.Provider))
	}
	if egress.IsCentralized(k.cfg, s) {
		keys = append(keys, egress.CentralizedKey(s.Name))
	}
	if s.Spec.Default {
		keys = append(keys, defaultKey)
	}
	return keys
}

// hasRouterPort reports whether the Vpc's router has a port in the Subnet, as its gateway or besides a physical one.
func hasRouterPort(s *v1.Subnet) bool { return address.IsRouted(s) || isInterconnected(s) }

// hasLocalnet reports whether the Subnet's switch has a port to a physical network.
func hasLocalnet(s *v1.Subnet) bool { return address.HasPorts(s) && s.Spec.Vlan != "" }

// scopes are within what the prefixes of a Subnet must not overlap with others.
func scopes(s *v1.Subnet) []string {
	if !address.HasPorts(s) {
		return []string{prefix.OfProvider(s.Spec.Provider)}
	}
	var out []string
	if hasRouterPort(s) {
		out = append(out, prefix.InVpc(s.Spec.Vpc))
	}
	if s.Spec.Vlan != "" {
		out = append(out, prefix.OnVlan(s.Spec.Vlan))
	}
	return out
}
