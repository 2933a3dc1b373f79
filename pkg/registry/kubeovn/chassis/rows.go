package chassis

import (
	"net/netip"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// rows are the port group of the node's pods, and the policies by which the default Vpc reaches the node and its pods leave at it. A node
// that has no port yet has no policies: nothing would take the packets.
func (k kind) rows(v storage.View, c *v1.Chassis) ([]storage.Row, error) {
	rows := []storage.Row{egress.GroupRow(c)}
	if v.Get(nb.Vpcs, k.cfg.DefaultVpc) == nil {
		return rows, nil
	}
	port := egress.NodePort(v, k.cfg, c.Name)
	for _, text := range c.Spec.NodeIPs {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		if hop := sameFamily(port, a); hop.IsValid() {
			rows = append(rows, egress.Reroute(v, k.cfg, "to/"+a.String(), egress.NodePriority, egress.To(netip.PrefixFrom(a, a.BitLen())), hop))
		}
	}
	for _, hop := range port.All() {
		family := egress.Family(hop)
		match := "ip" + family + ".src == $" + egress.Group(c.Name) + "_ip" + family
		rows = append(rows, egress.Reroute(v, k.cfg, "from"+family, egress.GatewayPriority, match, hop))
	}
	return rows, nil
}

func sameFamily(addrs ipam.Addrs, a netip.Addr) netip.Addr {
	if a.Is4() {
		return addrs.V4
	}
	return addrs.V6
}
