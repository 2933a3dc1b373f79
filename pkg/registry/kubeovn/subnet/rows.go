package subnet

import (
	"fmt"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// network is the addresses of a Subnet, read.
type network struct {
	prefixes ipam.Prefixes
	gateway  ipam.Addrs
}

func networkOf(s *v1.Subnet) (network, error) {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	if err != nil {
		return network{}, fmt.Errorf("cidrBlock: %w", err)
	}
	gateway, err := gatewaysOf(s)
	if err != nil {
		return network{}, fmt.Errorf("gateway: %w", err)
	}
	return network{prefixes, gateway}, nil
}

// rows returns the switch, its ports to the router, its DHCP options and its access rules.
func (k kind) rows(v storage.View, s *v1.Subnet) ([]storage.Row, error) {
	if !address.HasPorts(s) {
		return nil, nil
	}
	net, err := networkOf(s)
	if err != nil {
		return nil, err
	}
	rows := []storage.Row{logicalSwitch(s, net)}
	if hasRouterPort(s) {
		port, err := k.routerPort(v, s, net)
		if err != nil {
			return nil, err
		}
		rows = append(rows, patchPort(v, s), port)
	}
	if vlan, ok := storage.Get[*v1.Vlan](v, nb.Vlans, s.Spec.Vlan); ok {
		rows = append(rows, localnetPort(v, s, vlan))
	}
	rows = append(rows, interconnectionPolicies(v, s, net)...)
	rows = append(rows, k.physicalRoutes(v, s, net)...)
	rows = append(rows, k.egressPolicies(v, s, net)...)
	options, err := k.dhcpOptions(s, net)
	if err != nil {
		return nil, err
	}
	rows = append(rows, options...)
	rows = append(rows, k.accessRules(v, s, net)...)
	for _, vip := range s.Spec.Vips {
		rows = append(rows, virtualPort(v, s, vip))
	}
	return rows, nil
}

func logicalSwitch(s *v1.Subnet, net network) storage.Row {
	config := map[string]string{}
	if s.Spec.EnableMulticastSnoop {
		config["mcast_snoop"] = "true"
		if querier := querierOf(s, net); querier.IsValid() {
			config["mcast_querier"] = "true"
			config["mcast_eth_src"] = nb.RouterMAC(s)
			config["mcast_ip4_src"] = querier.String()
		}
	}
	return storage.Row{
		Table: nb.LogicalSwitch,
		Key:   nb.SwitchKey,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(s.Name),
			"other_config": ovsdb.Map(config),
			"external_ids": nb.ExternalIDs(nil),
		},
	}
}

func patchPort(v storage.View, s *v1.Subnet) storage.Row {
	options := map[string]string{"router-port": nb.RouterPort(s.Spec.Vpc, s.Name)}
	if proxied := lbplace.Proxied(v, s.Name); len(proxied) > 0 {
		options["arp_proxy"] = strings.Join(proxied, " ") // the router's MAC answers for load balancers in the Subnet
	}
	return storage.Row{
		Table: nb.LogicalSwitchPort,
		Key:   nb.PatchPortKey,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(nb.PatchPort(s.Name, s.Spec.Vpc)),
			"type":         ovsdb.String("router"),
			"addresses":    ovsdb.Strings("router"),
			"options":      ovsdb.Map(options),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InSwitch(v, s.Name, "ports"),
	}
}

// localnetPort leads to the Vlan. The tag stands beside the request for it, from which northd would copy it a moment later: until
// then the packets of the Subnet would be untagged.
func localnetPort(v storage.View, s *v1.Subnet, vlan *v1.Vlan) storage.Row {
	tag := ovsdb.Empty
	if vlan.Spec.ID > 0 {
		tag = ovsdb.Int(int64(vlan.Spec.ID))
	}
	return storage.Row{
		Table: nb.LogicalSwitchPort,
		Key:   "localnet",
		Columns: ovsdb.Row{
			"name":         ovsdb.String(nb.LocalnetPort(s.Name)),
			"type":         ovsdb.String("localnet"),
			"addresses":    ovsdb.Strings("unknown"),
			"options":      ovsdb.Map(map[string]string{"network_name": vlan.Spec.Provider}),
			"tag_request":  tag,
			"tag":          tag,
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: nb.InSwitch(v, s.Name, "ports"),
	}
}

func (k kind) routerPort(v storage.View, s *v1.Subnet, net network) (storage.Row, error) {
	var networks []string
	addrs := net.gateway
	if isInterconnected(s) {
		addrs = interconnection(s)
	}
	for _, a := range addrs.All() {
		networks = append(networks, fmt.Sprintf("%s/%d", a, net.prefixes.Of(a).Bits()))
	}
	options := map[string]string{}
	if table := k.routeTable(s); table != "" {
		options["route_table"] = table
	}
	advertisements, err := k.advertisements(s, net)
	if err != nil {
		return storage.Row{}, err
	}
	return storage.Row{
		Table: nb.LogicalRouterPort,
		Key:   nb.RouterPortKey,
		Columns: ovsdb.Row{
			"name":            ovsdb.String(nb.RouterPort(s.Spec.Vpc, s.Name)),
			"mac":             ovsdb.String(nb.RouterMAC(s)),
			"networks":        ovsdb.Strings(networks...),
			"options":         ovsdb.Map(options),
			"ipv6_ra_configs": ovsdb.Map(advertisements),
			"external_ids":    nb.ExternalIDs(nil),
		},
		Parents: nb.InRouter(v, s.Spec.Vpc, "ports"),
	}, nil
}

func (k kind) mtu(s *v1.Subnet) int {
	if s.Spec.Mtu > 0 {
		return int(s.Spec.Mtu)
	}
	return k.cfg.MTU
}

// virtualPort is the port of an address that any interface of the Subnet may claim; who may is said in virtual-parents by
// those interfaces' kind.
func virtualPort(v storage.View, s *v1.Subnet, vip string) storage.Row {
	return storage.Row{
		Table: nb.LogicalSwitchPort,
		Key:   "vip/" + vip,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(nb.VirtualPort(s.Name, vip)),
			"type":         ovsdb.String("virtual"),
			"options":      ovsdb.Map(map[string]string{"virtual-ip": vip}),
			"external_ids": nb.ExternalIDs(map[string]string{"ls": s.Name}),
		},
		Parents: nb.InSwitch(v, s.Name, "ports"),
	}
}
