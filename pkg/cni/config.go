package cni

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// Type is the name of the plugin, and of its executable.
const Type = "kube-ovn"

// DefaultProvider is the provider of pods' first interfaces.
const DefaultProvider = "ovn"

// settings are ours in the configuration of a network, or of its IPAM when the interface is made by another plugin.
type settings struct {
	Type         string        `json:"type"`
	ServerSocket string        `json:"server_socket"`
	Provider     string        `json:"provider"`
	AgentWait    *float64      `json:"agent_wait"` // in seconds
	Routes       []types.Route `json:"routes"`
}

// config is the configuration of a network as the runtime gives it.
type config struct {
	plugin types.PluginConf // what all plugins have; decoded by itself, since its fields have names that ours have
	settings
	IPAM          settings `json:"ipam"`
	RuntimeConfig struct {
		IPs []string `json:"ips"`
		MAC string   `json:"mac"`
	} `json:"runtimeConfig"`
}

// podArgs are the arguments that Kubernetes' runtimes and Multus pass.
type podArgs struct {
	types.CommonArgs
	K8S_POD_NAME, K8S_POD_NAMESPACE, K8S_POD_UID types.UnmarshallableString //nolint:revive,staticcheck // their names are given
	IP, MAC                                      types.UnmarshallableString
}

// call is a request with what the plugin needs for itself.
type call struct {
	request Request
	version string // of the configuration
	socket  string
	// agentWait is how long an operation waits for an agent that is away.
	agentWait time.Duration
	dns       types.DNS
	sandbox   string
	prev      *types100.Result
}

// parse reads what the runtime passes.
func parse(args *skel.CmdArgs) (*call, error) {
	var conf config
	err := json.Unmarshal(args.StdinData, &conf.plugin)
	if err == nil {
		err = json.Unmarshal(args.StdinData, &conf)
	}
	if err != nil {
		return nil, types.NewError(CodeDecoding, "configuration: "+err.Error(), "")
	}
	pod := podArgs{CommonArgs: types.CommonArgs{IgnoreUnknown: true}}
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return nil, types.NewError(CodeEnvironment, "CNI_ARGS: "+err.Error(), "")
	}
	c := &call{version: conf.plugin.CNIVersion, dns: conf.plugin.DNS, sandbox: args.Netns, request: Request{
		ContainerID: args.ContainerID, IfName: args.IfName, NetNS: args.Netns, Network: conf.plugin.Name,
		PodName: string(pod.K8S_POD_NAME), PodNamespace: string(pod.K8S_POD_NAMESPACE), PodUID: string(pod.K8S_POD_UID),
	}}
	ours := conf.settings
	if ours.Type != Type {
		if conf.IPAM.Type != Type {
			return nil, types.NewError(CodeConfiguration, "neither type nor ipam.type is "+Type, "")
		}
		ours, c.request.AddressesOnly = conf.IPAM, true
	}
	c.request.Provider, c.socket = ours.Provider, ours.ServerSocket
	if c.request.Provider == "" {
		c.request.Provider = DefaultProvider
	}
	if c.socket == "" {
		c.socket = DefaultSocket
	}
	if c.agentWait = defaultAgentWait; ours.AgentWait != nil {
		c.agentWait = time.Duration(*ours.AgentWait * float64(time.Second))
	}
	if err := c.addressing(&conf, &pod, ours.Routes); err != nil {
		return nil, err
	}
	return c, c.previous(&conf)
}

// addressing takes over what the runtime wants the interface to have.
func (c *call) addressing(conf *config, pod *podArgs, routes []types.Route) error {
	wanted, mac := conf.RuntimeConfig.IPs, conf.RuntimeConfig.MAC
	if len(wanted) == 0 && pod.IP != "" {
		wanted = strings.Split(string(pod.IP), ",")
	}
	if mac == "" {
		mac = string(pod.MAC)
	}
	c.request.MAC = mac
	for _, text := range wanted {
		address, _, _ := strings.Cut(text, "/")
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return types.NewError(CodeConfiguration, "address "+text+": "+err.Error(), "")
		}
		c.request.Addresses = append(c.request.Addresses, addr.Unmap())
	}
	for _, r := range routes {
		c.request.Routes = append(c.request.Routes, Route{Dst: prefixOf(r.Dst).Masked(), GW: addrOf(r.GW)})
	}
	for _, a := range conf.plugin.ValidAttachments {
		c.request.Valid = append(c.request.Valid, Attachment{ContainerID: a.ContainerID, IfName: a.IfName})
	}
	return nil
}

// previous reads the result of the plugin before this one, or, in a check, of this interface's addition.
func (c *call) previous(conf *config) error {
	if conf.plugin.RawPrevResult == nil {
		return nil
	}
	if err := version.ParsePrevResult(&conf.plugin); err != nil {
		return types.NewError(CodeDecoding, "prevResult: "+err.Error(), "")
	}
	prev, err := types100.NewResultFromResult(conf.plugin.PrevResult)
	if err != nil {
		return types.NewError(CodeDecoding, "prevResult: "+err.Error(), "")
	}
	c.prev = prev
	return nil
}

// addrOf is the address of a net.IP, the zero Addr of none.
func addrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// prefixOf is the address and length of a net.IPNet.
func prefixOf(n net.IPNet) netip.Prefix {
	ones, bits := n.Mask.Size()
	addr := addrOf(n.IP)
	if bits > addr.BitLen() {
		ones -= bits - addr.BitLen()
	}
	return netip.PrefixFrom(addr, ones)
}
