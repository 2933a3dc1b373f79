// Package lbplace says on which switches the load balancers of a Vpc hang.
package lbplace

import (
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// InSwitches is the place of a load balancer in the switches of all Subnets of a Vpc that its router reaches.
func InSwitches(v storage.View, vpc string) []storage.Parent {
	var places []storage.Parent
	seen := map[string]bool{} // a Subnet of both families has two prefixes
	for _, holder := range prefix.All(v, prefix.InVpc(vpc)) {
		s, ok := holder.(*v1.Subnet)
		if !ok || seen[s.Name] || !address.HasPorts(s) {
			continue
		}
		seen[s.Name] = true
		places = append(places, nb.InSwitch(v, s.Name, "load_balancer")...)
	}
	return places
}
