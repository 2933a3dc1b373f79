package switchlbrule

import (
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Resource is the plural name of the kind.
const Resource = lbplace.Rules

// Annotations, besides those of homeAnnotations. The server writes the last two.
const (
	HealthCheckAnnotation = "ovn.kubernetes.io/service_health_check" // "false": back ends are not checked
	SourcesAnnotation     = "kubeovn.io/health-check-sources"        // "subnet1=10.0.1.9,subnet2=10.0.2.9"
	VipsAnnotation        = "kubeovn.io/vips"                        // names of the Vips that hold spec.vip, "slr-01,slr-02"
)

// kind is the configuration that Plan, Derive and Rows depend on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns what the engine knows about SwitchLBRules.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	k := kind{cfg}
	return storage.NewResource(Resource, "SwitchLBRule", func() *v1.SwitchLBRule { return &v1.SwitchLBRule{} }, storage.Kind[*v1.SwitchLBRule]{
		References: references,
		Index:      index,
		Plan:       k.plan,
		Derive:     k.derive,
		Affected:   affected,
		Rows:       k.rows,
	})
}

// vipsOf are the addresses of a rule whose spec is valid.
func vipsOf(r *v1.SwitchLBRule) ipam.Addrs {
	addrs, _ := ipam.ParseAddrs(r.Spec.Vip)
	return addrs
}

// backEnds are the back ends of a port of a rule: what the user wrote, or what a controller found.
func backEnds(r *v1.SwitchLBRule, p v1.SwitchLBRulePort) []netip.AddrPort {
	if len(r.Spec.Endpoints) > 0 {
		out := make([]netip.AddrPort, 0, len(r.Spec.Endpoints))
		for _, text := range r.Spec.Endpoints {
			if a, err := ipam.ParseAddr(text); err == nil {
				out = append(out, netip.AddrPortFrom(a, uint16(targetPort(p))))
			}
		}
		return out
	}
	for _, e := range r.Status.Endpoints {
		if e.Name == p.Name {
			return parseBackEnds(e.Backends)
		}
	}
	return nil
}

func parseBackEnds(texts []string) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(texts))
	for _, text := range texts {
		if a, err := netip.ParseAddrPort(text); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// endpointsOf are the addresses of the back ends of all ports, each once.
func endpointsOf(r *v1.SwitchLBRule) []netip.Addr {
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, p := range r.Spec.Ports {
		for _, b := range backEnds(r, p) {
			if !seen[b.Addr()] {
				seen[b.Addr()] = true
				out = append(out, b.Addr())
			}
		}
	}
	return out
}

// heldVips are the names of the Vips that hold the addresses of a stored rule.
func heldVips(r *v1.SwitchLBRule) []string {
	return slices.DeleteFunc(strings.Split(r.Annotations[VipsAnnotation], ","), func(name string) bool { return name == "" })
}

func references(r *v1.SwitchLBRule) []storage.Ref {
	refs := homeReferences(r)
	for _, name := range heldVips(r) {
		refs = append(refs, storage.Ref{Resource: "vips", Name: name, Field: vipPath.String()})
	}
	for _, s := range sourcesOf(r) {
		// Addresses in use count in the Subnet's status.
		refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: s.subnet, Field: endpointsPath.String(), Effect: storage.Eventually})
	}
	return refs
}

func index(r *v1.SwitchLBRule) []string {
	home := home(r)
	keys := []string{home.PlaceKey(Resource, r.Name)}
	for _, f := range fronts(r) {
		keys = append(keys, home.FrontEndKey(f.addr, portText(f.port)))
	}
	for _, a := range endpointsOf(r) {
		keys = append(keys, home.BackEndKey(a))
	}
	for _, s := range sourcesOf(r) {
		keys = append(keys, address.Key(s.subnet, s.addr), lbplace.SourceKey(s.subnet, s.addr))
	}
	return keys
}

// front is an address and port of a rule.
type front struct {
	addr netip.Addr
	port v1.SwitchLBRulePort
}

func fronts(r *v1.SwitchLBRule) []front {
	var out []front
	for _, a := range vipsOf(r).All() {
		for _, p := range r.Spec.Ports {
			out = append(out, front{a, p})
		}
	}
	return out
}
