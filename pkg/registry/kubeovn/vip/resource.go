package vip

import (
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// NewResource returns what the engine knows about Vips.
func NewResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource("vips", "Vip", func() *v1.Vip { return &v1.Vip{} }, storage.Kind[*v1.Vip]{
		References: references,
		Index:      index,
		Plan:       plan,
		Derive:     derive,
		Affected:   affected,
		Rows:       rows,
	})
}

func references(vip *v1.Vip) []storage.Ref {
	refs := make([]storage.Ref, 0, 1+len(vip.Spec.AttachSubnets))
	if vip.Spec.Subnet != "" {
		refs = append(refs, storage.Ref{Resource: "subnets", Name: vip.Spec.Subnet, Field: "spec.subnet", Effect: storage.Eventually})
	}
	for _, name := range vip.Spec.AttachSubnets {
		refs = append(refs, storage.Ref{Resource: "subnets", Name: name, Field: "spec.attachSubnets", Weak: true})
	}
	return refs
}

// affected is the Subnet whose router port answers for a load balancer that comes or goes, and the rules that wait for the address.
func affected(v storage.View, old, vip *v1.Vip) []storage.Ref {
	if old != nil && vip != nil {
		return nil
	}
	if vip == nil {
		vip = old
	}
	if vip.Spec.Type != v1.VipSwitchLB {
		return nil
	}
	return append(lbplace.AffectedByVip(v, assigned(vip)), storage.Ref{Resource: "subnets", Name: vip.Spec.Subnet})
}

func index(vip *v1.Vip) []string {
	mac := vip.Status.Mac
	if vip.Spec.Type == v1.VipSwitchLB {
		mac = "" // the router's, which any number of Vips answer with
	}
	keys := address.Keys(vip.Spec.Subnet, assigned(vip), mac)
	if vip.Spec.Type == v1.VipSwitchLB {
		for _, a := range assigned(vip).All() {
			keys = append(keys, lbplace.ProxyKey(vip.Spec.Subnet, a))
		}
	}
	for _, p := range ports(vip) {
		keys = append(keys, address.PortKey(p.name))
	}
	return keys
}

// assigned are the addresses of a stored Vip.
func assigned(vip *v1.Vip) ipam.Addrs {
	addrs, _ := ipam.ParseAddrs(strings.Trim(vip.Status.V4ip+","+vip.Status.V6ip, ",")) // written by complete
	return addrs
}
