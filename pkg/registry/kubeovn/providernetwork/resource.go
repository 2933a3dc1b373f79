package providernetwork

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// NewResource returns the engine's side of the kind.
func NewResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource(nb.ProviderNetworks, "ProviderNetwork", func() *v1.ProviderNetwork { return &v1.ProviderNetwork{} },
		storage.Kind[*v1.ProviderNetwork]{Plan: plan, Derive: derive})
}

func plan(_ storage.View, _, pn *v1.ProviderNetwork) error {
	if pn == nil {
		return nil
	}
	return kubeovn.Invalid("ProviderNetwork", pn.Name, append(validate(pn), validateStatus(pn)...))
}

// derive names the Vlans, and sums up what the agents of the nodes say in the conditions.
func derive(v storage.View, pn *v1.ProviderNetwork) {
	status := &pn.Status
	status.Vlans = nil
	for vlan := range storage.ReferrersOf[*v1.Vlan](v, nb.ProviderNetworks, pn.Name) {
		status.Vlans = append(status.Vlans, vlan.Name)
	}
	slices.Sort(status.Vlans)
	status.ReadyNodes, status.NotReadyNodes = nil, nil
	for _, c := range status.Conditions {
		switch {
		case c.Type != readyCondition:
		case c.Status == metav1.ConditionTrue:
			status.ReadyNodes = append(status.ReadyNodes, c.Node)
		default:
			status.NotReadyNodes = append(status.NotReadyNodes, c.Node)
		}
	}
	slices.Sort(status.ReadyNodes)
	slices.Sort(status.NotReadyNodes)
	status.Ready = len(status.ReadyNodes) > 0 && len(status.NotReadyNodes) == 0
}
