package subnet

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/dhcp"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// serverID is the address by which OVN's DHCP server identifies itself; nothing ever has it.
const serverID = "169.254.0.254"

// dhcpOptions returns a row for each family that the Subnet has, if DHCP is on. Interfaces refer to them by their keys.
func (k kind) dhcpOptions(s *v1.Subnet, net network) ([]storage.Row, error) {
	if !s.Spec.EnableDHCP {
		return nil, nil
	}
	var rows []storage.Row
	if p := net.prefixes.V4; p.IsValid() {
		options, err := k.dhcpV4(s, net)
		if err != nil {
			return nil, fmt.Errorf("dhcpV4Options: %w", err)
		}
		rows = append(rows, dhcpRow(s, nb.DHCPv4Key, p, v1.ProtocolIPv4, options))
	}
	if p := net.prefixes.V6; p.IsValid() {
		options, err := dhcp.V6(s.Spec.DHCPv6Options)
		if err != nil {
			return nil, fmt.Errorf("dhcpV6Options: %w", err)
		}
		rows = append(rows, dhcpRow(s, nb.DHCPv6Key, p, v1.ProtocolIPv6, with(options, map[string]string{"server_id": nb.RouterMAC(s)})))
	}
	return rows, nil
}

// dhcpV4 returns the given options and defaults for what clients and OVN need: without server_id, server_mac and lease_time OVN does not
// answer (ovn-nb(5), DHCP_Options), without router and mtu packets would not leave the Subnet, or not all of them.
func (k kind) dhcpV4(s *v1.Subnet, net network) (map[string]string, error) {
	options, err := dhcp.V4(s.Spec.DHCPv4Options, net.prefixes.V4)
	if err != nil {
		return nil, err
	}
	return with(options, map[string]string{
		"router": routers(s, net).V4.String(), "mtu": strconv.Itoa(k.mtu(s)),
		"server_id": serverID, "server_mac": nb.RouterMAC(s), "lease_time": "3600",
	}), nil
}

// advertisements returns LRP.ipv6_ra_configs, see ovn-nb(5): the given parameters and defaults for the others. Without address_mode
// OVN advertises nothing.
func (k kind) advertisements(s *v1.Subnet, net network) (map[string]string, error) {
	if !s.Spec.EnableIPv6RA || !net.prefixes.V6.IsValid() {
		return nil, nil
	}
	configs, err := dhcp.Advertisement(s.Spec.IPv6RAConfigs)
	if err != nil {
		return nil, fmt.Errorf("ipv6RAConfigs: %w", err)
	}
	defaults := map[string]string{"address_mode": "dhcpv6_stateful", "send_periodic": "true", "mtu": strconv.Itoa(k.mtu(s))}
	// One interval alone may not fit the default of the other: OVN derives that then.
	if configs["max_interval"] == "" && configs["min_interval"] == "" {
		defaults["max_interval"], defaults["min_interval"] = "30", "5"
	}
	return with(configs, defaults), nil
}

// routers are the addresses to which the Subnet's interfaces send what leaves it.
func routers(s *v1.Subnet, net network) ipam.Addrs {
	if addrs, err := podnet.Routers(s); err == nil {
		return addrs
	}
	return net.gateway // not reached: what is stored has been validated
}

// with returns the options completed with those that are missing.
func with(options, required map[string]string) map[string]string {
	all := maps.Clone(required)
	maps.Copy(all, options)
	return all
}

func dhcpRow(s *v1.Subnet, key string, p netip.Prefix, protocol v1.Protocol, options map[string]string) storage.Row {
	return storage.Row{
		Table: nb.DHCPOptions,
		Key:   key,
		Columns: ovsdb.Row{
			"cidr":         ovsdb.String(p.String()),
			"options":      ovsdb.Map(options),
			"external_ids": nb.ExternalIDs(map[string]string{"ls": s.Name, "protocol": string(protocol)}),
		},
	}
}
