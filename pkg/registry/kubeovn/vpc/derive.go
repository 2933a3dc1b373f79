package vpc

import (
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// derive sets the status: the router exists in the transaction that stores the Vpc. Nothing of it is anybody else's but further
// conditions.
func (k kind) derive(v storage.View, vpc *v1.Vpc) {
	status := &vpc.Status
	*status = v1.VpcStatus{Conditions: status.Conditions}
	status.Standby = true
	status.Default = vpc.Name == k.cfg.DefaultVpc
	status.Router = vpc.Name
	status.Subnets = subnetsOf(v, vpc.Name)
	status.DefaultLogicalSwitch = ""
	if slices.Contains(status.Subnets, vpc.Spec.DefaultSubnet) {
		status.DefaultLogicalSwitch = vpc.Spec.DefaultSubnet
	} else if status.Default && vpc.Spec.DefaultSubnet == "" && slices.Contains(status.Subnets, k.cfg.DefaultSubnet) {
		status.DefaultLogicalSwitch = k.cfg.DefaultSubnet
	}
	status.VpcPeerings = slices.Sorted(slices.Values(Peers(v, vpc)))
	if status.VpcPeerings == nil {
		status.VpcPeerings = []string{}
	}
	k.deriveExternal(v, vpc)
	kubeovn.SetTrue(&status.Conditions, vpc, "Ready", "RouterReady", "the logical router exists")
}

// deriveExternal sets what follows from the router's ports in external Subnets.
func (k kind) deriveExternal(v storage.View, vpc *v1.Vpc) {
	status := &vpc.Status
	ports := k.externalPorts(v, vpc)
	status.EnableExternal, status.EnableBfd, status.ExtraExternalSubnets = false, false, []string{}
	for _, p := range ports {
		if !p.isDefault {
			status.ExtraExternalSubnets = append(status.ExtraExternalSubnets, p.subnet)
			continue
		}
		status.EnableExternal = true
		status.EnableBfd = len(bfdSessions(v, vpc, p)) > 0
	}
	slices.Sort(status.ExtraExternalSubnets)
	status.Routes = k.derivedRoutes(v, vpc, ports)
}

// subnetsOf returns the names of the Subnets of a Vpc, ascending. Never nil: the field has always been written out.
func subnetsOf(v storage.View, vpc string) []string {
	names := []string{}
	for s := range storage.ReferrersOf[*v1.Subnet](v, nb.Vpcs, vpc) {
		if s.Spec.Vpc == vpc {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}
