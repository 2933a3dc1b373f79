package vlan

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// NewResource returns the engine's side of the kind.
func NewResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource(nb.Vlans, "Vlan", func() *v1.Vlan { return &v1.Vlan{} }, storage.Kind[*v1.Vlan]{
		References: references,
		Index:      func(vlan *v1.Vlan) []string { return []string{idKey(vlan)} },
		Plan:       plan,
		Derive:     derive,
	})
}

// references hold the ProviderNetwork, whose status names its Vlans.
func references(vlan *v1.Vlan) []storage.Ref {
	return []storage.Ref{{Resource: nb.ProviderNetworks, Name: vlan.Spec.Provider, Field: providerPath.String(), Effect: storage.Immediately}}
}

// idKey finds the Vlan with an identifier in a ProviderNetwork.
func idKey(vlan *v1.Vlan) string {
	return fmt.Sprintf("vlan-id/%s/%04d", vlan.Spec.Provider, vlan.Spec.ID)
}

// plan refuses a second Vlan with the same identifier in a network: on the wire they would be one.
func plan(v storage.View, old, vlan *v1.Vlan) error {
	if vlan == nil {
		return nil
	}
	errs := validate(vlan)
	switch {
	case len(errs) > 0:
	case old != nil:
		errs = Shape.ValidateUpdate(vlan, old)
	case v.Get(nb.ProviderNetworks, vlan.Spec.Provider) == nil:
		errs = field.ErrorList{kubeovn.NotFound(providerPath, "ProviderNetwork", vlan.Spec.Provider)}
	default:
		for _, holder := range v.Scan(idKey(vlan), idKey(vlan)+"\x00") {
			errs = append(errs, field.Invalid(idPath, vlan.Spec.ID, fmt.Sprintf("vlan %s of provider network %s has this id already", holder.GetName(), vlan.Spec.Provider)))
		}
	}
	return kubeovn.Invalid("Vlan", vlan.Name, errs)
}

// derive names the Subnets.
func derive(v storage.View, vlan *v1.Vlan) {
	vlan.Status.Subnets = nil
	for s := range storage.ReferrersOf[*v1.Subnet](v, nb.Vlans, vlan.Name) {
		vlan.Status.Subnets = append(vlan.Status.Subnets, s.Name)
	}
	slices.Sort(vlan.Status.Subnets)
	vlan.Status.Conflict = false
	kubeovn.SetTrue(&vlan.Status.Conditions, vlan, "Ready", "VlanReady", "Subnets can be in the VLAN")
}
