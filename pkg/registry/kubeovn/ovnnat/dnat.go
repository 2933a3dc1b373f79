package ovnnat

import (
	"fmt"
	"net"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

var protocols = []string{"tcp", "udp"}

// Dnat is what requests and tables do with OvnDnatRules.
var Dnat = &shape.Kind[*v1.OvnDnatRule]{
	Name:     "OvnDnatRule",
	Validate: validateDnat,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the OvnDnatRule and of its load balancer."),
		shape.Text("Eip", "OvnEip whose port is forwarded."),
		shape.Text("Protocol", "tcp or udp."),
		shape.Text("V4Eip", "External IPv4 address."),
		shape.Text("V4Ip", "Internal IPv4 address."),
		shape.Text("InternalPort", "Internal port."),
		shape.Text("ExternalPort", "External port."),
		shape.Text("IpName", "IP or Vip that receives the traffic."),
		shape.Flag("Ready", "Whether the forwarding exists."),
		shape.Wide(shape.Text("Vpc", "Vpc whose router forwards.")),
		shape.Wide(shape.Text("V6Eip", "External IPv6 address.")),
		shape.Wide(shape.Text("V6Ip", "Internal IPv6 address.")),
	},
	Cells: func(r *v1.OvnDnatRule, name, _ string) []any {
		s := &r.Status
		return []any{name, r.Spec.OvnEip, s.Protocol, s.V4Eip, s.V4IP, s.InternalPort, s.ExternalPort, r.Spec.IPName, s.Ready, s.Vpc, s.V6Eip, s.V6IP}
	},
}

func validateDnat(r *v1.OvnDnatRule) field.ErrorList {
	s := &r.Spec
	errs := shape.ObjectName(eipPath, s.OvnEip, "the name of the OvnEip")
	errs = append(errs, shape.Port(specPath.Child("externalPort"), s.ExternalPort)...)
	errs = append(errs, shape.Port(specPath.Child("internalPort"), s.InternalPort)...)
	errs = append(errs, shape.OneOf(specPath.Child("protocol"), s.Protocol, protocols)...)
	return append(errs, endpointOfDnat(r).validate()...)
}

func endpointOfDnat(r *v1.OvnDnatRule) endpoint {
	s := &r.Spec
	return endpoint{ipType: s.IPType, ipName: s.IPName, vpc: s.Vpc, v4: s.V4IP, v6: s.V6IP}
}

// DnatResource is the plural name of OvnDnatRules.
const DnatResource = "ovn-dnat-rules"

// NewDnatResource returns what the engine knows about OvnDnatRules.
func NewDnatResource(cfg kubeovn.Config) *storage.Resource {
	r := &rules[*v1.OvnDnatRule]{
		resource: DnatResource, kind: "OvnDnatRule", cfg: cfg,
		new: func() *v1.OvnDnatRule { return &v1.OvnDnatRule{} },
		eip: func(r *v1.OvnDnatRule) string { return r.Spec.OvnEip },
		outcome: func(r *v1.OvnDnatRule) outcome {
			s := &r.Status
			return outcome{&s.Conditions, &s.Ready, &s.Vpc, &s.V4Eip, &s.V6Eip}
		},
		sameSpec:   func(a, b *v1.OvnDnatRule) bool { return a.Spec == b.Spec },
		adopt:      func(r, old *v1.OvnDnatRule) { r.Status = *old.Status.DeepCopy() },
		references: func(r *v1.OvnDnatRule) []storage.Ref { return endpointOfDnat(r).references() },
		use: func(r *v1.OvnDnatRule) eipsharing.Use {
			return eipsharing.Use{Resource: ovneip.Resource, EIP: r.Spec.OvnEip, Router: r.Status.Vpc, Sort: eipsharing.DNAT,
				Protocol: r.Spec.Protocol, Port: r.Spec.ExternalPort}
		},
		resolve: func(v storage.View, r *v1.OvnDnatRule) (target, field.ErrorList) { return endpointOfDnat(r).resolve(v) },
		settle:  settleDnat,
		named:   func(r *v1.OvnDnatRule) []string { return endpointOfDnat(r).named() },
		lost:    func(v storage.View, r *v1.OvnDnatRule) field.ErrorList { return endpointOfDnat(r).lost(v) },
		refresh: func(_ storage.View, r *v1.OvnDnatRule) {
			address.SetLabel(r, v1.LabelDnatExternalPort, r.Spec.ExternalPort)
		},
		rows:     rowsOfDnat,
		internal: func(r *v1.OvnDnatRule) []string { return []string{r.Status.V4IP, r.Status.V6IP} },
		replies: func(r *v1.OvnDnatRule) string {
			return fmt.Sprintf(" && %s.src == %s", strings.ToLower(r.Status.Protocol), r.Status.InternalPort)
		},
		balances: true,
	}
	return r.newResource()
}

func settleDnat(_ storage.View, r *v1.OvnDnatRule, _ *v1.OvnEip, t target) field.ErrorList {
	s, spec := &r.Status, &r.Spec
	s.V4IP, s.V6IP = t.v4, t.v6
	s.Protocol, s.ExternalPort, s.InternalPort, s.IPName = spec.Protocol, spec.ExternalPort, spec.InternalPort, spec.IPName
	return nil
}

// LoadBalancerRow is the key of the row of the load balancer.
const LoadBalancerRow = "lb"

// rowsOfDnat is a load balancer of the Vpc's router. The router balances what comes from the outside only, on the gateway node; for
// what comes from the inside the switches do (docs/eip-sharing.md).
func rowsOfDnat(v storage.View, r *v1.OvnDnatRule) []storage.Row {
	s := &r.Status
	vips, options := map[string]string{}, map[string]string{}
	for _, n := range [...]struct{ external, internal string }{{s.V4Eip, s.V4IP}, {s.V6Eip, s.V6IP}} {
		if n.external != "" {
			vips[net.JoinHostPort(n.external, s.ExternalPort)] = net.JoinHostPort(n.internal, s.InternalPort)
		}
	}
	if strings.EqualFold(s.Protocol, "udp") {
		options["ct_flush"] = "true" // UDP has no end of a connection by which tracked state would go
	}
	return []storage.Row{{
		Table: nb.LoadBalancer,
		Key:   LoadBalancerRow,
		Columns: ovsdb.Row{
			"name":         ovsdb.String(r.Name),
			"vips":         ovsdb.Map(vips),
			"protocol":     ovsdb.String(s.Protocol),
			"options":      ovsdb.Map(options),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: append(nb.InRouter(v, s.Vpc, "load_balancer"), lbplace.InSwitches(v, s.Vpc, nil)...),
	}}
}
