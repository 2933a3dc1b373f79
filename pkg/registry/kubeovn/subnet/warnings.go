package subnet

import (
	"fmt"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
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
