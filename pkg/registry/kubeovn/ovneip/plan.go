package ovneip

import (
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// plan assigns a new OvnEip its addresses and its MAC.
func (k kind) plan(v storage.View, old, e *v1.OvnEip) error {
	if e == nil {
		return nil
	}
	if old != nil {
		if e.Spec.ExternalSubnet == "" { // left out by a client that sends its own manifest again
			e.Spec.ExternalSubnet = old.Spec.ExternalSubnet
		}
		e.Status = *old.Status.DeepCopy()
		return kubeovn.Invalid("OvnEip", e.Name, validateUpdate(e, old))
	}
	if e.Spec.ExternalSubnet == "" {
		e.Spec.ExternalSubnet = k.cfg.ExternalGatewaySwitch
	}
	return kubeovn.Invalid("OvnEip", e.Name, assign(v, e))
}

func assign(v storage.View, e *v1.OvnEip) field.ErrorList {
	path := specPath.Child("externalSubnet")
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, e.Spec.ExternalSubnet)
	switch {
	case !ok:
		return field.ErrorList{kubeovn.NotFound(path, "Subnet", e.Spec.ExternalSubnet)}
	case subnet.Spec.Vlan == "":
		return field.ErrorList{field.Invalid(path, subnet.Name, "the subnet has no vlan (spec.vlan): it is not connected with an external network")}
	case subnet.Spec.CIDRBlock == "":
		return field.ErrorList{field.Invalid(path, subnet.Name, "the subnet has no addresses (spec.cidrBlock)")}
	}
	wanted, errs := requested(&e.Spec)
	if len(errs) > 0 {
		return errs
	}
	grant, errs := address.Allocate(v, subnet, address.Request{
		Resource: Resource, Name: e.Name, Noun: "eip", Addrs: wanted, MAC: e.Spec.MacAddress,
		Paths: address.Paths{Subnet: path, V4: specPath.Child("v4Ip"), V6: specPath.Child("v6Ip"), MAC: specPath.Child("macAddress")},
	})
	if e.Spec.Type == v1.OvnEipLsp {
		if err := address.ClaimPort(v, e.Name); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), e.Name, err.Error()))
		}
	}
	e.Status = v1.OvnEipStatus{MacAddress: grant.MAC, V4IP: Text(grant.Addrs.V4), V6IP: Text(grant.Addrs.V6)}
	return errs
}

// Text is the form of an address in status: empty when there is none.
func Text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// derive sets what follows from spec and from those that refer to the address.
func derive(v storage.View, e *v1.OvnEip) {
	s := &e.Status
	s.Type = typeOf(e)
	s.Nat = ""
	s.Ready = s.V4IP != "" || s.V6IP != ""
	if s.Type != v1.OvnEipLsp {
		s.Nat = eipsharing.Uses(v, Resource, e.Name)
	}
	if s.Type == v1.OvnEipLrp {
		s.Ready = s.Ready && connects(v, e.Name)
	}
	if s.Ready {
		kubeovn.SetTrue(&s.Conditions, e, "Ready", "Assigned", "the address is assigned")
	} else {
		s.Conditions = nil
	}
	address.SetLabel(e, v1.LabelSubnet, e.Spec.ExternalSubnet)
	address.SetLabel(e, v1.LabelOvnEipType, string(s.Type))
	SetLabels(e, s.V4IP, s.V6IP)
}

// connects reports whether a Vpc has its router port at an address of type lrp: it refers to it then.
func connects(v storage.View, name string) bool {
	for range storage.ReferrersOf[*v1.Vpc](v, Resource, name) {
		return true
	}
	return false
}

// SetLabels sets the labels by which clients find what belongs to an external address.
func SetLabels(o storage.Object, v4, v6 string) {
	set := func(key, value string) {
		if value == "" {
			labels := o.GetLabels()
			delete(labels, key)
			return
		}
		address.SetLabel(o, key, value)
	}
	set(v1.LabelEipV4, v4)
	set(v1.LabelEipV6, strings.ReplaceAll(v6, ":", ".")) // no label value can have a colon
}

// PortRow is the key of the row of the port of an address of type lsp.
const PortRow = "port"

func rows(v storage.View, e *v1.OvnEip) ([]storage.Row, error) {
	if e.Spec.Type != v1.OvnEipLsp {
		return nil, nil
	}
	own := []string{e.Status.MacAddress}
	for _, a := range Assigned(e).All() {
		own = append(own, a.String())
	}
	return []storage.Row{{
		Table: nb.LogicalSwitchPort,
		Key:   PortRow,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(e.Name),
			"addresses":    ovsdb.Strings(strings.Join(own, " ")),
			"external_ids": nb.ExternalIDs(map[string]string{"ls": e.Spec.ExternalSubnet}),
		},
		Parents: nb.InSwitch(v, e.Spec.ExternalSubnet, "ports"),
	}}, nil
}

// Usable says why rules of a Vpc may not use an address; nil when they may. The address of the router's own port serves rules that
// leave some of its traffic to the router: all but those that have their address alone.
func Usable(cfg kubeovn.Config, e *v1.OvnEip, vpc *v1.Vpc, alone bool) error {
	external := e.Spec.ExternalSubnet
	switch t := typeOf(e); {
	case t == v1.OvnEipNat:
	case t == v1.OvnEipLrp && alone:
		return fmt.Errorf("OvnEip %s is of type lrp: NAT rules need one of type nat; the address of a router's port serves SNAT and DNAT rules only", e.Name)
	case t == v1.OvnEipLrp && e.Name != nb.RouterPort(vpc.Name, external):
		return fmt.Errorf("OvnEip %s is of type lrp: NAT rules need one of type nat, or the address of their own router's port, here %s", e.Name,
			nb.RouterPort(vpc.Name, external))
	case t != v1.OvnEipLrp:
		return fmt.Errorf("OvnEip %s is of type %s: NAT rules need one of type nat", e.Name, t)
	}
	for _, name := range vpc.Spec.ExtraExternalSubnets {
		if name == external {
			return nil
		}
	}
	if external != cfg.ExternalGatewaySwitch {
		return fmt.Errorf("OvnEip %s is in the external subnet %s, with which vpc %s is not connected: add it to spec.extraExternalSubnets of the Vpc",
			e.Name, external, vpc.Name)
	}
	if !vpc.Spec.EnableExternal {
		return fmt.Errorf("OvnEip %s is in the external subnet %s, with which vpc %s is not connected: set spec.enableExternal of the Vpc",
			e.Name, external, vpc.Name)
	}
	return nil
}
