// Package kubeovn holds what the kinds of the group kubeovn.io have in common: their configuration and their refusals.
package kubeovn

import (
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Config is what kinds must know of the cluster. The names and defaults are those of Kube-OVN's flags.
type Config struct {
	DefaultVpc    string // --cluster-router: the Vpc of the cluster itself
	DefaultSubnet string // --default-ls: the Subnet of namespaces that are bound to no other

	DefaultSubnetCIDR   ipam.Prefixes // --default-cidr
	DefaultGateway      ipam.Addrs    // --default-gateway: absent, the first address of the prefix
	DefaultExcludeIPs   []string      // --default-exclude-ips
	DefaultGatewayCheck bool          // --default-gateway-check

	NodeSwitch        string        // --node-switch: the Subnet of the nodes
	NodeSwitchCIDR    ipam.Prefixes // --node-switch-cidr
	NodeSwitchGateway ipam.Addrs    // --node-switch-gateway

	ServiceCIDR []netip.Prefix // --service-cluster-ip-range: no Subnet of the default Vpc may overlap with it

	ExternalGatewaySwitch string // --external-gateway-switch: the default external Subnet
	ExternalGatewayNet    string // --external-gateway-net
	ExternalGatewayVlanID int    // --external-gateway-vlanid

	EnableLB   bool // --enable-lb: what an unset enableLb of a Subnet means
	EnableEcmp bool // --enable-ecmp
	MTU        int  // what DHCP and router advertisements say for Subnets without an mtu, in bytes
}

// DefaultConfig returns Kube-OVN's defaults. The MTU is that of Geneve over an Ethernet of 1500 bytes, with Kube-OVN's
// allowance of 100 bytes.
func DefaultConfig() Config {
	return Config{
		DefaultVpc:            "ovn-cluster",
		DefaultSubnet:         "ovn-default",
		DefaultSubnetCIDR:     ipam.Prefixes{V4: netip.MustParsePrefix("10.16.0.0/16")},
		DefaultGatewayCheck:   true,
		NodeSwitch:            "join",
		NodeSwitchCIDR:        ipam.Prefixes{V4: netip.MustParsePrefix("100.64.0.0/16")},
		ServiceCIDR:           []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")},
		ExternalGatewaySwitch: "external",
		ExternalGatewayNet:    "external",
		EnableLB:              true,
		MTU:                   1400,
	}
}

// DefaultObjects returns the objects that exist in every installation, in an order in which they can be created: the default
// Vpc, the default Subnet and the Subnet of the nodes.
func DefaultObjects(cfg Config) []storage.Object {
	return []storage.Object{
		&v1.Vpc{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "Vpc"},
			ObjectMeta: metav1.ObjectMeta{Name: cfg.DefaultVpc},
		},
		&v1.Subnet{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "Subnet"},
			ObjectMeta: metav1.ObjectMeta{Name: cfg.DefaultSubnet},
			Spec: v1.SubnetSpec{
				Default:             true,
				Vpc:                 cfg.DefaultVpc,
				CIDRBlock:           cfg.DefaultSubnetCIDR.String(),
				Gateway:             cfg.DefaultGateway.String(),
				ExcludeIps:          slices.Clone(cfg.DefaultExcludeIPs),
				GatewayType:         v1.GatewayDistributed,
				NatOutgoing:         true,
				DisableGatewayCheck: !cfg.DefaultGatewayCheck,
			},
		},
		&v1.Subnet{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "Subnet"},
			ObjectMeta: metav1.ObjectMeta{Name: cfg.NodeSwitch},
			Spec: v1.SubnetSpec{
				Vpc:                    cfg.DefaultVpc,
				CIDRBlock:              cfg.NodeSwitchCIDR.String(),
				Gateway:                cfg.NodeSwitchGateway.String(),
				GatewayType:            v1.GatewayDistributed,
				DisableInterConnection: true,
			},
		},
	}
}
