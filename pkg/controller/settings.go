package controller

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Settings are what the loops must know of the cluster. The names and defaults of the flags are Kube-OVN's; those that the
// API server has, too, must say the same there.
type Settings struct {
	DefaultVpc    string // --cluster-router
	DefaultSubnet string // --default-ls
	NodeSubnet    string // --node-switch

	ConfigNamespace       string // --external-gateway-config-ns: where the ConfigMaps are
	ExternalGatewaySubnet string // --external-gateway-switch
	ExternalGatewayNet    string // --external-gateway-net: the ProviderNetwork, when the Subnet is to be made
	ExternalGatewayVlanID int    // --external-gateway-vlanid

	KeepVMIP bool // --keep-vm-ip
	Workers  int  // --worker-num: of each loop
}

// DefaultSettings are Kube-OVN's.
func DefaultSettings() Settings {
	return Settings{
		DefaultVpc: v1.DefaultVpc, DefaultSubnet: v1.DefaultSubnet, NodeSubnet: v1.JoinSubnet,
		ConfigNamespace: "kube-system", ExternalGatewaySubnet: "external", ExternalGatewayNet: "external",
		KeepVMIP: true, Workers: 3,
	}
}

// AddFlags adds the flags of the settings.
func (s *Settings) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&s.DefaultVpc, "cluster-router", s.DefaultVpc, "Vpc of the cluster itself: the one with the cluster's Services.")
	fs.StringVar(&s.DefaultSubnet, "default-ls", s.DefaultSubnet, "Subnet of the namespaces that are bound to no other.")
	fs.StringVar(&s.NodeSubnet, "node-switch", s.NodeSubnet, "Subnet through which nodes reach pods.")
	fs.StringVar(&s.ConfigNamespace, "external-gateway-config-ns", s.ConfigNamespace, "Namespace of the ConfigMap ovn-external-gw-config and of the others.")
	fs.StringVar(&s.ExternalGatewaySubnet, "external-gateway-switch", s.ExternalGatewaySubnet, "Default external Subnet.")
	fs.StringVar(&s.ExternalGatewayNet, "external-gateway-net", s.ExternalGatewayNet, "ProviderNetwork of the default "+
		"external Subnet, when ovn-external-gw-config asks for a Subnet that does not exist.")
	fs.IntVar(&s.ExternalGatewayVlanID, "external-gateway-vlanid", s.ExternalGatewayVlanID, "VLAN of the default external Subnet, when it does not exist; 0 is none.")
	fs.BoolVar(&s.KeepVMIP, "keep-vm-ip", s.KeepVMIP, "Keep the addresses of virtual machines as long as the VirtualMachine exists.")
	fs.IntVar(&s.Workers, "worker-num", s.Workers, "Objects of one kind that are worked on at a time.")
}

// Validate says what is wrong with the settings.
func (s *Settings) Validate() error {
	var errs []error
	for _, f := range [...]struct{ flag, value string }{
		{"cluster-router", s.DefaultVpc}, {"default-ls", s.DefaultSubnet}, {"node-switch", s.NodeSubnet},
		{"external-gateway-config-ns", s.ConfigNamespace}, {"external-gateway-switch", s.ExternalGatewaySubnet}, {"external-gateway-net", s.ExternalGatewayNet},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("--%s must not be empty", f.flag))
		}
	}
	if s.ExternalGatewayVlanID < 0 || s.ExternalGatewayVlanID > 4095 {
		errs = append(errs, fmt.Errorf("--external-gateway-vlanid=%d: must be 0 to 4095", s.ExternalGatewayVlanID))
	}
	if s.Workers < 1 {
		errs = append(errs, fmt.Errorf("--worker-num=%d: must be at least 1", s.Workers))
	}
	return errors.Join(errs...)
}
