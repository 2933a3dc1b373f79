package ip

import (
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// kind is the configuration that Rows depend on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns what the engine knows about IPs.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	return storage.NewResource("ips", "IP", func() *v1.IP { return &v1.IP{} }, storage.Kind[*v1.IP]{
		References: references,
		Index:      index,
		Plan:       plan,
		Affected: func(v storage.View, old, ip *v1.IP) []storage.Ref {
			return append(lbplace.AffectedByInterface(v, cfg, old, ip), egress.AffectedByPort(v, cfg, old, ip)...)
		},
		Rows: kind{cfg}.rows,
	})
}

func references(ip *v1.IP) []storage.Ref {
	refs := make([]storage.Ref, 0, 2+len(ip.Spec.AttachSubnets)+len(ip.Spec.Vips))
	if ip.Spec.Subnet != "" {
		refs = append(refs, storage.Ref{Resource: "subnets", Name: ip.Spec.Subnet, Field: "spec.subnet", Effect: storage.Eventually})
	}
	if ip.Spec.Vip != "" {
		// The Vip says in a label who uses it.
		refs = append(refs, storage.Ref{Resource: "vips", Name: ip.Spec.Vip, Field: "spec.vip", Effect: storage.Immediately})
	}
	for _, name := range ip.Spec.Vips {
		// The virtual parents of the Vip's port are the IPs that carry it.
		refs = append(refs, storage.Ref{Resource: "vips", Name: name, Field: "spec.vips", Effect: storage.Immediately})
	}
	for _, name := range ip.Spec.AttachSubnets {
		// A note of where the pod's other interfaces are; these hold their Subnets themselves.
		refs = append(refs, storage.Ref{Resource: "subnets", Name: name, Field: "spec.attachSubnets", Weak: true})
	}
	return refs
}

// index has the port even of an IP that has none because another plugin plugs the interface: that depends on the Subnet.
func index(ip *v1.IP) []string {
	var keys []string
	if ip.Spec.Vip == "" {
		keys = address.Keys(ip.Spec.Subnet, addrsOf(ip), ip.Spec.MacAddress)
	}
	keys = append(keys, address.PortKey(ip.Name))
	if ip.Spec.NodeName != "" {
		keys = append(keys, egress.NodeKey(ip.Spec.NodeName, ip.Name))
	}
	return keys
}

// addrsOf are the addresses of a stored IP.
func addrsOf(ip *v1.IP) ipam.Addrs {
	addrs, _ := requested(&ip.Spec) // what is stored has been validated
	return addrs
}
