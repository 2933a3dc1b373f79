package subnet

import (
	"net/netip"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// defaultProvider is OVN itself, for the first interface of pods.
const defaultProvider = "ovn"

// complete writes out the defaults of fields that are empty; a field that has a value stays as it is. Fields that cannot be read
// are left for validate to name. old is nil when the Subnet is new.
func (k kind) complete(v storage.View, old, s *v1.Subnet) {
	if s.Spec.Provider == "" {
		s.Spec.Provider = defaultProvider
	}
	underlay := s.Spec.Vlan != "" && !s.Spec.LogicalGateway && !s.Spec.U2OInterconnection
	if s.Spec.Vpc == "" && address.HasPorts(s) && !underlay {
		s.Spec.Vpc = k.cfg.DefaultVpc
	}
	if old != nil && s.Spec.GatewayType == old.Spec.GatewayType && s.Spec.GatewayType == k.gatewayType(old) {
		s.Spec.GatewayType = "" // follows the provider
	}
	if s.Spec.GatewayType == "" {
		s.Spec.GatewayType = k.gatewayType(s)
	}
	completeAddresses(v, old, s)
}

// gatewayType is the default of spec.gatewayType.
func (k kind) gatewayType(s *v1.Subnet) v1.GatewayType {
	if s.Spec.Vpc == k.cfg.DefaultVpc && s.Spec.Vlan == "" && address.HasPorts(s) {
		return v1.GatewayDistributed
	}
	return ""
}

// completeAddresses writes out what follows from cidrBlock: protocol, gateway, and the gateway as the only excluded address.
// What a user wrote is not extended: the gateway of a family that spec.gateway does not name is derived where it is needed
// (ipam.Gateways), and gateways are never allocated, whatever spec.excludeIps has.
func completeAddresses(v storage.View, old, s *v1.Subnet) {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil || s.Spec.CIDRBlock == "" {
		return
	}
	if s.Spec.Protocol == "" {
		s.Spec.Protocol = protocolOf(prefixes)
	}
	if s.Spec.Gateway == "" {
		s.Spec.Gateway = defaultGateway(v, old, s, prefixes).String()
	}
	if len(s.Spec.ExcludeIps) > 0 {
		return
	}
	if gateways, err := gatewaysOf(s); err == nil {
		s.Spec.ExcludeIps = texts(gateways)
	}
}

// defaultGateway returns the first address of each prefix. An address that was the gateway before stays it while interfaces send
// to it, as long as it is one of the prefix.
func defaultGateway(v storage.View, old, s *v1.Subnet, prefixes ipam.Prefixes) ipam.Addrs {
	gateway := prefixes.FirstHosts()
	if old == nil {
		return gateway
	}
	was, err := gatewaysOf(old)
	if err != nil {
		return gateway
	}
	for _, f := range [...]struct {
		was netip.Addr
		is  *netip.Addr
	}{{was.V4, &gateway.V4}, {was.V6, &gateway.V6}} {
		if !f.was.IsValid() || f.was == *f.is || !fits(prefixes, f.was) {
			continue
		}
		if _, ip := sender(v, s, f.was); ip != nil {
			*f.is = f.was
		}
	}
	return gateway
}

// sender returns an IP whose interface sends what leaves the Subnet to a gateway, with its address; nil when there is none.
func sender(v storage.View, s *v1.Subnet, gateway netip.Addr) (netip.Addr, *v1.IP) {
	for a, holder := range address.Used(v, s.Name, netip.Prefix{}) {
		if ip, ok := holder.(*v1.IP); ok && a.Is4() == gateway.Is4() {
			return a, ip
		}
	}
	return netip.Addr{}, nil
}

// gatewaysOf returns the gateway of each family of a Subnet.
func gatewaysOf(s *v1.Subnet) (ipam.Addrs, error) {
	return ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway)
}

// fits reports whether a host, or the gateway, can have an address of the prefixes.
func fits(prefixes ipam.Prefixes, a netip.Addr) bool {
	return prefixes.Contains(a) && ipam.Unusable(prefixes.Of(a), a) == ""
}

func texts(addrs ipam.Addrs) []string {
	var out []string
	for _, a := range addrs.All() {
		out = append(out, a.String())
	}
	return out
}

func protocolOf(p ipam.Prefixes) v1.Protocol {
	switch {
	case p.V4.IsValid() && p.V6.IsValid():
		return v1.ProtocolDual
	case p.V4.IsValid():
		return v1.ProtocolIPv4
	case p.V6.IsValid():
		return v1.ProtocolIPv6
	}
	return v1.ProtocolMac
}
