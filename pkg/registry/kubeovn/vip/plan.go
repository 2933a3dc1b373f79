package vip

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan assigns a new Vip its addresses and refuses changes of its use that those who have it would not survive.
func plan(v storage.View, old, vip *v1.Vip) error {
	if vip == nil {
		return nil
	}
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", vip.Spec.Subnet)
	if !ok {
		return kubeovn.Invalid("Vip", vip.Name, field.ErrorList{kubeovn.NotFound(specPath.Child("subnet"), "Subnet", vip.Spec.Subnet)})
	}
	var errs field.ErrorList
	if old == nil || old.Spec.Namespace != vip.Spec.Namespace {
		if err := address.CheckNamespace(v, subnet, vip.Spec.Namespace); err != nil {
			errs = append(errs, field.Invalid(specPath.Child("namespace"), vip.Spec.Namespace, err.Error()))
		}
	}
	if old == nil {
		if len(errs) == 0 {
			errs = assign(v, subnet, vip)
		}
	} else {
		vip.Status = *old.Status.DeepCopy()
		errs = append(errs, checkUse(v, old, vip)...)
	}
	errs = append(errs, claimPorts(v, old, vip)...)
	return kubeovn.Invalid("Vip", vip.Name, errs)
}

// assign fills the status of a new Vip.
func assign(v storage.View, subnet *v1.Subnet, vip *v1.Vip) field.ErrorList {
	if subnet.Spec.CIDRBlock == "" {
		return field.ErrorList{field.Invalid(specPath.Child("subnet"), subnet.Name, "the interfaces of this subnet have no addresses (spec.protocol Mac)")}
	}
	wanted, errs := requested(&vip.Spec)
	if len(errs) > 0 {
		return errs
	}
	request := address.Request{
		Resource: "vips", Name: vip.Name, Noun: "vip", Addrs: wanted, MAC: vip.Spec.MacAddress,
		Paths: address.Paths{
			Subnet: specPath.Child("subnet"), V4: specPath.Child("v4ip"), V6: specPath.Child("v6ip"), MAC: specPath.Child("macAddress"),
		},
	}
	if vip.Spec.Type == v1.VipSwitchLB {
		request.NoMAC, request.MAC = true, nb.RouterMAC(subnet)
		if mac := vip.Spec.MacAddress; mac != "" && !strings.EqualFold(mac, request.MAC) {
			return field.ErrorList{field.Invalid(specPath.Child("macAddress"), mac, fmt.Sprintf("a switch_lb_vip has the MAC of the subnet's router port, %q", request.MAC))}
		}
	}
	grant, errs := address.Allocate(v, subnet, request)
	if len(errs) > 0 {
		return errs
	}
	vip.Status = v1.VipStatus{Mac: grant.MAC, V4ip: text(grant.Addrs.V4), V6ip: text(grant.Addrs.V6)}
	return nil
}

// claimPorts refuses names of ports that something else has.
func claimPorts(v storage.View, old, vip *v1.Vip) field.ErrorList {
	var had []port
	if old != nil {
		had = ports(old)
	}
	var errs field.ErrorList
	for _, p := range ports(vip) {
		if slices.ContainsFunc(had, func(h port) bool { return h.name == p.name }) {
			continue
		}
		if err := address.ClaimPort(v, p.name); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), vip.Name, err.Error()))
		}
	}
	return errs
}

// checkUse holds a Vip to the use that IPs make of it.
func checkUse(v storage.View, old, vip *v1.Vip) field.ErrorList {
	var errs field.ErrorList
	if names := bearers(v, vip.Name); len(names) > 0 {
		if vip.Spec.Namespace != old.Spec.Namespace {
			errs = append(errs, field.Invalid(specPath.Child("namespace"), vip.Spec.Namespace, "the Vip is carried by IP "+names[0]))
		}
	}
	if name := user(v, vip.Name); name != "" && len(vip.Spec.Selector) > 0 {
		errs = append(errs, field.Invalid(specPath.Child("selector"), vip.Spec.Selector, fmt.Sprintf("vip '%s' is in use by IP %s", vip.Name, name)))
	}
	return errs
}

// derive sets what follows from spec and from the IPs that refer to the Vip.
func derive(v storage.View, vip *v1.Vip) {
	status := &vip.Status
	status.Type, status.Selector = vip.Spec.Type, slices.Clone(vip.Spec.Selector)
	if subnet, ok := storage.Get[*v1.Subnet](v, "subnets", vip.Spec.Subnet); ok && vip.Spec.Type == v1.VipSwitchLB {
		status.Mac = nb.RouterMAC(subnet)
	}
	status.Ready = assigned(vip) != ipam.Addrs{}
	// An address is assigned when the Vip is created, and for good: there is no other transition.
	ready := metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, ObservedGeneration: vip.Generation, LastTransitionTime: vip.CreationTimestamp,
		Reason: "Assigned", Message: "the address is assigned",
	}
	status.Conditions = []metav1.Condition{ready}
	address.SetLabel(vip, v1.LabelIPReserved, user(v, vip.Name))
}
