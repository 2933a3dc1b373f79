package vpc

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
)

var (
	specPath     = field.NewPath("spec")
	routesPath   = specPath.Child("staticRoutes")
	policiesPath = specPath.Child("policyRoutes")
	peeringsPath = specPath.Child("vpcPeerings")
	externalPath = specPath.Child("enableExternal")
	extraPath    = specPath.Child("extraExternalSubnets")
)

// ECMPSymmetricReply is the only ecmpMode besides none.
const ECMPSymmetricReply = "ecmp-symmetric-reply"

const maxPriority = 32767 // ovn-nb(5): Logical_Router_Policy.priority

var (
	tableName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	uuidText  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// validate checks what can be said of a Vpc without looking at others.
func validate(vpc *v1.Vpc) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range apivalidation.NameIsDNSSubdomain(vpc.Name, false) {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), vpc.Name, problem))
	}
	spec := &vpc.Spec
	if spec.DefaultSubnet != "" {
		errs = append(errs, validateName(specPath.Child("defaultSubnet"), spec.DefaultSubnet)...)
	}
	errs = append(errs, validateNamespaces(specPath.Child("namespaces"), spec.Namespaces)...)
	errs = append(errs, validateRoutes(spec.StaticRoutes)...)
	errs = append(errs, validatePolicies(spec.PolicyRoutes)...)
	errs = append(errs, validatePeerings(vpc.Name, spec.VpcPeerings)...)
	seen := sets.New[string]()
	for i, name := range spec.ExtraExternalSubnets {
		path := extraPath.Index(i)
		errs = append(errs, validateName(path, name)...)
		if seen.Has(name) {
			errs = append(errs, field.Duplicate(path, name))
		}
		seen.Insert(name)
	}
	if port := spec.BFDPort; port != nil {
		path := specPath.Child("bfdPort", "ip")
		if port.Enabled && port.IP == "" {
			errs = append(errs, field.Required(path, "an enabled BFD port needs an address"))
		}
		if _, err := ipam.ParseAddrs(port.IP); err != nil {
			errs = append(errs, field.Invalid(path, port.IP, err.Error()))
		}
	}
	return errs
}

func validateName(path *field.Path, name string) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	return errs
}

func validateNamespaces(path *field.Path, namespaces []string) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i, name := range namespaces {
		for _, problem := range validation.IsDNS1123Label(name) {
			errs = append(errs, field.Invalid(path.Index(i), name, problem))
		}
		if seen.Has(name) {
			errs = append(errs, field.Duplicate(path.Index(i), name))
		}
		seen.Insert(name)
	}
	return errs
}

// routePrefix reads what a static route matches: a prefix, or an address that stands for its host prefix.
func routePrefix(cidr string) (netip.Prefix, error) {
	if !strings.Contains(cidr, "/") {
		a, err := ipam.ParseAddr(cidr)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return ipam.ParsePrefix(cidr)
}

// routeKey identifies a route within its Vpc: everything that OVN distinguishes routes by.
func routeKey(r v1.StaticRoute) string {
	p, _ := routePrefix(r.CIDR)
	return fmt.Sprintf("%s/%s/%s/%s", policyOf(r), r.RouteTable, p, r.NextHopIP)
}

func policyOf(r v1.StaticRoute) v1.RoutePolicy {
	if r.Policy == "" {
		return v1.PolicyDst
	}
	return r.Policy
}

func validateRoutes(routes []v1.StaticRoute) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]int{}
	for i, r := range routes {
		path := routesPath.Index(i)
		found := validateRoute(path, r)
		errs = append(errs, found...)
		if len(found) > 0 {
			continue
		}
		if first, ok := seen[routeKey(r)]; ok {
			errs = append(errs, field.Invalid(path, r.CIDR, fmt.Sprintf("the same route as %s: one of them is enough", routesPath.Index(first))))
			continue
		}
		seen[routeKey(r)] = i
	}
	return errs
}

func validateRoute(path *field.Path, r v1.StaticRoute) field.ErrorList {
	var errs field.ErrorList
	p, err := routePrefix(r.CIDR)
	if r.CIDR == "" {
		errs = append(errs, field.Required(path.Child("cidr"), "the prefix that the route matches"))
	} else if err != nil {
		errs = append(errs, field.Invalid(path.Child("cidr"), r.CIDR, err.Error()))
	}
	hop, err := ipam.ParseAddr(r.NextHopIP)
	switch {
	case r.NextHopIP == "":
		errs = append(errs, field.Required(path.Child("nextHopIP"), "the address of the next router"))
	case err != nil:
		errs = append(errs, field.Invalid(path.Child("nextHopIP"), r.NextHopIP, err.Error()))
	case p.IsValid() && hop.Is4() != p.Addr().Is4():
		errs = append(errs, field.Invalid(path.Child("nextHopIP"), r.NextHopIP, fmt.Sprintf("must be of the same family as cidr %s", p)))
	}
	if policy := policyOf(r); policy != v1.PolicyDst && policy != v1.PolicySrc {
		errs = append(errs, field.NotSupported(path.Child("policy"), policy, []v1.RoutePolicy{v1.PolicyDst, v1.PolicySrc}))
	}
	if r.ECMPMode != "" && r.ECMPMode != ECMPSymmetricReply {
		errs = append(errs, field.NotSupported(path.Child("ecmpMode"), r.ECMPMode, []string{"", ECMPSymmetricReply}))
	}
	if r.BfdID != "" && !uuidText.MatchString(r.BfdID) {
		errs = append(errs, field.Invalid(path.Child("bfdId"), r.BfdID, "must be the UUID of a BFD row, in lower case"))
	}
	if r.RouteTable != "" && !tableName.MatchString(r.RouteTable) {
		errs = append(errs, field.Invalid(path.Child("routeTable"), r.RouteTable, "must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"))
	}
	return errs
}

func validatePolicies(policies []v1.PolicyRoute) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]int{}
	for i, p := range policies {
		path := policiesPath.Index(i)
		if p.Priority < 0 || p.Priority > maxPriority {
			errs = append(errs, field.Invalid(path.Child("priority"), p.Priority, fmt.Sprintf("must be 0 to %d", maxPriority)))
		}
		if p.Match == "" {
			errs = append(errs, field.Required(path.Child("match"), "an OVN expression, as ip4.src == 10.0.1.0/24"))
		} else if err := match.Check(p.Match); err != nil {
			errs = append(errs, field.Invalid(path.Child("match"), p.Match, err.Error()))
		}
		errs = append(errs, validateAction(path, p)...)
		if first, ok := seen[policyKey(p)]; ok {
			errs = append(errs, field.Invalid(path, p.Match, fmt.Sprintf("the same priority and match as %s: only one of them could act", policiesPath.Index(first))))
			continue
		}
		seen[policyKey(p)] = i
	}
	return errs
}

func validateAction(path *field.Path, p v1.PolicyRoute) field.ErrorList {
	hopPath := path.Child("nextHopIP")
	switch p.Action {
	case v1.PolicyRouteAllow, v1.PolicyRouteDrop:
		if p.NextHopIP != "" {
			return field.ErrorList{field.Invalid(hopPath, p.NextHopIP, fmt.Sprintf("action %q has no next hop: remove it or write %q", p.Action, v1.PolicyRouteReroute))}
		}
	case v1.PolicyRouteReroute:
		if p.NextHopIP == "" {
			return field.ErrorList{field.Required(hopPath, "action \"reroute\" needs the address to send packets to")}
		}
		if _, err := nextHops(p); err != nil {
			return field.ErrorList{field.Invalid(hopPath, p.NextHopIP, err.Error())}
		}
	case "":
		return field.ErrorList{field.Required(path.Child("action"), "allow, drop or reroute")}
	default:
		return field.ErrorList{field.NotSupported(path.Child("action"), p.Action, []v1.PolicyRouteAction{v1.PolicyRouteAllow, v1.PolicyRouteDrop, v1.PolicyRouteReroute})}
	}
	return nil
}

// nextHops reads the addresses to which a policy sends packets: of one family, none of them twice.
func nextHops(p v1.PolicyRoute) ([]netip.Addr, error) {
	var hops []netip.Addr
	for _, text := range strings.Split(p.NextHopIP, ",") {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		if slices.Contains(hops, a) {
			return nil, fmt.Errorf("%s is named twice", a)
		}
		if len(hops) > 0 && hops[0].Is4() != a.Is4() {
			return nil, fmt.Errorf("%s and %s are of different families: write one policy for each", hops[0], a)
		}
		hops = append(hops, a)
	}
	return hops, nil
}

func policyKey(p v1.PolicyRoute) string { return fmt.Sprintf("%d/%s", p.Priority, p.Match) }

func validatePeerings(vpc string, peerings []v1.VpcPeering) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	links := make([]ipam.Prefixes, len(peerings))
	for i, p := range peerings {
		path := peeringsPath.Index(i)
		remote, connect := path.Child("remoteVpc"), path.Child("localConnectIP")
		switch {
		case p.RemoteVpc == "":
			errs = append(errs, field.Required(remote, "the name of the other Vpc"))
		case p.RemoteVpc == vpc:
			errs = append(errs, field.Invalid(remote, p.RemoteVpc, "a Vpc has no link to itself"))
		case seen.Has(p.RemoteVpc):
			errs = append(errs, field.Duplicate(remote, p.RemoteVpc))
		default:
			errs = append(errs, validateName(remote, p.RemoteVpc)...)
		}
		seen.Insert(p.RemoteVpc)
		if p.LocalConnectIP == "" {
			errs = append(errs, field.Required(connect, "the address of this side with its prefix length, as 169.254.0.1/30"))
			continue
		}
		link, problem := linkOf(p)
		if problem != "" {
			errs = append(errs, field.Invalid(connect, p.LocalConnectIP, problem))
			continue
		}
		links[i] = link
		for j, other := range links[:i] {
			if mine, theirs, found := link.Overlaps(other); found {
				errs = append(errs, field.Invalid(connect, p.LocalConnectIP,
					fmt.Sprintf("%s overlaps with %s of %s: each link needs a prefix of its own", mine.Masked(), theirs.Masked(), peeringsPath.Index(j))))
			}
		}
	}
	return errs
}

// linkOf reads the addresses of this side of a link and says what is wrong with them.
func linkOf(p v1.VpcPeering) (ipam.Prefixes, string) {
	link, err := ipam.ParseInterfaces(p.LocalConnectIP)
	if err != nil {
		return link, err.Error()
	}
	for _, x := range link.All() {
		if x.IsSingleIP() {
			return link, fmt.Sprintf("%s has no room for the other side: write %s/%d", x, x.Addr(), x.Bits()-1)
		}
		if role := ipam.Unusable(x.Masked(), x.Addr()); role != "" {
			return link, fmt.Sprintf("%s is the %s of %s: write %s/%d", x.Addr(), role, x.Masked(), ipam.FirstHost(x.Masked()), x.Bits())
		}
	}
	return link, ""
}
