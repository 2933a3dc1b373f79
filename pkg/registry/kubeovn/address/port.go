package address

import (
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// HasPorts reports whether interfaces in a subnet have logical switch ports: its provider is "ovn" or ends in ".ovn". Any
// other provider is a plugin of its own for which only addresses are managed.
func HasPorts(s *v1.Subnet) bool {
	p := s.Spec.Provider
	return p == "" || p == "ovn" || strings.HasSuffix(p, ".ovn")
}

// IsRouted reports whether the Subnet has a port of its Vpc's router as its gateway: overlays have, underlays only with
// logicalGateway, Subnets of other plugins and those without addresses never.
func IsRouted(s *v1.Subnet) bool {
	return HasPorts(s) && s.Spec.Vpc != "" && s.Spec.CIDRBlock != "" && (s.Spec.Vlan == "" || s.Spec.LogicalGateway)
}
