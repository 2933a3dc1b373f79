package subnet

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// derive sets the status: the rows exist in the transaction that stores the Subnet, and the addresses are counted in the same snapshot.
func (k kind) derive(v storage.View, s *v1.Subnet) {
	net, _ := networkOf(s)
	status := &s.Status
	v4, v6 := usageOf(v, s, net.prefixes.V4), usageOf(v, s, net.prefixes.V6)
	status.V4UsingIPs, status.V4AvailableIPs = count.OfInt(v4.using), count.Of(v4.available)
	status.V6UsingIPs, status.V6AvailableIPs = count.OfInt(v6.using), count.Of(v6.available)
	status.V4UsingIPRange, status.V4AvailableIPRange = formatRanges(v4.used), formatRanges(v4.free())
	status.V6UsingIPRange, status.V6AvailableIPRange = formatRanges(v6.used), formatRanges(v6.free())

	dhcp := s.Spec.EnableDHCP && address.HasPorts(s)
	status.DHCPv4OptionsUUID = rowUUID(v, s, nb.DHCPv4Key, dhcp && net.prefixes.V4.IsValid())
	status.DHCPv6OptionsUUID = rowUUID(v, s, nb.DHCPv6Key, dhcp && net.prefixes.V6.IsValid())
	status.NatOutgoingPolicyRules = natRules(s)
	status.McastQuerierIP, status.McastQuerierMAC = "", ""
	if querier := querierOf(s, net); s.Spec.EnableMulticastSnoop && querier.IsValid() {
		status.McastQuerierIP, status.McastQuerierMAC = querier.String(), nb.RouterMAC(s)
	}
	status.ActivateGateway = ""
	if egress.IsCentralized(k.cfg, s) {
		nodes, _ := egress.Active(v, k.cfg, s)
		status.ActivateGateway = strings.Join(nodes, ",")
	}
	status.U2OInterconnectionMAC, status.U2OInterconnectionVPC = "", ""
	if isInterconnected(s) {
		status.ActivateGateway = ""
		if egress.IsCentralized(k.cfg, s) {
			nodes, _ := egress.Active(v, k.cfg, s)
			status.ActivateGateway = strings.Join(nodes, ",")
		}
		status.U2OInterconnectionMAC, status.U2OInterconnectionVPC = nb.RouterMAC(s), s.Spec.Vpc
	}
	kubeovn.SetTrue(&status.Conditions, s, "Validated", "ValidateLogicalSwitchSuccess", "the spec is valid and in conflict with no other object")
	reason, message := ready(s)
	kubeovn.SetTrue(&status.Conditions, s, "Ready", reason, message)
}

// ready is the reason that Kube-OVN gives, and what it means.
func ready(s *v1.Subnet) (reason, message string) {
	switch {
	case !address.HasPorts(s):
		return "SetNonOvnSubnetSuccess", "addresses can be allocated; another plugin plugs the interfaces"
	case s.Spec.Private:
		return "SetPrivateLogicalSwitchSuccess", "the logical switch exists, and drops traffic from other Subnets"
	}
	return "ResetLogicalSwitchAclSuccess", "the logical switch exists"
}

func rowUUID(v storage.View, s *v1.Subnet, key string, exists bool) string {
	if !exists {
		return ""
	}
	return v.RowID(nb.Subnets, s.Name, key).String()
}

// querierOf is the source of multicast queries: the gateway of the router, which no host can have. A Subnet without one is
// queried by its physical network.
func querierOf(s *v1.Subnet, net network) netip.Addr {
	if !address.IsRouted(s) {
		return netip.Addr{}
	}
	return net.gateway.V4
}

func natRules(s *v1.Subnet) []v1.NatOutgoingPolicyRuleStatus {
	if !s.Spec.NatOutgoing {
		return nil
	}
	var out []v1.NatOutgoingPolicyRuleStatus
	for _, r := range s.Spec.NatOutgoingPolicyRules {
		sum := sha256.Sum256([]byte(strings.Join([]string{string(r.Action), r.Match.SrcIPs, r.Match.DstIPs}, "\x00")))
		out = append(out, v1.NatOutgoingPolicyRuleStatus{RuleID: hex.EncodeToString(sum[:])[:12], NatOutgoingPolicyRule: r})
	}
	return out
}

// usages are both families' numbers of a Subnet.
func usages(v storage.View, s *v1.Subnet) (v4, v6 usage) {
	prefixes, _ := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	return usageOf(v, s, prefixes.V4), usageOf(v, s, prefixes.V6)
}
