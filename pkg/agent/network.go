package agent

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// network is what a node needs to know of the default Vpc: what it reaches through its port, and what it translates.
type network struct {
	// join is the prefix of the nodes' Subnet, and gateway the address of the Vpc's router in it.
	join    ipam.Prefixes
	gateway ipam.Addrs
	// pods are the prefixes of the Subnets, without join, ascending.
	pods []netip.Prefix
	// centralized are those whose traffic to the outside leaves by nodes of the Subnets' choice.
	centralized []netip.Prefix
	// translated are the Subnets with natOutgoing, in the order of their names.
	translated []nat.Subnet
	// steered are the Subnets whose traffic leaves at this node by a gateway of their own, in the order of their names.
	steered []steering
	// nodes are the addresses of all nodes.
	nodes []netip.Addr
}

// networkOf reads the network off the API's objects. What an object says in a form that the server would not have admitted is
// left out.
func networkOf(subnets []*v1.Subnet, chassis []*v1.Chassis, vpc, nodeSwitch, node string) network {
	var n network
	subnets = slices.Clone(subnets)
	slices.SortFunc(subnets, func(x, y *v1.Subnet) int { return cmp.Compare(x.Name, y.Name) })
	for _, s := range subnets {
		cidr, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
		if err != nil || !throughNode(s, vpc) {
			continue
		}
		if s.Name == nodeSwitch {
			n.join = cidr
			n.gateway, _ = ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway)
			continue
		}
		n.pods = append(n.pods, cidr.All()...)
		if s.Spec.GatewayType == v1.GatewayCentralized {
			n.centralized = append(n.centralized, cidr.All()...)
		}
		if s.Spec.NatOutgoing {
			n.translated = append(n.translated, translationOf(s, cidr, node))
		}
		if to, here := steeringOf(s, cidr, node); here {
			n.steered = append(n.steered, to)
		}
	}
	slices.SortFunc(n.pods, netip.Prefix.Compare)
	for _, c := range chassis {
		for _, text := range c.Spec.NodeIPs {
			if a, err := ipam.ParseAddr(text); err == nil {
				n.nodes = append(n.nodes, a)
			}
		}
	}
	slices.SortFunc(n.nodes, netip.Addr.Compare)
	return n
}

// throughNode says whether nodes reach the pods of a Subnet through their ports: those of overlays, and those of underlays
// whose gateway is the Vpc's router.
func throughNode(s *v1.Subnet, vpc string) bool {
	return s.Spec.Vpc == vpc && (s.Spec.Provider == "" || s.Spec.Provider == v1.DefaultProvider) && (s.Spec.Vlan == "" || s.Spec.LogicalGateway)
}

func translationOf(s *v1.Subnet, cidr ipam.Prefixes, node string) nat.Subnet {
	t := nat.Subnet{Name: s.Name, Prefixes: cidr.All(), Sources: gatewayAddresses(s, node)}
	for _, r := range s.Spec.NatOutgoingPolicyRules {
		t.Rules = append(t.Rules, nat.Rule{
			From: prefixList(r.Match.SrcIPs), To: prefixList(r.Match.DstIPs), Forward: r.Action == v1.NatOutgoingForward,
		})
	}
	return t
}

// gatewayAddresses are the addresses that gatewayNode gives to a node, as in "node1:192.0.2.1,node2:192.0.2.2".
func gatewayAddresses(s *v1.Subnet, node string) []netip.Addr {
	if s.Spec.GatewayType != v1.GatewayCentralized {
		return nil
	}
	var addrs []netip.Addr
	for entry := range strings.SplitSeq(s.Spec.GatewayNode, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(entry), ":")
		if !ok || name != node {
			continue
		}
		if a, err := ipam.ParseAddr(strings.Trim(text, "[]")); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// prefixList reads addresses and prefixes that are separated by commas.
func prefixList(list string) []netip.Prefix {
	var out []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if p, err := ipam.ParsePrefix(text); err == nil {
			out = append(out, p)
		} else if a, err := ipam.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}
