package ip

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
)

// Strategy is how requests treat IPs: the part that needs no other object.
type Strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

var (
	_ rest.RESTCreateStrategy  = Strategy{}
	_ rest.RESTUpdateStrategy  = Strategy{}
	_ rest.RESTDeleteStrategy  = Strategy{}
	_ rest.ResetFieldsStrategy = Strategy{}
)

// NewStrategy returns the strategy for objects that the typer knows.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{typer, names.SimpleNameGenerator}
}

// NamespaceScoped is false: IPs are cluster-scoped.
func (Strategy) NamespaceScoped() bool { return false }

// PrepareForCreate sets the labels that clients select by.
func (Strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	ip := obj.(*v1.IP)
	ip.Generation = 1
	setLabels(ip)
}

// Validate returns what is wrong with the shape of a new IP.
func (Strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validate(obj.(*v1.IP))
}

// WarningsOnCreate tells of names under which no agent would look for the IP.
func (Strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	ip := obj.(*v1.IP)
	if ip.Spec.PodName == "" {
		return nil
	}
	port := ip.Spec.PodName + "." + ip.Spec.Namespace
	if ip.Name == port || strings.HasPrefix(ip.Name, port+".") {
		return nil
	}
	return []string{fmt.Sprintf("metadata.name: the interfaces of this pod are named %s or %s.<provider>: no pod will use this IP", port, port)}
}

// Canonicalize does nothing: what is not canonical is refused.
func (Strategy) Canonicalize(runtime.Object) {}

// AllowCreateOnUpdate is false: a PUT does not create.
func (Strategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate is true: a PUT without a resource version overwrites.
func (Strategy) AllowUnconditionalUpdate(context.Context) bool { return true }

// PrepareForUpdate keeps what was granted where the client says nothing about it.
func (Strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	ip, before := obj.(*v1.IP), old.(*v1.IP)
	keepGranted(ip, before)
	setLabels(ip)
	ip.Generation = before.Generation
	if !equality.Semantic.DeepEqual(ip.Spec, before.Spec) {
		ip.Generation++
	}
}

func keepGranted(ip, before *v1.IP) {
	wanted, errs := requested(&ip.Spec)
	if len(errs) > 0 {
		return // Validate says so
	}
	// A family at a time: defaulting completes ipAddress from the address of one family.
	granted := addrsOf(before)
	if !wanted.V4.IsValid() {
		wanted.V4 = granted.V4
	}
	if !wanted.V6.IsValid() {
		wanted.V6 = granted.V6
	}
	mac := ip.Spec.MacAddress
	if mac == "" || strings.EqualFold(mac, before.Spec.MacAddress) {
		mac = before.Spec.MacAddress
	}
	complete(ip, address.Grant{Addrs: wanted, MAC: mac})
}

// setLabels sets Kube-OVN's labels. An IP is reserved when no interface uses it at present.
func setLabels(ip *v1.IP) {
	address.SetLabel(ip, v1.LabelSubnet, ip.Spec.Subnet)
	address.SetLabel(ip, v1.LabelNode, ip.Spec.NodeName)
	reserved := ip.Spec.PodUID == "" && ip.Spec.NodeName == ""
	address.SetLabel(ip, v1.LabelIPReserved, fmt.Sprint(reserved))
}

// ValidateUpdate returns what is wrong with the shape of a changed IP, and refuses changes of what is granted once.
func (Strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validateUpdate(obj.(*v1.IP), old.(*v1.IP))
}

// WarningsOnUpdate has none.
func (Strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields has none: IPs have no status.
func (Strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set { return nil }

// SelectableFields are the fields that field selectors may name.
func SelectableFields(ip *v1.IP) fields.Set {
	set := fields.Set{"metadata.name": ip.Name}
	for _, f := range v1.SelectableFields("IP") {
		set[f.Label] = f.Value(ip)
	}
	return set
}
