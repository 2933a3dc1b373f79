package cniserver

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// The neighbour sends nothing, so that its entries for the former MAC change only by what it is told.
func TestNeighboursAreToldOfAnAddressThatReturnsWithAnotherMAC(t *testing.T) {
	n := started(t)
	n.subnet("dual", v1.SubnetSpec{CIDRBlock: "10.30.0.0/24,fd30::/64"})
	neighbour := n.pod("neighbour", annotated(map[string]string{"ovn.kubernetes.io/logical_switch": "dual"}))
	neighbour.add()
	addresses := []string{"10.30.0.77", "fd30::77"}
	for _, a := range addresses {
		neighbour.sandbox.Run(t, "ip", "neigh", "replace", a, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0")
	}
	for _, given := range []map[string]string{
		{"ovn.kubernetes.io/mac_address": "02:00:00:00:00:77"},
		{},
	} {
		given["ovn.kubernetes.io/logical_switch"], given["ovn.kubernetes.io/ip_address"] = "dual", strings.Join(addresses, ",")
		p := n.pod("p", annotated(given))
		mac := p.add().Interfaces[1].Mac
		for _, a := range addresses {
			n.until(fmt.Sprintf("the neighbour knows that %s is at %s", a, mac), func() bool {
				return strings.Contains(neighbour.sandbox.Run(t, "ip", "neigh", "show", a), mac)
			})
		}
		p.end()
	}
	neighbour.end()
	n.nothingLeft()
}
