package ip

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

// Strategy is how requests treat IPs: the part that needs no other object.
type Strategy struct{ kubeovn.ShapeStrategy[*v1.IP] }

var (
	_ rest.RESTCreateStrategy  = Strategy{}
	_ rest.RESTUpdateStrategy  = Strategy{}
	_ rest.RESTDeleteStrategy  = Strategy{}
	_ rest.ResetFieldsStrategy = Strategy{}
)

// NewStrategy returns the strategy for objects that the typer knows.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{kubeovn.NewShapeStrategy(typer, kubeovn.Shape[*v1.IP]{
		Keep: keepGranted, Complete: setLabels, Check: validate, Update: validateUpdate, Warnings: warnings, Unconditional: true,
	})}
}

// GetResetFields has none: IPs have no status.
func (Strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set { return nil }

// keepGranted keeps what was granted where the client says nothing about it.
func keepGranted(ip, before *v1.IP) {
	wanted, errs := requested(&ip.Spec)
	if len(errs) > 0 {
		return // Validate says so
	}
	// A family at a time: a client may name one of two.
	granted := addrsOf(before)
	if !wanted.V4.IsValid() {
		wanted.V4 = granted.V4
	}
	if !wanted.V6.IsValid() {
		wanted.V6 = granted.V6
	}
	ip.Spec.IPAddress = wanted.String()
	if wanted == granted {
		ip.Spec.IPAddress = before.Spec.IPAddress
	}
	mac := ip.Spec.MacAddress
	if mac == "" || strings.EqualFold(mac, before.Spec.MacAddress) {
		ip.Spec.MacAddress = before.Spec.MacAddress
	}
	complete(ip, address.Grant{Addrs: wanted, MAC: ip.Spec.MacAddress})
}

// setLabels sets Kube-OVN's labels. An IP is reserved when no interface uses it at present.
func setLabels(ip *v1.IP) {
	address.SetLabel(ip, v1.LabelSubnet, ip.Spec.Subnet)
	address.SetLabel(ip, v1.LabelNode, ip.Spec.NodeName)
	reserved := ip.Spec.PodUID == "" && ip.Spec.NodeName == ""
	address.SetLabel(ip, v1.LabelIPReserved, fmt.Sprint(reserved))
}

// warnings tells of names of new IPs under which no agent would look for them.
func warnings(ip, old *v1.IP) []string {
	if old != nil || ip.Spec.PodName == "" {
		return nil
	}
	port := ip.Spec.PodName + "." + ip.Spec.Namespace
	if ip.Name == port || strings.HasPrefix(ip.Name, port+".") {
		return nil
	}
	return []string{fmt.Sprintf("metadata.name: the interfaces of this pod are named %s or %s.<provider>: no pod will use this IP", port, port)}
}

// SelectableFields are the fields that field selectors may name.
func SelectableFields(ip *v1.IP) fields.Set { return shape.SelectableFields("IP", ip) }
