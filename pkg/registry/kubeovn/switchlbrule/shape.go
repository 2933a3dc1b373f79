package switchlbrule

import (
	"fmt"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

var (
	specPath        = field.NewPath("spec")
	vipPath         = specPath.Child("vip")
	portsPath       = specPath.Child("ports")
	endpointsPath   = specPath.Child("endpoints")
	annotationsPath = field.NewPath("metadata", "annotations")
)

// affinityClientIP is the sessionAffinity that keeps a client with its back end; "" and "None" do not.
const affinityClientIP = "ClientIP"

// protocols are those of ports, in the order of load balancers.
var protocols = []string{"TCP", "UDP", "SCTP"}

// Shape is what requests and tables do with SwitchLBRules.
var Shape = &shape.Kind[*v1.SwitchLBRule]{
	Name:           "SwitchLBRule",
	Validate:       validate,
	ValidateStatus: validateStatus,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the SwitchLBRule."),
		shape.Text("VIP", "Address of the load balancer."),
		shape.Text("Port(s)", "Ports of the load balancer."),
		shape.Text("Service", "Service that finds the back ends."),
		shape.AgeColumn(),
	},
	Cells: func(r *v1.SwitchLBRule, name, age string) []any {
		return []any{name, r.Spec.Vip, r.Status.Ports, r.Status.Service, age}
	},
}

func validate(r *v1.SwitchLBRule) field.ErrorList {
	s := &r.Spec
	var errs field.ErrorList
	for _, key := range homeAnnotations {
		errs = append(errs, shape.OptionalName(annotationsPath.Key(key), r.Annotations[key])...)
	}
	if s.Namespace == "" {
		errs = append(errs, field.Required(specPath.Child("namespace"), "the namespace of the back ends"))
	} else {
		errs = append(errs, shape.Namespace(specPath.Child("namespace"), s.Namespace)...)
	}
	vips, err := ipam.ParseAddrs(s.Vip)
	switch {
	case s.Vip == "":
		errs = append(errs, field.Required(vipPath, `the address of the load balancer, as "10.96.0.3"`))
	case err != nil:
		errs = append(errs, field.Invalid(vipPath, s.Vip, err.Error()))
	default:
		for _, a := range vips.All() {
			// A link-local address of IPv4 goes to the gateway as any other does, and is used so: that of metadata services.
			if what := ipam.Unreachable(a); what != "" && !(a.Is4() && a.IsLinkLocalUnicast()) {
				errs = append(errs, field.Invalid(vipPath, s.Vip, fmt.Sprintf("%s cannot be the address of a load balancer: it is %s", a, what)))
			}
		}
		errs = append(errs, validateEndpoints(s, vips)...)
	}
	errs = append(errs, validateSelector(s)...)
	switch s.SessionAffinity {
	case "", "None", affinityClientIP:
	default:
		errs = append(errs, field.NotSupported(specPath.Child("sessionAffinity"), s.SessionAffinity, []string{"", "None", affinityClientIP}))
	}
	return append(errs, validatePorts(s.Ports)...)
}

func validateEndpoints(s *v1.SwitchLBRuleSpec, vips ipam.Addrs) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i, text := range s.Endpoints {
		path := endpointsPath.Index(i)
		a, err := ipam.ParseAddr(text)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path, text, err.Error()))
		case seen.Has(text):
			errs = append(errs, field.Duplicate(path, text))
		case a.Is4() && !vips.V4.IsValid() || a.Is6() && !vips.V6.IsValid():
			errs = append(errs, field.Invalid(path, text, "spec.vip has no address of this family"))
		default:
			errs = append(errs, validateBackEnd(path, text, a, vips)...)
		}
		seen.Insert(text)
	}
	return errs
}

// validateBackEnd refuses an address of a back end that no host has, or that is the rule's own.
func validateBackEnd(path *field.Path, text string, a netip.Addr, vips ipam.Addrs) field.ErrorList {
	if what := ipam.Unreachable(a); what != "" {
		return field.ErrorList{field.Invalid(path, text, fmt.Sprintf("%s cannot be the address of a back end: it is %s", a, what))}
	}
	if vips.Has(a) {
		return field.ErrorList{field.Invalid(path, text, fmt.Sprintf("%s is the address of the load balancer itself (spec.vip): name the address of a pod or host", a))}
	}
	return nil
}

func validateSelector(s *v1.SwitchLBRuleSpec) field.ErrorList {
	path := specPath.Child("selector")
	if len(s.Selector) == 0 && len(s.Endpoints) == 0 && s.Service == "" {
		return field.ErrorList{field.Required(path, "what selects the back ends; or write endpoints, or service")}
	}
	errs := shape.OptionalName(specPath.Child("service"), s.Service)
	for i, entry := range s.Selector {
		key, value, found := strings.Cut(entry, ":")
		if !found {
			errs = append(errs, field.Invalid(path.Index(i), entry, `must be "key:value"`))
			continue
		}
		for _, m := range validation.IsQualifiedName(strings.TrimSpace(key)) {
			errs = append(errs, field.Invalid(path.Index(i), entry, m))
		}
		for _, m := range validation.IsValidLabelValue(strings.TrimSpace(value)) {
			errs = append(errs, field.Invalid(path.Index(i), entry, m))
		}
	}
	return errs
}

func validatePorts(ports []v1.SwitchLBRulePort) field.ErrorList {
	if len(ports) == 0 {
		return field.ErrorList{field.Required(portsPath, "at least one port")}
	}
	var errs field.ErrorList
	names, numbers := sets.New[string](), sets.New[string]()
	for i, p := range ports {
		path := portsPath.Index(i)
		if p.Name == "" && len(ports) > 1 {
			errs = append(errs, field.Required(path.Child("name"), "ports need names when there are several"))
		} else if p.Name != "" && names.Has(p.Name) {
			errs = append(errs, field.Duplicate(path.Child("name"), p.Name))
		}
		names.Insert(p.Name)
		for _, f := range [...]struct {
			name  string
			value int32
		}{{"port", p.Port}, {"targetPort", targetPort(p)}} {
			for _, m := range validation.IsValidPortNum(int(f.value)) {
				errs = append(errs, field.Invalid(path.Child(f.name), f.value, m))
			}
		}
		errs = append(errs, shape.OneOf(path.Child("protocol"), protocolOf(p), protocols)...)
		if text := portText(p); numbers.Has(text) {
			errs = append(errs, field.Duplicate(path, text))
		} else {
			numbers.Insert(text)
		}
	}
	return errs
}

// validateStatus says what is wrong with the back ends that a controller writes; whatever else it writes is derived anew.
func validateStatus(r *v1.SwitchLBRule) field.ErrorList {
	var errs field.ErrorList
	names := sets.New[string]()
	for i, e := range r.Status.Endpoints {
		path := field.NewPath("status", "endpoints").Index(i)
		if names.Has(e.Name) {
			errs = append(errs, field.Duplicate(path.Child("name"), e.Name))
		}
		names.Insert(e.Name)
		seen := sets.New[string]()
		for j, text := range e.Backends {
			path := path.Child("backends").Index(j)
			b, err := netip.ParseAddrPort(text)
			switch {
			case err != nil || b.Port() == 0 || b.Addr() != b.Addr().Unmap().WithZone("") || b.String() != text:
				errs = append(errs, field.Invalid(path, text, `must be an address and a port in canonical form, as "10.16.0.5:80" or "[fd00::5]:80"`))
			case seen.Has(text):
				errs = append(errs, field.Duplicate(path, text))
			default:
				errs = append(errs, validateBackEnd(path, text, b.Addr(), vipsOf(r))...)
			}
			seen.Insert(text)
		}
	}
	return errs
}

func targetPort(p v1.SwitchLBRulePort) int32 {
	if p.TargetPort == 0 {
		return p.Port
	}
	return p.TargetPort
}

func protocolOf(p v1.SwitchLBRulePort) string {
	if p.Protocol == "" {
		return "TCP"
	}
	return p.Protocol
}

// portText is the form of a port in status and tables: "53/UDP".
func portText(p v1.SwitchLBRulePort) string { return fmt.Sprintf("%d/%s", p.Port, protocolOf(p)) }
