package vip

import (
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// PortRow is the key of the row of the Vip's port, PortRowV6 of the one for its IPv6 address when it has both families.
const (
	PortRow   = "port"
	PortRowV6 = "port6"
)

// port is a logical switch port of a Vip: a virtual one with one address, or an ordinary one.
type port struct {
	key, name string
	virtualIP string // empty: an ordinary port
}

// ports depends on the Vip alone, as index must.
func ports(vip *v1.Vip) []port {
	switch {
	case vip.Spec.Type == v1.VipKubeHostVM && vip.Spec.Namespace != "":
		return []port{{key: PortRow, name: vip.Name + "." + vip.Spec.Namespace}}
	case vip.Spec.Type == v1.VipKubeHostVM:
		return []port{{key: PortRow, name: vip.Name}}
	case !isCarried(vip):
		return nil
	}
	var out []port
	for _, a := range assigned(vip).All() {
		p := port{key: PortRow, name: vip.Name, virtualIP: a.String()}
		if len(out) > 0 {
			p.key, p.name = PortRowV6, vip.Name+"/v6"
		}
		out = append(out, p)
	}
	return out
}

// isCarried reports whether interfaces may carry the address besides their own: those of the namespace's pods that name the Vip and match
// its selector, if it has one.
func isCarried(vip *v1.Vip) bool {
	return vip.Spec.Type == v1.VipReserved && vip.Spec.Namespace != ""
}

func rows(v storage.View, vip *v1.Vip) ([]storage.Row, error) {
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", vip.Spec.Subnet)
	if !ok || !address.HasPorts(subnet) {
		return nil, nil
	}
	if isCarried(vip) && len(vip.Spec.Selector) == 0 && len(bearers(v, vip.Name)) == 0 {
		return nil, nil // It is only reserved, or a pod's own address, until a pod carries it.
	}
	var out []storage.Row
	for _, p := range ports(vip) {
		columns := ovsdb.Row{
			"name":         ovsdb.String(p.name),
			"external_ids": nb.ExternalIDs(map[string]string{"ls": subnet.Name}),
		}
		if p.virtualIP != "" {
			columns["type"] = ovsdb.String("virtual")
			columns["addresses"] = ovsdb.Empty
			columns["options"] = virtualOptions(v, vip, p.virtualIP)
		} else {
			columns["type"] = ovsdb.String("")
			columns["addresses"] = ovsdb.Strings(ownAddresses(vip))
			columns["options"] = ovsdb.Map(nil)
		}
		out = append(out, storage.Row{Table: nb.LogicalSwitchPort, Key: p.key, Columns: columns, Parents: nb.InSwitch(v, subnet.Name, "ports")})
	}
	return out, nil
}

func virtualOptions(v storage.View, vip *v1.Vip, virtualIP string) ovsdb.Value {
	options := map[string]string{"virtual-ip": virtualIP}
	if parents := bearers(v, vip.Name); len(parents) > 0 {
		options["virtual-parents"] = strings.Join(parents, ",")
	}
	return ovsdb.Map(options)
}

func ownAddresses(vip *v1.Vip) string {
	text := vip.Status.Mac
	for _, a := range assigned(vip).All() {
		text += " " + a.String()
	}
	return text
}

// bearers are the names, sorted, of the IPs that carry a Vip besides their own address.
func bearers(v storage.View, vip string) []string {
	var names []string
	for ip := range storage.ReferrersOf[*v1.IP](v, "vips", vip) {
		if slices.Contains(ip.Spec.Vips, vip) {
			names = append(names, ip.Name)
		}
	}
	slices.Sort(names)
	return names
}

// user is the name of the IP that uses a Vip as its own address, empty when none does.
func user(v storage.View, vip string) string {
	if ip := address.VipUser(v, vip); ip != nil {
		return ip.Name
	}
	return ""
}
