package subnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	vpcs "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan completes a Subnet and refuses what conflicts with other objects. Nothing stands in the way of a deletion: that no
// address refers to the Subnet any more is known.
func (k kind) plan(v storage.View, old, s *v1.Subnet) error {
	if s == nil {
		return nil
	}
	if old != nil {
		follow(s, old)
	}
	k.complete(v, old, s)
	if old != nil && kubeovn.SameSpec(old, s) {
		s.Generation = old.Generation // what was left out is completed as it was
	}
	errs := validate(s)
	if old != nil {
		errs = append(errs, validateUpdate(s, old)...)
	}
	if len(errs) == 0 {
		errs = k.check(v, old, s)
	}
	if len(errs) == 0 {
		errs = append(claimRouterMAC(v, s), claimInterconnection(v, old, s)...)
	}
	return kubeovn.Invalid("Subnet", s.Name, errs)
}

// check holds a Subnet that is right by itself against all others.
func (k kind) check(v storage.View, old, s *v1.Subnet) field.ErrorList {
	errs := append(k.checkVpc(v, old, s), checkVlan(v, old, s)...)
	if old == nil && v.Get(nb.Vpcs, s.Name) != nil {
		errs = append(errs, sameName(s.Name))
	}
	errs = append(errs, checkNamespaces(v, old, s)...)
	errs = append(errs, checkDefault(v, s)...)
	errs = append(errs, checkPortNames(v, old, s)...)
	errs = append(errs, k.checkPrefixes(v, old, s)...)
	errs = append(errs, k.checkNextHops(v, old, s)...)
	errs = append(errs, k.checkFrontEnds(v, old, s)...)
	errs = append(errs, checkEgressTable(v, old, s)...)
	if old != nil {
		errs = append(errs, checkInUse(v, old, s)...)
	}
	errs = append(errs, k.checkDerivedRules(v, old, s)...)
	return append(errs, checkVips(v, old, s)...)
}

func (k kind) checkVpc(v storage.View, old, s *v1.Subnet) field.ErrorList {
	if s.Spec.Vpc == "" || old != nil && old.Spec.Vpc == s.Spec.Vpc {
		return nil
	}
	vpc, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, s.Spec.Vpc)
	switch {
	case !ok:
		return field.ErrorList{kubeovn.NotFound(vpcPath, "Vpc", s.Spec.Vpc)}
	case vpc.DeletionTimestamp != nil:
		return field.ErrorList{field.Invalid(vpcPath, s.Spec.Vpc, fmt.Sprintf("vpc %s is being deleted", s.Spec.Vpc))}
	case vpc.Name != k.cfg.DefaultVpc && slices.Contains(vpcs.ExternalSubnets(k.cfg, vpc), s.Name):
		// Each would hold the other for ever.
		return field.ErrorList{field.Invalid(vpcPath, s.Spec.Vpc, fmt.Sprintf("vpc %s is connected with the subnet as an external one, which belongs to no vpc", s.Spec.Vpc))}
	}
	return nil
}

// checkEgressTable refuses a routing table of the nodes in which another Subnet has another gateway: a table has one default route.
func checkEgressTable(v storage.View, old, s *v1.Subnet) field.ErrorList {
	same := func(a, b *v1.Subnet) bool {
		return a.Spec.ExternalEgressGateway == b.Spec.ExternalEgressGateway && a.Spec.PolicyRoutingTableID == b.Spec.PolicyRoutingTableID
	}
	if s.Spec.ExternalEgressGateway == "" || old != nil && same(old, s) {
		return nil
	}
	own, _ := ipam.ParseAddrs(s.Spec.ExternalEgressGateway) // validated
	for o := range v.List(nb.Subnets) {
		other, ok := o.(*v1.Subnet)
		if !ok || other.Name == s.Name || other.Spec.ExternalEgressGateway == "" || other.Spec.PolicyRoutingTableID != s.Spec.PolicyRoutingTableID {
			continue
		}
		theirs, _ := ipam.ParseAddrs(other.Spec.ExternalEgressGateway)
		if own.V4.IsValid() && theirs.V4.IsValid() && own.V4 != theirs.V4 || own.V6.IsValid() && theirs.V6.IsValid() && own.V6 != theirs.V6 {
			return field.ErrorList{field.Invalid(specPath.Child("policyRoutingTableID"), s.Spec.PolicyRoutingTableID,
				fmt.Sprintf("subnet %s has gateway %s in this table: must be another table, or the same gateway", other.Name, other.Spec.ExternalEgressGateway))}
		}
	}
	return nil
}

func checkVlan(v storage.View, old, s *v1.Subnet) field.ErrorList {
	if s.Spec.Vlan == "" || old != nil {
		return nil
	}
	vlan, ok := storage.Get[*v1.Vlan](v, nb.Vlans, s.Spec.Vlan)
	switch {
	case !ok:
		return field.ErrorList{kubeovn.NotFound(vlanPath, "Vlan", s.Spec.Vlan)}
	case vlan.DeletionTimestamp != nil:
		return field.ErrorList{field.Invalid(vlanPath, s.Spec.Vlan, fmt.Sprintf("vlan %s is being deleted", s.Spec.Vlan))}
	}
	return nil
}

// checkNamespaces holds namespaces that are new to the Subnet against what its Vpc admits and against the Subnets of other
// Vpcs: a pod of the namespace would otherwise be in one of two networks by chance.
func checkNamespaces(v storage.View, old, s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	vpc, hasVpc := storage.Get[*v1.Vpc](v, nb.Vpcs, s.Spec.Vpc)
	for i, ns := range s.Spec.Namespaces {
		if old != nil && slices.Contains(old.Spec.Namespaces, ns) && old.Spec.Provider == s.Spec.Provider {
			continue
		}
		path := specPath.Child("namespaces").Index(i)
		if hasVpc && len(vpc.Spec.Namespaces) > 0 && !slices.Contains(vpc.Spec.Namespaces, ns) {
			errs = append(errs, field.Invalid(path, ns, fmt.Sprintf("namespace '%s' is out of range to custom vpc '%s'", ns, vpc.Name)))
		}
		key := lbplace.NamespaceKey(ns, s.Spec.Provider)
		for _, holder := range v.Scan(key, key+"\x00") {
			if other, ok := holder.(*v1.Subnet); ok && hasVpc && other.Spec.Vpc != "" && other.Spec.Vpc != s.Spec.Vpc {
				errs = append(errs, field.Invalid(path, ns, fmt.Sprintf("namespace '%s' is bound to subnet %s of vpc '%s'", ns, other.Name, other.Spec.Vpc)))
				break
			}
		}
	}
	return errs
}

func checkDefault(v storage.View, s *v1.Subnet) field.ErrorList {
	if !s.Spec.Default {
		return nil
	}
	for _, holder := range v.Scan(defaultKey, defaultKey+"\x00") {
		if holder.GetName() != s.Name {
			return field.ErrorList{field.Invalid(specPath.Child("default"), true, fmt.Sprintf("subnet %s is the default already", holder.GetName()))}
		}
	}
	return nil
}

// checkPortNames refuses a Subnet whose ports would have the name of others: Subnet "b-c" in Vpc "a" and Subnet "c" in Vpc
// "a-b" ask for the same router port.
func checkPortNames(v storage.View, old, s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata", "name")
	if hasLocalnet(s) && (old == nil || !hasLocalnet(old)) {
		if err := address.ClaimPort(v, nb.LocalnetPort(s.Name)); err != nil {
			errs = append(errs, field.Invalid(path, s.Name, err.Error()))
		}
	}
	if !hasRouterPort(s) || old != nil && hasRouterPort(old) {
		return errs
	}
	port := nb.RouterPort(s.Spec.Vpc, s.Name)
	for _, holder := range v.Scan(nb.RouterPortNameKey(port), nb.RouterPortNameKey(port)+"\x00") {
		errs = append(errs, field.Invalid(path, s.Name, fmt.Sprintf("the subnet needs the router port %q, which %s has already", port, address.Describe(holder))))
	}
	if err := address.ClaimPort(v, nb.PatchPort(s.Name, s.Spec.Vpc)); err != nil {
		errs = append(errs, field.Invalid(path, s.Name, err.Error()))
	}
	return errs
}

// checkInUse refuses changes that would take the ground from under addresses in use.
func checkInUse(v storage.View, old, s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	before, _ := ipam.ParsePrefixes(old.Spec.CIDRBlock)
	after, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if before != after {
		if list := stranded(v, s, before, after); list != "" {
			errs = append(errs, field.Invalid(cidrPath, s.Spec.CIDRBlock, fmt.Sprintf("addresses in use would be left outside of %s: %s", s.Spec.CIDRBlock, list)))
		}
	}
	was, _ := gatewaysOf(old)
	gateway, _ := gatewaysOf(s)
	for _, a := range gateway.All() {
		if a == was.V4 || a == was.V6 {
			continue
		}
		if holder := address.Holder(v, s.Name, a); holder != nil {
			errs = append(errs, field.Invalid(gatewayPath, s.Spec.Gateway, fmt.Sprintf("%s is in use by %s", a, address.Describe(holder))))
		}
	}
	errs = append(errs, checkGatewayUsers(v, s, was, gateway)...)
	if address.HasPorts(old) != address.HasPorts(s) {
		for a, holder := range address.Used(v, s.Name, netip.Prefix{}) {
			errs = append(errs, field.Invalid(providerPath, s.Spec.Provider,
				fmt.Sprintf("addresses are in use (%s by %s): their ports in OVN depend on the provider, which is %q", a, address.Describe(holder), old.Spec.Provider)))
			break
		}
	}
	return errs
}

// checkGatewayUsers refuses another gateway while interfaces send what leaves the Subnet to the one that was.
func checkGatewayUsers(v storage.View, s *v1.Subnet, was, gateway ipam.Addrs) field.ErrorList {
	for _, change := range [...]struct{ was, is netip.Addr }{{was.V4, gateway.V4}, {was.V6, gateway.V6}} {
		if !change.was.IsValid() || change.was == change.is {
			continue
		}
		if a, ip := sender(v, s, change.was); ip != nil {
			return field.ErrorList{field.Invalid(gatewayPath, s.Spec.Gateway,
				fmt.Sprintf("can't update gateway of cidr when any IPs in Using: %s (%s) sends to %s", a, address.Describe(ip), change.was))}
		}
	}
	return nil
}

// maxNamed bounds how many objects a message names.
const maxNamed = 5

// stranded names the addresses in use that a host could not have in the prefixes that are to be; "" when there are none.
func stranded(v storage.View, s *v1.Subnet, before, after ipam.Prefixes) string {
	var named []string
	more := 0
	for _, p := range before.All() {
		for a, holder := range address.Used(v, s.Name, p) {
			now := after.Of(a)
			if holder.GetName() == s.Name || now.IsValid() && now.Contains(a) && ipam.Unusable(now, a) == "" {
				continue
			}
			if len(named) == maxNamed {
				more++
				continue
			}
			named = append(named, fmt.Sprintf("%s (%s)", a, address.Describe(holder)))
		}
	}
	list := strings.Join(named, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

func checkVips(v storage.View, old, s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	for i, text := range s.Spec.Vips {
		if old != nil && slices.Contains(old.Spec.Vips, text) {
			continue
		}
		path := specPath.Child("vips").Index(i)
		a, err := ipam.ParseAddr(text)
		if err == nil {
			err = address.Claim(v, s, "vip", a)
		}
		if err == nil && address.HasPorts(s) {
			err = address.ClaimPort(v, nb.VirtualPort(s.Name, text))
		}
		if err != nil {
			errs = append(errs, field.Invalid(path, text, err.Error()))
		}
	}
	return errs
}

// claimRouterMAC gives the router port its MAC, once. One that comes with a new Subnet, as from a backup, is kept if it is
// free.
func claimRouterMAC(v storage.View, s *v1.Subnet) field.ErrorList {
	path := field.NewPath("metadata", "annotations").Key(nb.RouterMACAnnotation)
	mac := nb.RouterMAC(s)
	if !address.HasPorts(s) {
		return nil
	}
	if mac != "" {
		if err := address.CheckMAC(mac); err != nil {
			return field.ErrorList{field.Invalid(path, mac, err.Error())}
		}
		for _, holder := range v.Scan(address.MACKey(mac, s.Name), address.MACKey(mac, s.Name)+"\x00") {
			if holder.GetName() == s.Name {
				return nil
			}
		}
		if address.ClaimMAC(v, s.Spec.Vpc, mac) == nil {
			return nil
		}
	}
	mac, err := address.NewMAC(v, s.Spec.Vpc, string(s.UID)+"/"+nb.RouterPortKey)
	if err != nil {
		return field.ErrorList{field.Invalid(vpcPath, s.Spec.Vpc, err.Error())}
	}
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	s.Annotations[nb.RouterMACAnnotation] = mac
	return nil
}
