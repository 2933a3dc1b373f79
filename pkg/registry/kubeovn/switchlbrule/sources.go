package switchlbrule

import (
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// source is the address in a Subnet from which back ends there are checked. All rules that check in a Subnet hold the same one: the
// first takes it, the last releases it.
type source struct {
	subnet string
	addr   netip.Addr
}

func sourcesOf(r *v1.SwitchLBRule) []source {
	var out []source
	for entry := range strings.SplitSeq(r.Annotations[SourcesAnnotation], ",") {
		subnet, text, found := strings.Cut(entry, "=")
		if a, err := ipam.ParseAddr(text); found && err == nil {
			out = append(out, source{subnet, a})
		}
	}
	return out
}

// sourceIn is the address from which a rule checks back ends in a Subnet, invalid when it has none.
func sourceIn(r *v1.SwitchLBRule, subnet string) netip.Addr {
	for _, s := range sourcesOf(r) {
		if s.subnet == subnet {
			return s.addr
		}
	}
	return netip.Addr{}
}

// holdSources gives the rule an address in each Subnet in which it checks back ends, as far as there is one.
func (k kind) holdSources(v storage.View, old, r *v1.SwitchLBRule) {
	var entries []string
	for _, subnet := range checkedSubnets(v, r) {
		if a := k.chooseSource(v, old, r, subnet); a.IsValid() {
			entries = append(entries, subnet.Name+"="+a.String())
		}
	}
	setAnnotation(r, SourcesAnnotation, strings.Join(entries, ","))
}

// chooseSource returns the address from which a rule checks in a Subnet: the one that it has, else the one from which other rules
// check there, else a free one that is no back end of any rule. It is invalid when there is none.
func (k kind) chooseSource(v storage.View, old, r *v1.SwitchLBRule, subnet *v1.Subnet) netip.Addr {
	own := endpointsOf(r)
	if old != nil {
		if a := sourceIn(old, subnet.Name); a.IsValid() && !slices.Contains(own, a) {
			return a
		}
	}
	for a, by := range lbplace.Sources(v, subnet.Name) {
		if by.GetName() != r.Name && !slices.Contains(own, a) {
			return a
		}
	}
	grant, errs := address.Allocate(v, subnet, address.Request{
		Resource: Resource, Name: r.Name, Noun: "source of health checks", NoMAC: true,
		Paths: address.Paths{Subnet: endpointsPath, V4: endpointsPath, V6: endpointsPath},
		Avoid: func(a netip.Addr) bool {
			for range lbplace.WithBackEnd(v, k.cfg, r.Status.Vpc, a) {
				return true
			}
			return slices.Contains(own, a)
		},
	})
	if len(errs) > 0 {
		return netip.Addr{}
	}
	return grant.Addrs.V4
}

// checkedSubnets are the Subnets, by name, in which a rule checks back ends.
func checkedSubnets(v storage.View, r *v1.SwitchLBRule) []*v1.Subnet {
	if !checks(r) {
		return nil
	}
	found := map[string]*v1.Subnet{}
	for _, a := range endpointsOf(r) {
		if s := subnetOf(v, r.Status.Vpc, a); s != nil && a.Is4() {
			found[s.Name] = s
		}
	}
	var out []*v1.Subnet
	for _, s := range found {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *v1.Subnet) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// checks reports whether a rule has ports that OVN can check, and its user wants it.
func checks(r *v1.SwitchLBRule) bool {
	return r.Annotations[HealthCheckAnnotation] != "false" && vipsOf(r).V4.IsValid() &&
		slices.ContainsFunc(r.Spec.Ports, func(p v1.SwitchLBRulePort) bool { return protocolOf(p) != "SCTP" })
}
