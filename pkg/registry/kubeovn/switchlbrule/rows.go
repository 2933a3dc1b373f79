package switchlbrule

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// LoadBalancerRow is the key of the row of a protocol's load balancer, "lb/tcp".
func LoadBalancerRow(protocol string) string { return "lb/" + strings.ToLower(protocol) }

// healthCheck is Kube-OVN's: seconds, and numbers of answers and of failures.
var healthCheck = map[string]string{"interval": "5", "timeout": "20", "success_count": "3", "failure_count": "3"}

// rows returns a load balancer of each protocol of the rule, with the checks of its back ends.
func (k kind) rows(v storage.View, r *v1.SwitchLBRule) ([]storage.Row, error) {
	if !balances(r) {
		return nil, nil
	}
	vpc := home(r).In(v, k.cfg)
	places := lbplace.InSwitches(v, vpc, func(s *v1.Subnet) bool { return lbplace.Balances(k.cfg, s) })
	mappings := watched(v, r, vpc)
	var out []storage.Row
	for _, protocol := range protocols {
		vips := vipsOfProtocol(r, protocol)
		if len(vips) == 0 {
			continue
		}
		fields, checked := ovsdb.Empty, protocol != "SCTP" && len(mappings) > 0
		if r.Spec.SessionAffinity == affinityClientIP {
			fields = ovsdb.Strings(affinityFields(vipsOf(r))...)
		}
		columns := ovsdb.Row{
			"name":             ovsdb.String("slr-" + r.Name + "-" + strings.ToLower(protocol)),
			"protocol":         ovsdb.String(strings.ToLower(protocol)),
			"vips":             ovsdb.Map(vips),
			"selection_fields": fields,
			"ip_port_mappings": ovsdb.Map(nil),
			"options":          ovsdb.Map(options(protocol)),
			"external_ids":     nb.ExternalIDs(nil),
		}
		if checked {
			columns["ip_port_mappings"] = ovsdb.Map(mappings)
		}
		out = append(out, storage.Row{Table: nb.LoadBalancer, Key: LoadBalancerRow(protocol), Columns: columns, Parents: places})
		if checked {
			out = append(out, healthChecks(v, r, protocol)...)
		}
	}
	return out, nil
}

// options returns the column options of a protocol's load balancer. Clients of a rule without back ends are told so, instead of being
// left to wait. A client of UDP that keeps its socket never ends its connection: without ct_flush, its packets would follow the tracked
// state to a back end that is gone. Connections of TCP and SCTP end by themselves, and those to a back end that terminates may finish.
func options(protocol string) map[string]string {
	o := map[string]string{"reject": "true"}
	if protocol == "UDP" {
		o["ct_flush"] = "true"
	}
	return o
}

// affinityFields are what the back end is chosen by. Those of OVN 23.03 have no addresses of IPv6 (ovn-nb(5), selection_fields), and a
// name that the column does not allow fails the whole write: a client of IPv6 is known by the MAC address that its packets come from,
// which is the router's for all clients beyond a router.
func affinityFields(vips ipam.Addrs) []string {
	var fields []string
	if vips.V4.IsValid() {
		fields = append(fields, "ip_src", "ip_dst")
	}
	if vips.V6.IsValid() {
		fields = append(fields, "eth_src")
	}
	return fields
}

// vipsOfProtocol is the column vips: front ends with the back ends of their family.
func vipsOfProtocol(r *v1.SwitchLBRule, protocol string) map[string]string {
	vips := map[string]string{}
	for _, f := range fronts(r) {
		if protocolOf(f.port) != protocol {
			continue
		}
		var backends []string
		for _, b := range backEnds(r, f.port) {
			if b.Addr().Is4() == f.addr.Is4() {
				backends = append(backends, b.String())
			}
		}
		vips[hostPort(f.addr, f.port.Port)] = strings.Join(backends, ",")
	}
	return vips
}

func hostPort(a netip.Addr, port int32) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(int(port)))
}

// subnetOf is the Subnet of a Vpc in which an address lies, nil when there is none with ports.
func subnetOf(v storage.View, vpc string, a netip.Addr) *v1.Subnet {
	_, holder := prefix.Holding(v, prefix.InVpc(vpc), a)
	if s, ok := holder.(*v1.Subnet); ok && address.HasPorts(s) {
		return s
	}
	return nil
}

// watched is the column ip_port_mappings: of each back end that is an interface of the Vpc, its port and the address that checks
// come from. OVN takes back ends that are not in it for alive.
func watched(v storage.View, r *v1.SwitchLBRule, vpc string) map[string]string {
	mappings := map[string]string{}
	if !checks(r) {
		return mappings
	}
	for _, a := range endpointsOf(r) {
		subnet := subnetOf(v, vpc, a)
		if subnet == nil || !a.Is4() {
			continue
		}
		source := sourceIn(r, subnet.Name)
		if ip, ok := address.Holder(v, subnet.Name, a).(*v1.IP); ok && source.IsValid() {
			mappings[a.String()] = ip.Name + ":" + source.String()
		}
	}
	return mappings
}

func healthChecks(v storage.View, r *v1.SwitchLBRule, protocol string) []storage.Row {
	var out []storage.Row
	for _, f := range fronts(r) {
		if protocolOf(f.port) != protocol || !f.addr.Is4() {
			continue
		}
		vip := hostPort(f.addr, f.port.Port)
		out = append(out, storage.Row{
			Table: nb.HealthCheck,
			Key:   "check/" + strings.ToLower(protocol) + "/" + vip,
			Columns: ovsdb.Row{
				"vip":          ovsdb.String(vip),
				"options":      ovsdb.Map(healthCheck),
				"external_ids": nb.ExternalIDs(nil),
			},
			Parents: []storage.Parent{{Table: nb.LoadBalancer, UUID: v.RowID(Resource, r.Name, LoadBalancerRow(protocol)), Column: "health_check"}},
		})
	}
	return out
}
