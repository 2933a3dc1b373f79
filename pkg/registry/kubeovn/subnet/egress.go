package subnet

import (
	"net/netip"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// egressPolicies are the default Vpc's policies for a Subnet of it: what goes there stays in the Vpc, and what comes from a centralized
// one leaves at its gateway nodes. Pods of distributed Subnets leave at their own nodes, which is a matter of those.
func (k kind) egressPolicies(v storage.View, s *v1.Subnet, net network) []storage.Row {
	if !egress.IsOverlay(k.cfg, s) {
		return nil
	}
	var rows []storage.Row
	for _, p := range net.prefixes.All() {
		rows = append(rows, egress.Allow(v, k.cfg, "to"+egress.Family(p.Addr()), egress.SubnetPriority, egress.To(p)))
	}
	if !egress.IsCentralized(k.cfg, s) {
		return rows
	}
	_, gateways := egress.Active(v, k.cfg, s)
	for _, p := range net.prefixes.All() {
		var hops []netip.Addr
		for _, addrs := range gateways {
			for _, a := range addrs.All() {
				if a.Is4() == p.Addr().Is4() {
					hops = append(hops, a)
				}
			}
		}
		if len(hops) > 0 {
			rows = append(rows, egress.Reroute(v, k.cfg, "from"+egress.Family(p.Addr()), egress.GatewayPriority, egress.From(p), hops...))
		}
	}
	return rows
}
