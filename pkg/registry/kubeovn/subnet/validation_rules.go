package subnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/dhcp"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
)

// aclActions are those of every supported OVN; "pass" needs tiers, which the oldest has not.
var aclActions = []string{"allow", "allow-related", "allow-stateless", "drop", "reject"}

const maxACLPriority = 32767 // ovn-nb(5): ACL.priority

func validateACLs(acls []v1.ACL) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]int{}
	for i, a := range acls {
		path := specPath.Child("acls").Index(i)
		if a.Direction != v1.ACLFromLport && a.Direction != v1.ACLToLport {
			errs = append(errs, field.NotSupported(path.Child("direction"), a.Direction, []v1.ACLDirection{v1.ACLFromLport, v1.ACLToLport}))
		}
		if a.Priority < 0 || a.Priority > maxACLPriority {
			errs = append(errs, field.Invalid(path.Child("priority"), a.Priority, fmt.Sprintf("must be 0 to %d", maxACLPriority)))
		}
		if a.Match == "" {
			errs = append(errs, field.Required(path.Child("match"), "an OVN expression, as ip4.src == 10.16.0.0/16 && tcp"))
		} else if err := match.Check(a.Match); err != nil {
			errs = append(errs, field.Invalid(path.Child("match"), a.Match, err.Error()))
		}
		if !slices.Contains(aclActions, a.Action) {
			errs = append(errs, field.NotSupported(path.Child("action"), a.Action, aclActions))
		}
		if first, ok := seen[aclKey(a)]; ok {
			errs = append(errs, field.Invalid(path, a.Match, fmt.Sprintf("the same direction, priority and match as %s: only one of them could act", specPath.Child("acls").Index(first))))
			continue
		}
		seen[aclKey(a)] = i
	}
	return errs
}

// aclKey is all that OVN distinguishes access rules of a switch by.
func aclKey(a v1.ACL) string { return fmt.Sprintf("%s/%d/%s", a.Direction, a.Priority, a.Match) }

func validateAllowed(s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	for i, text := range s.Spec.AllowSubnets {
		path := specPath.Child("allowSubnets").Index(i)
		if _, err := ipam.ParsePrefix(text); err != nil {
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("%s in allowSubnets is not a valid address: %v", text, err)))
		} else if slices.Contains(s.Spec.AllowSubnets[:i], text) {
			errs = append(errs, field.Duplicate(path, text))
		}
	}
	return errs
}

func validateOptions(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	var errs field.ErrorList
	check := func(name, value string, err error) {
		if err != nil {
			errs = append(errs, field.Invalid(specPath.Child(name), value, err.Error()))
		}
	}
	_, err := dhcp.V4(s.Spec.DHCPv4Options, prefixes.V4)
	check("dhcpV4Options", s.Spec.DHCPv4Options, err)
	_, err = dhcp.V6(s.Spec.DHCPv6Options)
	check("dhcpV6Options", s.Spec.DHCPv6Options, err)
	_, err = dhcp.Advertisement(s.Spec.IPv6RAConfigs)
	check("ipv6RAConfigs", s.Spec.IPv6RAConfigs, err)
	return errs
}

// validateEgress checks the external egress gateway with the nodes' policy routing that it needs.
func validateEgress(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	priority, table := specPath.Child("policyRoutingPriority"), specPath.Child("policyRoutingTableID")
	var errs field.ErrorList
	if s.Spec.ExternalEgressGateway == "" {
		if s.Spec.PolicyRoutingPriority != 0 {
			errs = append(errs, field.Invalid(priority, s.Spec.PolicyRoutingPriority, "has a meaning with externalEgressGateway only"))
		}
		if s.Spec.PolicyRoutingTableID != 0 {
			errs = append(errs, field.Invalid(table, s.Spec.PolicyRoutingTableID, "has a meaning with externalEgressGateway only"))
		}
		return errs
	}
	if s.Spec.NatOutgoing {
		errs = append(errs, field.Invalid(egressPath, s.Spec.ExternalEgressGateway, "conflict configuration: natOutgoing and externalEgressGateway"))
	}
	gateway, err := ipam.ParseAddrs(s.Spec.ExternalEgressGateway)
	switch {
	case err != nil:
		errs = append(errs, field.Invalid(egressPath, s.Spec.ExternalEgressGateway, fmt.Sprintf("invalid external egress gateway configuration: %v", err)))
	case gateway.V4.IsValid() != prefixes.V4.IsValid() || gateway.V6.IsValid() != prefixes.V6.IsValid():
		errs = append(errs, field.Invalid(egressPath, s.Spec.ExternalEgressGateway,
			fmt.Sprintf("invalid external egress gateway configuration: address family is conflict with CIDR %s", s.Spec.CIDRBlock)))
	}
	for _, a := range gateway.All() {
		if p := prefixes.Of(a); p.IsValid() && p.Contains(a) {
			errs = append(errs, field.Invalid(egressPath, s.Spec.ExternalEgressGateway,
				fmt.Sprintf("invalid external egress gateway configuration: %s is in cidr %s: must be a router beside the nodes", a, p)))
		} else if special := ipam.Special(a); special != "" {
			errs = append(errs, field.Invalid(egressPath, s.Spec.ExternalEgressGateway,
				fmt.Sprintf("invalid external egress gateway configuration: %s is %s: must be a router beside the nodes", a, special)))
		}
	}
	if p := s.Spec.PolicyRoutingPriority; p < 1 || p > maxRulePriority {
		errs = append(errs, field.Invalid(priority, p, fmt.Sprintf("must be 1 to %d with externalEgressGateway", maxRulePriority)))
	}
	if t := s.Spec.PolicyRoutingTableID; t < 1 {
		errs = append(errs, field.Invalid(table, t, "must be 1 to 2147483647 with externalEgressGateway"))
	} else if user := usedTables[t]; user != "" {
		errs = append(errs, field.Invalid(table, t, "is the table "+user+": must be another of 1 to 2147483647"))
	}
	return errs
}

// usedTables are the routing tables of nodes that have a meaning already, see ip-route(8).
var usedTables = map[int32]string{
	v1.AnswersTable: "of the node agents for answers to other nodes", 253: "\"default\" of every node", 254: "\"main\" of every node", 255: "\"local\" of every node",
}

func validateNatRules(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	var errs field.ErrorList
	for i, r := range s.Spec.NatOutgoingPolicyRules {
		path := specPath.Child("natOutgoingPolicyRules").Index(i)
		if r.Action != v1.NatOutgoingNat && r.Action != v1.NatOutgoingForward {
			errs = append(errs, field.NotSupported(path.Child("action"), r.Action, []v1.NatOutgoingAction{v1.NatOutgoingNat, v1.NatOutgoingForward}))
		}
		if r.Match.SrcIPs == "" && r.Match.DstIPs == "" {
			errs = append(errs, field.Required(path.Child("match"), "srcIPs, dstIPs or both"))
		}
		sources, err := addressList(r.Match.SrcIPs)
		if err != nil {
			errs = append(errs, field.Invalid(path.Child("match", "srcIPs"), r.Match.SrcIPs, err.Error()))
		}
		for _, p := range sources {
			if !within(prefixes, p) {
				errs = append(errs, field.Invalid(path.Child("match", "srcIPs"), r.Match.SrcIPs, fmt.Sprintf("%s is not in cidr %s", p, s.Spec.CIDRBlock)))
			}
		}
		if _, err := addressList(r.Match.DstIPs); err != nil {
			errs = append(errs, field.Invalid(path.Child("match", "dstIPs"), r.Match.DstIPs, err.Error()))
		}
	}
	return errs
}

// addressList reads addresses and prefixes separated by commas; an address is its host prefix.
func addressList(s string) ([]netip.Prefix, error) {
	if s == "" {
		return nil, nil
	}
	var out []netip.Prefix
	for _, text := range strings.Split(s, ",") {
		if !strings.Contains(text, "/") {
			a, err := ipam.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := ipam.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// validateUpdate checks what can be said of a change without looking at other objects.
func validateUpdate(s, old *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	if old.Spec.Vpc != "" && s.Spec.Vpc != old.Spec.Vpc {
		errs = append(errs, field.Invalid(vpcPath, s.Spec.Vpc, fmt.Sprintf("vpc can only be changed from empty: subnet %s stays in vpc %s", s.Name, old.Spec.Vpc)))
	}
	if s.Spec.Vlan != old.Spec.Vlan {
		errs = append(errs, field.Invalid(vlanPath, s.Spec.Vlan, fmt.Sprintf("vlan cannot be changed: it is %q", old.Spec.Vlan)))
	}
	return errs
}
