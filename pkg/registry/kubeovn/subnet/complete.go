package subnet

import (
	"net/netip"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
)

// defaultProvider is OVN itself, for the first interface of pods.
const defaultProvider = "ovn"

// inherit keeps what the server completed when an update leaves it out, as a client does that sends its own manifest again.
// The gateway is kept only while it fits.
func inherit(s, old *v1.Subnet) {
	keep := func(field *string, before string) {
		if *field == "" {
			*field = before
		}
	}
	keep(&s.Spec.Vpc, old.Spec.Vpc)
	keep(&s.Spec.Provider, old.Spec.Provider)
	if s.Spec.GatewayType == "" {
		s.Spec.GatewayType = old.Spec.GatewayType
	}
	if prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock); err == nil && s.Spec.Gateway == "" {
		if before, err := ipam.ParseAddrs(old.Spec.Gateway); err == nil {
			for _, a := range before.All() {
				if !prefixes.Contains(a) {
					before = ipam.Addrs{}
				}
			}
			s.Spec.Gateway = before.String()
		}
	}
	if mac := nb.RouterMAC(old); mac != "" {
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[nb.RouterMACAnnotation] = mac
	}
}

// complete writes out defaults. Fields that cannot be read stay as they are, for validate to name.
func (k kind) complete(s *v1.Subnet) {
	if s.Spec.Provider == "" {
		s.Spec.Provider = defaultProvider
	}
	underlay := s.Spec.Vlan != "" && !s.Spec.LogicalGateway && !s.Spec.U2OInterconnection
	if s.Spec.Vpc == "" && address.HasPorts(s) && !underlay {
		s.Spec.Vpc = k.cfg.DefaultVpc
	}
	if s.Spec.GatewayType == "" && s.Spec.Vpc == k.cfg.DefaultVpc && s.Spec.Vlan == "" && address.HasPorts(s) {
		s.Spec.GatewayType = v1.GatewayDistributed
	}
	completeAddresses(s)
}

// completeAddresses writes out what follows from cidrBlock: protocol, gateway, and the gateway in excludeIps.
func completeAddresses(s *v1.Subnet) {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil || s.Spec.CIDRBlock == "" {
		return
	}
	s.Spec.CIDRBlock = prefixes.String()
	if s.Spec.Protocol == "" {
		s.Spec.Protocol = protocolOf(prefixes)
	}
	gateway, err := ipam.ParseAddrs(s.Spec.Gateway)
	if err != nil {
		return
	}
	fill(&gateway.V4, prefixes.V4)
	fill(&gateway.V6, prefixes.V6)
	s.Spec.Gateway = gateway.String()
	excluded, err := ipam.ParseSet(s.Spec.ExcludeIps)
	if err != nil {
		return
	}
	for _, a := range gateway.All() {
		if !excluded.Contains(a) {
			// A new array: the one that was sent may be shared.
			s.Spec.ExcludeIps = append(slices.Clip(s.Spec.ExcludeIps), a.String())
		}
	}
}

func fill(gateway *netip.Addr, p netip.Prefix) {
	if !gateway.IsValid() && p.IsValid() {
		*gateway = ipam.FirstHost(p)
	}
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
