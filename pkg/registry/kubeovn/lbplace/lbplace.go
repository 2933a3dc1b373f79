// Package lbplace says where the load balancers of a Vpc hang, and what concerns them without their knowing it by name: they hang on
// the switches of the Vpc's Subnets, and watch the ports of those interfaces that happen to have the address of a back end.
//
//	load-balancer/<home>/<resource>/<name>      objects whose load balancers hang on the switches of their Vpc
//	back-end/<home>/<address>                   objects with that back end
//	front-end/<home>/<address>/<port>           objects that answer at that address and port
//	health-source/<subnet>/<address>            objects that check back ends from that address of a Subnet
//	vpc-of-namespace/<namespace>/<vpc>          Vpcs that list a namespace
//
// A home is "vpc/<vpc>" of an object that names its Vpc, "following" of one that follows its namespace; keys of the latter end with
// "/<namespace>". An address is 16 bytes, hexadecimal.
package lbplace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// ProxyKey is the index key of an address in a Subnet that the router port answers for.
func ProxyKey(subnet string, a netip.Addr) string { return "arp-proxy/" + subnet + "/" + a.String() }

// Proxied are the addresses in a Subnet, sorted, that its router port answers for.
func Proxied(v storage.View, subnet string) []string {
	keys := "arp-proxy/" + subnet + "/"
	var out []string
	for key := range v.Scan(keys, after(keys)) {
		out = append(out, strings.TrimPrefix(key, keys))
	}
	return out
}

// after is the first key that follows every key with a prefix, which ends in a slash.
func after(keys string) string { return strings.TrimSuffix(keys, "/") + "0" }

// InSwitches is the place of a load balancer in the switches of those Subnets of a Vpc that its router reaches and that wants
// accepts. A nil wants accepts all.
func InSwitches(v storage.View, vpc string, wants func(*v1.Subnet) bool) []storage.Parent {
	var places []storage.Parent
	seen := map[string]bool{} // a Subnet of both families has two prefixes
	for _, holder := range prefix.All(v, prefix.InVpc(vpc)) {
		s, ok := holder.(*v1.Subnet)
		if !ok || seen[s.Name] || !address.HasPorts(s) || wants != nil && !wants(s) {
			continue
		}
		seen[s.Name] = true
		places = append(places, nb.InSwitch(v, s.Name, "load_balancer")...)
	}
	return places
}

// Balances reports whether the load balancers of a Subnet's Vpc hang on its switch: spec.enableLb, or else --enable-lb.
func Balances(cfg kubeovn.Config, s *v1.Subnet) bool {
	if s.Spec.EnableLb == nil {
		return cfg.EnableLB
	}
	return *s.Spec.EnableLb
}

// AffectedBySubnet names the objects whose load balancers hang elsewhere when s takes the place of old: for Affected of the kind
// Subnet. Either is nil when there is none.
func AffectedBySubnet(v storage.View, cfg kubeovn.Config, old, s *v1.Subnet) []storage.Ref {
	moved, bound := !slices.Equal(placesOf(old), placesOf(s)), differing(boundTo(old), boundTo(s))
	if !moved && len(bound) == 0 {
		return nil
	}
	var refs []storage.Ref
	var vpcs []string
	for _, subnet := range [...]*v1.Subnet{old, s} {
		if moved && subnet != nil && subnet.Spec.Vpc != "" && !slices.Contains(vpcs, subnet.Spec.Vpc) {
			vpcs = append(vpcs, subnet.Spec.Vpc)
			refs = append(refs, placed(v, subnet.Spec.Vpc)...)
		}
	}
	return append(refs, followers(v, func(namespace string) bool {
		return slices.Contains(bound, namespace) || slices.Contains(vpcs, VpcOfNamespace(v, cfg, namespace))
	})...)
}

// AffectedByVpc names the objects that follow a namespace which vpc lists, or which old listed: for Affected of the kind Vpc. Either
// is nil when there is none.
func AffectedByVpc(v storage.View, old, vpc *v1.Vpc) []storage.Ref {
	listed := func(vpc *v1.Vpc) []string {
		if vpc == nil {
			return nil
		}
		return vpc.Spec.Namespaces
	}
	changed := differing(listed(old), listed(vpc))
	if old != nil && vpc != nil && old.Spec.DefaultSubnet != vpc.Spec.DefaultSubnet {
		changed = append(changed, vpc.Spec.Namespaces...)
	}
	if len(changed) == 0 {
		return nil
	}
	return followers(v, func(namespace string) bool { return slices.Contains(changed, namespace) })
}

// AffectedByVip names the objects that follow their namespace and answer at an address of a Vip which comes or goes.
func AffectedByVip(v storage.View, addrs ipam.Addrs) []storage.Ref {
	var refs []storage.Ref
	for _, a := range addrs.All() {
		keys := "front-end/" + following + "/" + ipam.Key(a) + "/"
		for _, o := range v.Scan(keys, after(keys)) {
			refs = append(refs, storage.Ref{Resource: Rules, Name: o.GetName()})
		}
	}
	return refs
}

// placesOf is what the place of load balancers in a Subnet depends on.
func placesOf(s *v1.Subnet) []string {
	if s == nil {
		return nil
	}
	balances := "default"
	if s.Spec.EnableLb != nil {
		balances = fmt.Sprint(*s.Spec.EnableLb)
	}
	return []string{s.Spec.Vpc, s.Spec.Provider, s.Spec.Vlan, s.Spec.CIDRBlock, fmt.Sprint(s.Spec.LogicalGateway, s.Spec.U2OInterconnection), balances}
}

// boundTo are the namespaces whose pods a Subnet binds to its Vpc.
func boundTo(s *v1.Subnet) []string {
	if s == nil || s.Spec.Vpc == "" {
		return nil
	}
	return s.Spec.Namespaces
}

// differing are the members of one list that the other one does not have.
func differing(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			out = append(out, x)
		}
	}
	return out
}

// AffectedByInterface names the SwitchLBRules that have an IP as back end when it comes or goes: for Affected of the kind IP, whose
// addresses do not change. Either is nil when there is none.
func AffectedByInterface(v storage.View, cfg kubeovn.Config, old, ip *v1.IP) []storage.Ref {
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
		if a, err := ipam.ParseAddr(text); err == nil {
			for o := range WithBackEnd(v, cfg, s.Spec.Vpc, a) {
				refs = append(refs, storage.Ref{Resource: Rules, Name: o.GetName()})
			}
		}
	}
	return refs
}
