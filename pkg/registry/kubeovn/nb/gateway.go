package nb

import (
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

const (
	gatewayBase     = "external-gateway/" // Chassis that may host external ports
	externalVpcBase = "external-vpc/"     // Vpcs with external ports
)

// GatewayKey is the index key of a Chassis with spec.externalGateway.
func GatewayKey(chassis string) string { return gatewayBase + chassis }

// ExternalVpcKey is the index key of a Vpc that asks for ports in external Subnets.
func ExternalVpcKey(vpc string) string { return externalVpcBase + vpc }

// Gateways returns the Chassis that may host external ports, by ascending name.
func Gateways(v storage.View) []storage.Object {
	var out []storage.Object
	for _, o := range v.Scan(gatewayBase, after(gatewayBase)) {
		out = append(out, o)
	}
	return out
}

// ExternalVpcs returns the Vpcs that ask for ports in external Subnets: those whose rows depend on the gateways.
func ExternalVpcs(v storage.View) []storage.Ref {
	var out []storage.Ref
	for _, o := range v.Scan(externalVpcBase, after(externalVpcBase)) {
		out = append(out, storage.Ref{Resource: Vpcs, Name: o.GetName()})
	}
	return out
}

// after is the first key that follows all with a prefix that ends in a slash.
func after(base string) string { return strings.TrimSuffix(base, "/") + "0" }
