// Package lbplace says where the load balancers of a Vpc hang, and what concerns them without their knowing it by name: they hang on
// the switches of all the Vpc's Subnets, and watch the ports of those interfaces that happen to have the address of a back end.
//
//	load-balancer/<vpc>/<resource>/<name>                           objects whose load balancers hang on the Vpc's switches
//	back-end/<vpc>/<16 bytes of the address, hexadecimal>           objects with that back end
package lbplace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Key is the index key of an object whose load balancers hang on the switches of a Vpc.
func Key(vpc, resource, name string) string { return base(vpc) + resource + "/" + name }

func base(vpc string) string { return "load-balancer/" + vpc + "/" }

// BackEndKey is the index key of an object with a back end in a Vpc.
func BackEndKey(vpc string, a netip.Addr) string { return "back-end/" + vpc + "/" + ipam.Key(a) }

// ProxyKey is the index key of an address in a Subnet that the router port answers for.
func ProxyKey(subnet string, a netip.Addr) string { return "arp-proxy/" + subnet + "/" + a.String() }

// Proxied are the addresses in a Subnet, sorted, that its router port answers for.
func Proxied(v storage.View, subnet string) []string {
	keys := "arp-proxy/" + subnet + "/"
	var out []string
	for key := range v.Scan(keys, strings.TrimSuffix(keys, "/")+"0") {
		out = append(out, strings.TrimPrefix(key, keys))
	}
	return out
}

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

// AffectedBySubnet names the objects whose load balancers hang elsewhere when s takes the place of old: for Affected of the kind Subnet.
// Either is nil when there is none.
func AffectedBySubnet(v storage.View, old, s *v1.Subnet) []storage.Ref {
	if slices.Equal(placesOf(old), placesOf(s)) {
		return nil
	}
	var refs []storage.Ref
	for _, subnet := range [...]*v1.Subnet{old, s} {
		if subnet == nil || subnet.Spec.Vpc == "" {
			continue
		}
		keys := base(subnet.Spec.Vpc)
		for key := range v.Scan(keys, strings.TrimSuffix(keys, "/")+"0") {
			if resource, name, ok := strings.Cut(strings.TrimPrefix(key, keys), "/"); ok {
				refs = append(refs, storage.Ref{Resource: resource, Name: name})
			}
		}
	}
	return refs
}

// placesOf is what the place of load balancers in a Subnet depends on.
func placesOf(s *v1.Subnet) []string {
	if s == nil {
		return nil
	}
	return []string{s.Spec.Vpc, s.Spec.Provider, s.Spec.Vlan, s.Spec.CIDRBlock, fmt.Sprint(s.Spec.LogicalGateway, s.Spec.U2OInterconnection)}
}

// AffectedByInterface names the rules of a kind that have an IP as back end when it comes or goes: for Affected of the kind IP, whose
// addresses do not change. Either is nil when there is none.
func AffectedByInterface(v storage.View, resource string, old, ip *v1.IP) []storage.Ref {
	if old != nil && ip != nil {
		return nil
	}
	if ip == nil {
		ip = old
	}
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, ip.Spec.Subnet)
	if !ok || s.Spec.Vpc == "" {
		return nil
	}
	var refs []storage.Ref
	for _, text := range [...]string{ip.Spec.V4IPAddress, ip.Spec.V6IPAddress} {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			continue
		}
		key := BackEndKey(s.Spec.Vpc, a)
		for _, o := range v.Scan(key, key+"\x00") {
			refs = append(refs, storage.Ref{Resource: resource, Name: o.GetName()})
		}
	}
	return refs
}
