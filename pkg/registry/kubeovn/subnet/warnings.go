package subnet

import (
	"fmt"
	"slices"

	"go4.org/netipx"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
)

// warnings says what is legal but probably not meant, of what is new or changed.
func warnings(s, old *v1.Subnet) []string {
	var before v1.SubnetSpec
	if old != nil {
		before = old.Spec
	}
	var out []string
	for i, a := range s.Spec.Acls {
		if slices.Contains(before.Acls, a) {
			continue
		}
		for _, doubt := range match.Doubts(a.Match) {
			out = append(out, fmt.Sprintf("%s: %s", specPath.Child("acls").Index(i).Child("match"), doubt))
		}
	}
	if s.Spec.CIDRBlock != before.CIDRBlock {
		out = append(out, fullPrefixes(s)...)
	}
	if len(s.Spec.AllowSubnets) > 0 && !s.Spec.Private {
		out = append(out, fmt.Sprintf("%s: has no effect unless private is true", specPath.Child("allowSubnets")))
	}
	if s.Spec.GatewayType == v1.GatewayCentralized && s.Spec.GatewayNode == "" && len(s.Spec.GatewayNodeSelectors) == 0 {
		out = append(out, fmt.Sprintf("%s: no node is named in gatewayNode or gatewayNodeSelectors", specPath.Child("gatewayType")))
	}
	if s.Spec.ExternalEgressGateway != "" && s.Spec.Vpc != "" && s.Spec.Vpc != v1.DefaultVpc && s.Spec.ExternalEgressGateway != before.ExternalEgressGateway {
		out = append(out, fmt.Sprintf("%s: has an effect in the default Vpc only", egressPath))
	}
	return out
}

// fullPrefixes names prefixes that have no address for anybody but the gateway.
func fullPrefixes(s *v1.Subnet) []string {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range prefixes.All() {
		first := ipam.FirstHost(p)
		pool := ipam.Pool{Prefix: p, Excluded: ipam.NewSet(netipx.IPRangeFrom(first, first))}
		if pool.Size().Sign() == 0 {
			out = append(out, fmt.Sprintf("%s: %s has no address besides the gateway's: no interface can be in the Subnet", cidrPath, p))
		}
	}
	return out
}
