package vpc

import (
	"cmp"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// external is an external Subnet that a Vpc asks for.
type external struct {
	subnet    string
	path      *field.Path // the field that asks for it
	isDefault bool        // its gateway is the Vpc's default route
}

// externals are the external Subnets that a Vpc asks for, the default one first.
func externals(defaultSubnet string, vpc *v1.Vpc) []external {
	var out []external
	if vpc.Spec.EnableExternal {
		out = append(out, external{defaultSubnet, externalPath, true})
	}
	for i, name := range vpc.Spec.ExtraExternalSubnets {
		if !vpc.Spec.EnableExternal || name != defaultSubnet {
			out = append(out, external{name, extraPath.Index(i), false})
		}
	}
	return out
}

// ExternalSubnets are the names of the external Subnets that a Vpc asks for, the default one first.
func ExternalSubnets(cfg kubeovn.Config, vpc *v1.Vpc) []string {
	var names []string
	for _, x := range externals(cfg.ExternalGatewaySwitch, vpc) {
		names = append(names, x.subnet)
	}
	return names
}

// companions are the addresses of the router's external ports: OvnEips of type lrp with the names of the ports. A user may have
// created one to choose the address.
func (k kind) companions(_ storage.View, vpc *v1.Vpc) []storage.Object {
	var out []storage.Object
	for _, x := range externals(k.cfg.ExternalGatewaySwitch, vpc) {
		out = append(out, &v1.OvnEip{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "OvnEip"},
			ObjectMeta: metav1.ObjectMeta{Name: nb.RouterPort(vpc.Name, x.subnet)},
			Spec:       v1.OvnEipSpec{ExternalSubnet: x.subnet, Type: v1.OvnEipLrp},
		})
	}
	return out
}

// externalReferences hold the external Subnets and the addresses of the ports in them.
func (k kind) externalReferences(vpc *v1.Vpc) []storage.Ref {
	var refs []storage.Ref
	for _, x := range externals(k.cfg.ExternalGatewaySwitch, vpc) {
		refs = append(refs,
			storage.Ref{Resource: nb.Subnets, Name: x.subnet, Field: x.path.String()},
			storage.Ref{Resource: nb.OvnEips, Name: nb.RouterPort(vpc.Name, x.subnet), Field: x.path.String(), Effect: storage.Immediately})
	}
	return refs
}

// externalPort is a port of the router in an external Subnet.
type externalPort struct {
	external
	name     string // of the router port, and of the OvnEip that holds its addresses
	mac      string
	networks []netip.Prefix // addresses with the length of the Subnet's prefix
	gateway  ipam.Addrs     // of the Subnet, in the families of networks
}

// externalPorts are the ports in external Subnets that can exist: Plan admits none that cannot, so that nothing is left out but
// what was damaged behind the server's back.
func (k kind) externalPorts(v storage.View, vpc *v1.Vpc) []externalPort {
	var ports []externalPort
	for _, x := range externals(k.cfg.ExternalGatewaySwitch, vpc) {
		port := externalPort{external: x, name: nb.RouterPort(vpc.Name, x.subnet)}
		subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, x.subnet)
		eip, found := storage.Get[*v1.OvnEip](v, nb.OvnEips, port.name)
		if !ok || !found || eip.Spec.Type != v1.OvnEipLrp || eip.Spec.ExternalSubnet != x.subnet || eip.Status.MacAddress == "" {
			continue
		}
		port.mac = eip.Status.MacAddress
		prefixes, _ := ipam.ParsePrefixes(subnet.Spec.CIDRBlock)
		gateway, _ := ipam.Gateways(subnet.Spec.CIDRBlock, subnet.Spec.Gateway)
		for _, text := range []string{eip.Status.V4IP, eip.Status.V6IP} {
			a, err := ipam.ParseAddr(text)
			if err != nil || !prefixes.Contains(a) {
				continue
			}
			port.networks = append(port.networks, netip.PrefixFrom(a, prefixes.Of(a).Bits()))
			if a.Is4() {
				port.gateway.V4 = gateway.V4
			} else {
				port.gateway.V6 = gateway.V6
			}
		}
		if len(port.networks) > 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

var defaultPrefixes = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// derivedRoutes are the routes that the Vpc has besides those of its user: to its external network and, of the default Vpc, to the nodes.
func (k kind) derivedRoutes(v storage.View, vpc *v1.Vpc, ports []externalPort) []v1.StaticRoute {
	routes := externalRoutes(v, vpc, ports)
	own := slices.Clone(routes)
	for _, r := range vpc.Spec.StaticRoutes {
		if p, err := routePrefix(r.CIDR); err == nil {
			r.CIDR, r.Policy = p.String(), policyOf(r)
			own = append(own, r)
		}
	}
	return append(routes, egress.Routes(v, k.cfg, vpc, own)...)
}

// externalRoutes are the default routes of the Vpc: to the gateway of the default external Subnet or, with spec.enableBfd, to the
// gateway nodes' addresses in it as long as BFD hears them. A Vpc whose user has a default route of its own keeps that one.
func externalRoutes(v storage.View, vpc *v1.Vpc, ports []externalPort) []v1.StaticRoute {
	i := slices.IndexFunc(ports, func(p externalPort) bool { return p.isDefault })
	if i < 0 {
		return nil
	}
	var routes []v1.StaticRoute
	for _, prefix := range defaultPrefixes {
		gateway := ports[i].gateway.V4
		if prefix.Addr().Is6() {
			gateway = ports[i].gateway.V6
		}
		if !gateway.IsValid() || hasOwnDefault(vpc, prefix) {
			continue
		}
		routed := len(routes)
		for _, s := range bfdSessions(v, vpc, ports[i]) {
			if s.peer.Is4() == prefix.Addr().Is4() {
				routes = append(routes, v1.StaticRoute{Policy: v1.PolicyDst, CIDR: prefix.String(), NextHopIP: s.peer.String(), BfdID: s.id(v, vpc)})
			}
		}
		if len(routes) == routed {
			routes = append(routes, v1.StaticRoute{Policy: v1.PolicyDst, CIDR: prefix.String(), NextHopIP: gateway.String()})
		}
	}
	return routes
}

// hasOwnDefault reports whether the user's routes have a default route in the main table.
func hasOwnDefault(vpc *v1.Vpc, prefix netip.Prefix) bool {
	return slices.ContainsFunc(vpc.Spec.StaticRoutes, func(r v1.StaticRoute) bool {
		p, err := routePrefix(r.CIDR)
		return err == nil && p == prefix && policyOf(r) == v1.PolicyDst && r.RouteTable == ""
	})
}

// bfdSession watches a gateway node's address from an external port.
type bfdSession struct {
	port string // name of the router port
	key  string // of the row
	peer netip.Addr
}

func (s bfdSession) id(v storage.View, vpc *v1.Vpc) string {
	return v.RowID(nb.Vpcs, vpc.Name, s.key).String()
}

// bfdSessions are the sessions with the OvnEips of type lsp in an external Subnet: gateway nodes have an interface there that
// forwards, and answers BFD.
func bfdSessions(v storage.View, vpc *v1.Vpc, port externalPort) []bfdSession {
	if !vpc.Spec.EnableBfd {
		return nil
	}
	var sessions []bfdSession
	for eip := range storage.ReferrersOf[*v1.OvnEip](v, nb.Subnets, port.subnet) {
		if eip.Spec.Type != v1.OvnEipLsp {
			continue
		}
		for _, text := range []string{eip.Status.V4IP, eip.Status.V6IP} {
			a, err := ipam.ParseAddr(text)
			if err == nil && slices.ContainsFunc(port.networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
				sessions = append(sessions, bfdSession{port.name, "bfd/" + port.subnet + "/" + a.String(), a})
			}
		}
	}
	slices.SortFunc(sessions, func(a, b bfdSession) int { return cmp.Compare(a.key, b.key) })
	return sessions
}
