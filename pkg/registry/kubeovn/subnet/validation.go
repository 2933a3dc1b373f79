package subnet

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

var (
	specPath     = field.NewPath("spec")
	cidrPath     = specPath.Child("cidrBlock")
	gatewayPath  = specPath.Child("gateway")
	vpcPath      = specPath.Child("vpc")
	vlanPath     = specPath.Child("vlan")
	providerPath = specPath.Child("provider")
	egressPath   = specPath.Child("externalEgressGateway")
)

const (
	minMTU, minIPv6MTU, maxMTU = 68, 1280, 65535 // RFC 791, RFC 8200
	maxRulePriority            = 32765           // ip-rule(8): the next ones are the kernel's own
)

var (
	tableName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	nodeNames = regexp.MustCompile(`^[a-z0-9.-]+$`)
)

// validate checks what can be said of a Subnet without looking at other objects. Defaults may or may not be written out.
func validate(s *v1.Subnet) field.ErrorList {
	errs := validateObjectName(s.Name)
	prefixes, found := validateCIDR(s)
	errs = append(errs, found...)
	if len(found) == 0 {
		errs = append(errs, validateProtocol(s, prefixes)...)
		errs = append(errs, validateGateway(s, prefixes)...)
		errs = append(errs, validateExcludes(s, prefixes)...)
		errs = append(errs, validateVips(s, prefixes)...)
		errs = append(errs, validateU2O(s, prefixes)...)
		errs = append(errs, validateEgress(s, prefixes)...)
		errs = append(errs, validateNatRules(s, prefixes)...)
		errs = append(errs, validateMTU(s, prefixes)...)
	}
	errs = append(errs, validateBindings(s)...)
	errs = append(errs, validateAllowed(s)...)
	errs = append(errs, validateACLs(s.Spec.Acls)...)
	errs = append(errs, validateOptions(s, prefixes)...)
	return errs
}

func validateObjectName(name string) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata", "name")
	for _, problem := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		errs = append(errs, field.Invalid(path, name, "must not begin with a digit"))
	}
	return errs
}

func validateCIDR(s *v1.Subnet) (ipam.Prefixes, field.ErrorList) {
	prefixes, err := ipam.ParsePrefixes(s.Spec.CIDRBlock)
	switch {
	case err != nil:
		return prefixes, field.ErrorList{field.Invalid(cidrPath, s.Spec.CIDRBlock, err.Error())}
	case s.Spec.CIDRBlock == "" && s.Spec.Protocol != v1.ProtocolMac:
		return prefixes, field.ErrorList{field.Required(cidrPath, "the prefix of the Subnet, as 10.16.0.0/16; for interfaces without addresses write protocol: Mac")}
	}
	return prefixes, nil
}

func validateProtocol(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	message := ""
	switch protocol := s.Spec.Protocol; protocol {
	case "", protocolOf(prefixes):
		return nil
	case v1.ProtocolIPv4, v1.ProtocolIPv6, v1.ProtocolDual, v1.ProtocolMac:
		message = fmt.Sprintf("cidrBlock %q is %s: write that, or leave it out", s.Spec.CIDRBlock, protocolOf(prefixes))
	default:
		message = fmt.Sprintf("%s is not a valid protocol type: write IPv4, IPv6, Dual or Mac, or leave it out", protocol)
	}
	return field.ErrorList{field.Invalid(specPath.Child("protocol"), s.Spec.Protocol, message)}
}

func validateGateway(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	gateway, err := ipam.ParseAddrs(s.Spec.Gateway)
	if err != nil {
		return field.ErrorList{field.Invalid(gatewayPath, s.Spec.Gateway, err.Error())}
	}
	var errs field.ErrorList
	for _, a := range gateway.All() {
		p := prefixes.Of(a)
		if !p.IsValid() || !p.Contains(a) {
			message := fmt.Sprintf("gateway %s is not in cidr %s", a, s.Spec.CIDRBlock)
			if p.IsValid() {
				message += fmt.Sprintf(": the first address is %s", ipam.FirstHost(p))
			}
			errs = append(errs, field.Invalid(gatewayPath, s.Spec.Gateway, message))
		} else if role := ipam.Unusable(p, a); role != "" {
			errs = append(errs, field.Invalid(gatewayPath, s.Spec.Gateway, fmt.Sprintf("%s is the %s of %s: the first address is %s", a, role, p, ipam.FirstHost(p))))
		}
	}
	return errs
}

func validateExcludes(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	gateway, _ := gatewaysOf(s)
	for i, text := range s.Spec.ExcludeIps {
		path := specPath.Child("excludeIps").Index(i)
		r, err := ipam.ParseRange(text)
		switch {
		case strings.ToLower(text) != text:
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("subnet exclude ip %s can not contain upper case", text)))
		case err != nil && strings.Contains(text, ".."):
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("%s in excludeIps is not a valid ip range: %v", text, err)))
		case err != nil:
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("ip %s in excludeIps is not a valid address: %v", text, err)))
		case r.From() == r.To() && slices.Contains(gateway.All(), r.From()):
			// Gateways are excluded without being asked for; where they must lie is said there.
		case !prefixes.Contains(r.From()) || !prefixes.Contains(r.To()):
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("%s in excludeIps is not in cidr %s", text, s.Spec.CIDRBlock)))
		case seen.Has(text):
			errs = append(errs, field.Duplicate(path, text))
		}
		seen.Insert(text)
	}
	return errs
}

func validateVips(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i, text := range s.Spec.Vips {
		path := specPath.Child("vips").Index(i)
		a, err := ipam.ParseAddr(text)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path, text, err.Error()))
		case !prefixes.Contains(a):
			errs = append(errs, field.Invalid(path, text, fmt.Sprintf("vip %s conflicts with subnet %s cidr %s: it must be an address of it", text, s.Name, s.Spec.CIDRBlock)))
		case seen.Has(text):
			errs = append(errs, field.Duplicate(path, text))
		}
		seen.Insert(text)
	}
	return errs
}

func validateU2O(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	var errs field.ErrorList
	path := specPath.Child("u2oInterconnection")
	switch {
	case s.Spec.U2OInterconnection && s.Spec.LogicalGateway:
		errs = append(errs, field.Invalid(path, true, "logicalGateway and u2oInterconnection can't be opened at the same time"))
	case s.Spec.U2OInterconnection && s.Spec.Vlan == "":
		errs = append(errs, field.Invalid(path, true, "only an underlay Subnet (with a vlan) is interconnected with overlays"))
	}
	path = specPath.Child("u2oInterconnectionIP")
	wanted, err := ipam.ParseAddrs(s.Spec.U2OInterconnectionIP)
	if err != nil {
		return append(errs, field.Invalid(path, s.Spec.U2OInterconnectionIP, err.Error()))
	}
	gateway, _ := gatewaysOf(s)
	for _, a := range wanted.All() {
		if !prefixes.Contains(a) {
			errs = append(errs, field.Invalid(path, s.Spec.U2OInterconnectionIP, fmt.Sprintf("u2oInterconnectionIP %s is not in subnet %s cidr %s", a, s.Name, s.Spec.CIDRBlock)))
		}
		if a == gateway.V4 || a == gateway.V6 {
			errs = append(errs, field.Invalid(path, s.Spec.U2OInterconnectionIP, fmt.Sprintf("u2oInterconnectionIP %s conflicts with subnet gateway", a)))
		}
		if slices.ContainsFunc(s.Spec.Vips, func(vip string) bool { held, err := ipam.ParseAddr(vip); return err == nil && held == a }) {
			errs = append(errs, field.Invalid(path, s.Spec.U2OInterconnectionIP, fmt.Sprintf("u2oInterconnectionIP %s is one of spec.vips", a)))
		}
	}
	return errs
}

func validateMTU(s *v1.Subnet, prefixes ipam.Prefixes) field.ErrorList {
	mtu := s.Spec.Mtu
	switch {
	case mtu == 0:
	case mtu < minMTU || mtu > maxMTU:
		return field.ErrorList{field.Invalid(specPath.Child("mtu"), mtu, fmt.Sprintf("must be %d to %d, or 0 for the node's", minMTU, maxMTU))}
	case prefixes.V6.IsValid() && mtu < minIPv6MTU:
		return field.ErrorList{field.Invalid(specPath.Child("mtu"), mtu, fmt.Sprintf("subnet %s mtu %d is below the IPv6 minimum %d", s.Name, mtu, minIPv6MTU))}
	}
	return nil
}

// validateBindings checks the names that the Subnet is bound to.
func validateBindings(s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	if s.Spec.Vpc != "" && s.Spec.Vpc == s.Name {
		errs = append(errs, sameName(s.Name))
	}
	for _, name := range []struct {
		path  *field.Path
		value string
	}{{vpcPath, s.Spec.Vpc}, {vlanPath, s.Spec.Vlan}, {providerPath, s.Spec.Provider}} {
		if name.value == "" {
			continue
		}
		for _, problem := range apivalidation.NameIsDNSSubdomain(name.value, false) {
			errs = append(errs, field.Invalid(name.path, name.value, problem))
		}
	}
	seen := sets.New[string]()
	for i, ns := range s.Spec.Namespaces {
		path := specPath.Child("namespaces").Index(i)
		for _, problem := range validation.IsDNS1123Label(ns) {
			errs = append(errs, field.Invalid(path, ns, problem))
		}
		if seen.Has(ns) {
			errs = append(errs, field.Duplicate(path, ns))
		}
		seen.Insert(ns)
	}
	for i := range s.Spec.NamespaceSelectors {
		errs = append(errs, metav1validation.ValidateLabelSelector(&s.Spec.NamespaceSelectors[i], metav1validation.LabelSelectorValidationOptions{}, specPath.Child("namespaceSelectors").Index(i))...)
	}
	for i := range s.Spec.GatewayNodeSelectors {
		errs = append(errs, metav1validation.ValidateLabelSelector(&s.Spec.GatewayNodeSelectors[i], metav1validation.LabelSelectorValidationOptions{}, specPath.Child("gatewayNodeSelectors").Index(i))...)
	}
	if t := s.Spec.RouteTable; t != "" && !tableName.MatchString(t) {
		errs = append(errs, field.Invalid(specPath.Child("routeTable"), t, "must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"))
	}
	return append(errs, validateGatewayNodes(s)...)
}

func sameName(name string) *field.Error {
	return field.Invalid(field.NewPath("metadata", "name"), name, fmt.Sprintf("subnet %s and vpc %s cannot have the same name", name, name))
}

func validateGatewayNodes(s *v1.Subnet) field.ErrorList {
	var errs field.ErrorList
	if t := s.Spec.GatewayType; t != "" && t != v1.GatewayDistributed && t != v1.GatewayCentralized {
		errs = append(errs, field.Invalid(specPath.Child("gatewayType"), t, fmt.Sprintf("%s is not a valid gateway type: write %s or %s", t, v1.GatewayDistributed, v1.GatewayCentralized)))
	}
	if s.Spec.GatewayNode == "" {
		return errs
	}
	path := specPath.Child("gatewayNode")
	for _, part := range strings.Split(s.Spec.GatewayNode, ",") {
		node, addr, hasAddr := strings.Cut(strings.TrimSpace(part), ":")
		if !nodeNames.MatchString(node) {
			errs = append(errs, field.Invalid(path, s.Spec.GatewayNode, fmt.Sprintf("%q is not the name of a node: write node1,node2 or node1:10.0.0.1,node2:10.0.0.2", node)))
		}
		if hasAddr {
			if _, err := ipam.ParseAddr(addr); err != nil {
				errs = append(errs, field.Invalid(path, s.Spec.GatewayNode, err.Error()))
			}
		}
	}
	return errs
}

// within reports whether every address of p is in the prefix of its family.
func within(prefixes ipam.Prefixes, p netip.Prefix) bool {
	whole := prefixes.Of(p.Addr())
	return whole.IsValid() && whole.Bits() <= p.Bits() && whole.Contains(p.Addr())
}
