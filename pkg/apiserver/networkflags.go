package apiserver

import (
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
)

// addNetworkFlags adds the flags that say which networks exist from the start, with kube-ovn-controller's names and defaults.
func addNetworkFlags(fs *pflag.FlagSet, c *kubeovn.Config) {
	fs.StringVar(&c.DefaultVpc, "cluster-router", c.DefaultVpc, "Vpc of the cluster itself, and of Subnets that name none.")
	fs.StringVar(&c.DefaultSubnet, "default-ls", c.DefaultSubnet, "Subnet of the namespaces that are bound to no other.")
	fs.Var(parsed(&c.DefaultSubnetCIDR, ipam.ParsePrefixes), "default-cidr", "Prefix of the default Subnet; one of each family, comma-separated, for dual stack.")
	fs.Var(parsed(&c.DefaultGateway, ipam.ParseAddrs), "default-gateway", "Gateway of the default Subnet; the first address of its prefix when empty.")
	fs.StringSliceVar(&c.DefaultExcludeIPs, "default-exclude-ips", c.DefaultExcludeIPs, "Addresses and ranges (a..b) of the default Subnet that are not allocated.")
	fs.BoolVar(&c.DefaultGatewayCheck, "default-gateway-check", c.DefaultGatewayCheck, "Whether agents check that the default Subnet's gateway answers.")
	fs.StringVar(&c.NodeSwitch, "node-switch", c.NodeSwitch, "Subnet through which nodes reach pods.")
	fs.Var(parsed(&c.NodeSwitchCIDR, ipam.ParsePrefixes), "node-switch-cidr", "Prefix of the nodes' Subnet.")
	fs.Var(parsed(&c.NodeSwitchGateway, ipam.ParseAddrs), "node-switch-gateway", "Gateway of the nodes' Subnet; the first address of its prefix when empty.")
	fs.Var(parsed(&c.ServiceCIDR, parsePrefixList), "service-cluster-ip-range", "Prefixes of the cluster's Services, with which no Subnet of the default Vpc may overlap.")
	fs.StringVar(&c.ExternalGatewaySwitch, "external-gateway-switch", c.ExternalGatewaySwitch, "Default external Subnet.")
	fs.StringVar(&c.ExternalGatewayNet, "external-gateway-net", c.ExternalGatewayNet, "Physical network of the default external Subnet.")
	fs.IntVar(&c.ExternalGatewayVlanID, "external-gateway-vlanid", c.ExternalGatewayVlanID, "VLAN of the default external Subnet; 0 is none.")
	fs.BoolVar(&c.EnableLB, "enable-lb", c.EnableLB, "What an unset enableLb of a Subnet means.")
	fs.BoolVar(&c.EnableEcmp, "enable-ecmp", c.EnableEcmp, "Whether Subnets use all their gateway nodes at once unless they say otherwise.")
	fs.IntVar(&c.MTU, "mtu", c.MTU, "MTU in bytes that DHCP and router advertisements announce for Subnets that set none.")
}

// parsedValue is a flag whose text is parsed into a T.
type parsedValue[T any] struct {
	target *T
	parse  func(string) (T, error)
	text   string
}

func parsed[T any](target *T, parse func(string) (T, error)) *parsedValue[T] {
	return &parsedValue[T]{target: target, parse: parse, text: textOf(*target)}
}

// Set implements pflag.Value.
func (v *parsedValue[T]) Set(text string) error {
	value, err := v.parse(text)
	if err == nil {
		*v.target, v.text = value, text
	}
	return err
}

// String implements pflag.Value.
func (v *parsedValue[T]) String() string { return v.text }

// Type implements pflag.Value.
func (v *parsedValue[T]) Type() string { return "string" }

func textOf(value any) string {
	switch v := value.(type) {
	case interface{ String() string }:
		return v.String()
	case []netip.Prefix:
		var texts []string
		for _, p := range v {
			texts = append(texts, p.String())
		}
		return strings.Join(texts, ",")
	}
	return ""
}

func parsePrefixList(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		p, err := ipam.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}
