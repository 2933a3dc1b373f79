package podnet

import (
	"fmt"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// Routers returns the addresses to which interfaces in a Subnet send what leaves the Subnet, one of each family of cidrBlock: in an
// underlay with u2oInterconnection the address of the Vpc's router, which knows the overlays and forwards all else to the physical
// gateway; in every other Subnet the gateway.
func Routers(s *v1.Subnet) (ipam.Addrs, error) {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil {
		return ipam.Addrs{}, fmt.Errorf("cidrBlock: %w", err)
	}
	routers, err := ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway)
	if err != nil {
		return ipam.Addrs{}, fmt.Errorf("gateway: %w", err)
	}
	own, err := ipam.ParseAddrs(s.Status.U2OInterconnectionIP)
	if err != nil {
		return ipam.Addrs{}, fmt.Errorf("u2oInterconnectionIP: %w", err)
	}
	if prefixes.V4.IsValid() && !routers.V4.IsValid() {
		routers.V4 = ipam.FirstHost(prefixes.V4)
	}
	if prefixes.V6.IsValid() && !routers.V6.IsValid() {
		routers.V6 = ipam.FirstHost(prefixes.V6)
	}
	if own.V4.IsValid() {
		routers.V4 = own.V4
	}
	if own.V6.IsValid() {
		routers.V6 = own.V6
	}
	return routers, nil
}
