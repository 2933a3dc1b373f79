package v1

import (
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// The functions of this file complete what follows from the object alone. They run on every object that the server
// decodes. What depends on other objects or on the server's options is completed when the object is written.
//
// Nothing is completed within lists: a list that is applied at the server is one value, or its members are, and a member that the
// server had completed would differ from what its manager applied. Who reads a list knows the defaults of its members. Only keys of
// members have their defaults written out, as those of "protocol" in ports, which the schema names.

func addDefaultingFuncs(scheme *runtime.Scheme) error { return RegisterDefaults(scheme) }

// SetDefaults_SubnetSpec computes the protocol from well-formed prefixes and sets the overlay as provider.
func SetDefaults_SubnetSpec(s *SubnetSpec) {
	setDefault(&s.Protocol, protocolOf(s.CIDRBlock))
	setDefault(&s.Provider, DefaultProvider)
}

// SetDefaults_IPSpec completes the parts of an address that is well-formed.
func SetDefaults_IPSpec(s *IPSpec) {
	if s.IPAddress == "" {
		return
	}
	for part := range strings.SplitSeq(s.IPAddress, ",") {
		switch a, err := netip.ParseAddr(strings.TrimSpace(part)); {
		case err != nil:
		case a.Is4():
			setDefault(&s.V4IPAddress, a.String())
		default:
			setDefault(&s.V6IPAddress, a.String())
		}
	}
}

// SetDefaults_OvnEipSpec makes addresses usable for NAT rules.
func SetDefaults_OvnEipSpec(s *OvnEipSpec) {
	setDefault(&s.Type, OvnEipNat)
}

// SetDefaults_IptablesEIPSpec takes addresses from the default external Subnet.
func SetDefaults_IptablesEIPSpec(s *IptablesEIPSpec) {
	setDefault(&s.ExternalSubnet, DefaultExternalSubnet)
}

// SetDefaults_IptablesDnatRuleSpec makes external ports exclusive.
func SetDefaults_IptablesDnatRuleSpec(s *IptablesDnatRuleSpec) {
	setDefault(&s.Type, DnatExclusive)
}

// SetDefaults_VpcNatGatewaySpec makes one pod.
func SetDefaults_VpcNatGatewaySpec(s *VpcNatGatewaySpec) {
	setDefault(&s.Replicas, 1)
}

// SetDefaults_VpcNatGatewayBFD sets the times of BFD sessions.
func SetDefaults_VpcNatGatewayBFD(b *VpcNatGatewayBFD) {
	setDefault(&b.MinRX, 1000)
	setDefault(&b.MinTX, 1000)
	setDefault(&b.Multiplier, 3)
}

// SetDefaults_VpcDnsSpec names the default configuration.
func SetDefaults_VpcDnsSpec(s *VpcDnsSpec) {
	setDefault(&s.Corefile, DefaultCorefile)
}

// SetDefaults_VlanSpec reads the identifier from its former field.
func SetDefaults_VlanSpec(s *VlanSpec) {
	setDefault(&s.ID, s.VlanID)
}

// SetDefaults_Chassis gives the node the name of the object, and Geneve tunnels.
func SetDefaults_Chassis(c *Chassis) {
	setDefault(&c.Spec.Hostname, c.Name)
	setDefault(&c.Spec.EncapType, EncapGeneve)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// protocolOf is empty when there is no prefix, or when one is malformed: validation says so better.
func protocolOf(cidrBlock string) Protocol {
	var v4, v6 bool
	for part := range strings.SplitSeq(cidrBlock, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return ""
		}
		v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
	}
	if v4 && v6 {
		return ProtocolDual
	}
	if v6 {
		return ProtocolIPv6
	}
	return ProtocolIPv4
}
