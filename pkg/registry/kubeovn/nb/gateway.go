package nb

import (
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

const (
	gatewayBase     = "external-gateway/" // Chassis that may host external ports
	externalVpcBase = "external-vpc/"     // Vpcs with external ports
	bfdVpcBase      = "bfd-vpc/"          // of these, by external Subnet, those that watch next hops in it
)

// GatewayKey is the index key of a Chassis with spec.externalGateway.
func GatewayKey(chassis string) string { return gatewayBase + chassis }

// ExternalVpcKey is the index key of a Vpc that asks for ports in external Subnets.
func ExternalVpcKey(vpc string) string { return externalVpcBase + vpc }

// BFDVpcKey is the index key of a Vpc that watches the gateway nodes' addresses in an external Subnet.
func BFDVpcKey(subnet, vpc string) string { return bfdVpcBase + subnet + "/" + vpc }

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
	return vpcs(v, externalVpcBase)
}

// BFDVpcs returns the Vpcs that watch the gateway nodes' addresses in an external Subnet: those that an OvnEip of type lsp in it
// concerns.
func BFDVpcs(v storage.View, subnet string) []storage.Ref {
	return vpcs(v, bfdVpcBase+subnet+"/")
}

func vpcs(v storage.View, base string) []storage.Ref {
	var out []storage.Ref
	for _, o := range v.Scan(base, after(base)) {
		out = append(out, storage.Ref{Resource: Vpcs, Name: o.GetName()})
	}
	return out
}

// after is the first key that follows all with a prefix that ends in a slash.
func after(base string) string { return strings.TrimSuffix(base, "/") + "0" }
