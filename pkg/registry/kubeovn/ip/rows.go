package ip

import (
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// PortRow is the key of the row of the logical switch port.
const PortRow = "port"

// rows is the logical switch port. An interface that another plugin plugs has none.
func (k kind) rows(v storage.View, ip *v1.IP) ([]storage.Row, error) {
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", ip.Spec.Subnet)
	if !ok || !address.HasPorts(subnet) {
		return nil, nil
	}
	addrs := addrsOf(ip)
	own := []string{ip.Spec.MacAddress}
	for _, a := range addrs.All() {
		own = append(own, a.String())
	}
	carried := carriedAddresses(v, ip)
	allowed := append(own, carried...)
	if egress.IsNodePort(k.cfg, ip) || ip.Annotations[v1.AnnotationPortSecurity] == "false" {
		// It forwards: packets of the outside to pods, and those of pods to the outside. Only the MAC is its own.
		allowed = own[:1]
	}
	ids := map[string]string{"ls": subnet.Name}
	if ip.Spec.PodName != "" {
		ids["pod"] = ip.Spec.Namespace + "/" + ip.Spec.PodName
	}
	if len(carried) > 0 {
		ids["vips"] = strings.Join(carried, ",")
	}
	columns := ovsdb.Row{
		"name":           ovsdb.String(ip.Name),
		"addresses":      ovsdb.Strings(strings.Join(own, " ")),
		"port_security":  ovsdb.Strings(strings.Join(allowed, " ")),
		"external_ids":   nb.ExternalIDs(ids),
		"dhcpv4_options": ovsdb.Empty,
		"dhcpv6_options": ovsdb.Empty,
	}
	if subnet.Spec.EnableDHCP && addrs.V4.IsValid() {
		columns["dhcpv4_options"] = ovsdb.Ref(v.RowID(nb.Subnets, subnet.Name, nb.DHCPv4Key))
	}
	if subnet.Spec.EnableDHCP && addrs.V6.IsValid() {
		columns["dhcpv6_options"] = ovsdb.Ref(v.RowID(nb.Subnets, subnet.Name, nb.DHCPv6Key))
	}
	return []storage.Row{{Table: nb.LogicalSwitchPort, Key: PortRow, Columns: columns,
		Parents: append(nb.InSwitch(v, subnet.Name, "ports"), egress.Membership(v, k.cfg, subnet, ip)...)}}, nil
}

// carriedAddresses are the addresses, sorted, of the Vips that the interface may use besides its own address.
func carriedAddresses(v storage.View, ip *v1.IP) []string {
	var addrs []string
	for _, name := range ip.Spec.Vips {
		vip, ok := storage.Get[*v1.Vip](v, "vips", name)
		if !ok {
			continue
		}
		for _, a := range [...]string{vip.Status.V4ip, vip.Status.V6ip} {
			if a != "" {
				addrs = append(addrs, a)
			}
		}
	}
	slices.Sort(addrs)
	return addrs
}
