package vpc

import (
	"fmt"
	"net/netip"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// warnings says what is legal but has no effect, of what is new or changed. They are advice: the snapshot may be
// older than the one on which the write is planned.
func (s Strategy) warnings(vpc, old *v1.Vpc) []string {
	var before v1.VpcSpec
	if old != nil {
		before = old.Spec
	}
	var out []string
	for i, p := range vpc.Spec.PolicyRoutes {
		if slices.Contains(before.PolicyRoutes, p) {
			continue
		}
		for _, doubt := range match.Doubts(p.Match) {
			out = append(out, fmt.Sprintf("%s: %s", policiesPath.Index(i).Child("match"), doubt))
		}
	}
	if s.View == nil {
		return out
	}
	v := s.View()
	out = append(out, s.unreachableHops(v, vpc, before)...)
	out = append(out, externalWarnings(v, vpc, before)...)
	for i, p := range vpc.Spec.VpcPeerings {
		if !slices.Contains(before.VpcPeerings, p) {
			out = append(out, danglingPeer(v, vpc.Name, i, p)...)
		}
	}
	if name := vpc.Spec.DefaultSubnet; name != "" && name != before.DefaultSubnet && v.Get(nb.Subnets, name) == nil {
		out = append(out, fmt.Sprintf("%s: subnet %s does not exist yet", specPath.Child("defaultSubnet"), name))
	}
	return out
}

// unreachableHops warns of next hops, of routes and policies that are new or changed, that nothing connected with the router holds.
func (s Strategy) unreachableHops(v storage.View, vpc *v1.Vpc, before v1.VpcSpec) []string {
	var out []string
	for path, hop := range changedHops(vpc, before) {
		if !reaches(v, vpc, hop) && !reachesExternally(v, s.External, vpc, hop) {
			out = append(out, fmt.Sprintf("%s: no subnet and no peering of vpc %s holds %s; there is no way to it until one does", path, vpc.Name, hop))
		}
	}
	return out
}

// reaches reports whether a network that is connected with the router holds the address.
func reaches(v storage.View, vpc *v1.Vpc, hop netip.Addr) bool {
	for _, p := range vpc.Spec.VpcPeerings {
		if link, err := ipam.ParseInterfaces(p.LocalConnectIP); err == nil && link.Contains(hop) {
			return true
		}
	}
	_, holder := prefix.Holding(v, prefix.InVpc(vpc.Name), hop)
	return holder != nil
}

// reachesExternally reports whether an external Subnet of the Vpc holds the address.
func reachesExternally(v storage.View, defaultSubnet string, vpc *v1.Vpc, hop netip.Addr) bool {
	for _, x := range externals(defaultSubnet, vpc) {
		if s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, x.subnet); ok {
			if prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock); err == nil && prefixes.Contains(hop) {
				return true
			}
		}
	}
	return false
}

// externalWarnings says what of the external connections waits for something.
func externalWarnings(v storage.View, vpc *v1.Vpc, before v1.VpcSpec) []string {
	var out []string
	if vpc.Spec.EnableExternal && !before.EnableExternal && len(nb.Gateways(v)) == 0 {
		out = append(out, fmt.Sprintf("%s: no Chassis has spec.externalGateway: the external port carries nothing until one has", externalPath))
	}
	if vpc.Spec.EnableBfd && !before.EnableBfd && !vpc.Spec.EnableExternal {
		out = append(out, fmt.Sprintf("%s: has no effect unless enableExternal is true", specPath.Child("enableBfd")))
	}
	if port := vpc.Spec.BFDPort; port != nil && port.Enabled && (before.BFDPort == nil || !before.BFDPort.Enabled) {
		out = append(out, fmt.Sprintf("%s: OVN has no router port for BFD alone: none is made; external default routes are watched with enableBfd", specPath.Child("bfdPort")))
	}
	return out
}

func danglingPeer(v storage.View, vpc string, i int, p v1.VpcPeering) []string {
	path := peeringsPath.Index(i).Child("remoteVpc")
	remote, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, p.RemoteVpc)
	if !ok {
		return []string{fmt.Sprintf("%s: vpc %s does not exist yet", path, p.RemoteVpc)}
	}
	if !slices.ContainsFunc(remote.Spec.VpcPeerings, func(b v1.VpcPeering) bool { return b.RemoteVpc == vpc }) {
		return []string{fmt.Sprintf("%s: the link is down until vpc %s names vpc %s in its vpcPeerings, too", path, p.RemoteVpc, vpc)}
	}
	return nil
}
