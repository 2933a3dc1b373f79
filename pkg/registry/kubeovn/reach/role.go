package reach

import (
	"net/netip"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
)

// NoInterface returns what an address of a Subnet is that no interface in the Subnet can have: the network, the broadcast or the
// gateway address, or the address of the Vpc's router in an interconnected underlay; "" for all others, and for addresses outside.
func NoInterface(s *v1.Subnet, a netip.Addr) string {
	if role := unusable(s, a); role != "" {
		return role
	}
	if gateway, _ := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway); gateway.Has(a) { // what is stored has been validated
		return "the gateway"
	}
	return routerIn(s, a)
}

// NoNextHop returns what an address of a Subnet is that the router of the Subnet's Vpc cannot forward to: the network or the broadcast
// address, or one of the router itself; "" for all others, and for addresses outside. The gateway of an underlay belongs to a router
// of the physical network, which is a next hop like any other.
func NoNextHop(s *v1.Subnet, a netip.Addr) string {
	if role := unusable(s, a); role != "" {
		return role
	}
	if gateway, _ := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway); address.IsRouted(s) && gateway.Has(a) {
		return "the address of the router itself"
	}
	return routerIn(s, a)
}

func unusable(s *v1.Subnet, a netip.Addr) string {
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if !prefixes.Contains(a) {
		return ""
	}
	if role := ipam.Unusable(prefixes.Of(a), a); role != "" {
		return "the " + role
	}
	return ""
}

func routerIn(s *v1.Subnet, a netip.Addr) string {
	if own, _ := ipam.ParseAddrs(s.Status.U2OInterconnectionIP); own.Has(a) {
		return "the address of the router itself"
	}
	return ""
}
