package subnet

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/podnet"
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
		options, err := parseOptions(s.Spec.DHCPv6Options)
		if err != nil {
			return nil, fmt.Errorf("dhcpV6Options: %w", err)
		}
		rows = append(rows, dhcpRow(s, nb.DHCPv6Key, p, v1.ProtocolIPv6, with(options, map[string]string{"server_id": nb.RouterMAC(s)})))
	}
	return rows, nil
}

// dhcpV4 returns the given options, or the defaults. Without server_id, server_mac and lease_time OVN would not answer
// (ovn-nb(5), DHCP_Options), so that these are always there.
func (k kind) dhcpV4(s *v1.Subnet, net network) (map[string]string, error) {
	options, err := parseOptions(s.Spec.DHCPv4Options)
	if err != nil {
		return nil, err
	}
	if len(options) == 0 {
		options = map[string]string{"router": routers(s, net).V4.String(), "mtu": strconv.Itoa(k.mtu(s))}
	}
	return with(options, map[string]string{"server_id": serverID, "server_mac": nb.RouterMAC(s), "lease_time": "3600"}), nil
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
