package agent

import (
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

// Config is what an agent needs to know. DefaultConfig has the values that most nodes use.
type Config struct {
	// NodeName is the name of the node, and of its Chassis.
	NodeName string
	// NodeIPs are the addresses of the node when there is no Kubernetes that knows them.
	NodeIPs []netip.Addr
	// Kubernetes reaches the API with the Node and the Pods; nil for a node of an overlay without Kubernetes.
	Kubernetes kubernetes.Interface
	// Northbound reaches the API with Subnets and Chassis.
	Northbound versioned.Interface

	// NetworkNamespace is the path of the node's network namespace; the process's own when empty.
	NetworkNamespace string
	// OVSDB is the address of the node's Open_vSwitch database.
	OVSDB string
	// OVNRunDir is the folder with ovn-controller's pidfile and control socket.
	OVNRunDir string
	// StateDir is the folder in which the agent keeps plans that must survive a crash.
	StateDir string

	// Interfaces are patterns of the interface for tunnels; that with the node's address when empty.
	Interfaces []string
	// EncapType is the encapsulation of tunnels.
	EncapType v1.EncapType
	// MTU is that of pods and of the node's port; 0 for that of the interface for tunnels without the encapsulation.
	MTU int
	// OVNRemote is the address of the Southbound database; left as it is when empty.
	OVNRemote string
	// Datapath is netdev or system; found out when empty.
	Datapath string
	// NodeSwitch is the Subnet of the nodes' ports, DefaultVpc the Vpc that they lead to, Services the range of Services.
	NodeSwitch, DefaultVpc string
	Services               []netip.Prefix

	// Socket is that for the CNI plugin; there is none when it is empty, or without Kubernetes.
	Socket string
	// Conflist is the file that tells the container runtime of the plugin, written when pods can be plugged; none when empty.
	Conflist string
	// Plugins is the folder in which the container runtime looks for plugins.
	Plugins string
	// EnableTProxy lets the kubelet's probes reach pods in custom Vpcs.
	EnableTProxy bool
	// TProxyPort is the port of the node's loopback addresses that they are redirected to; 0 for any.
	TProxyPort uint16
	// HealthAddress is where /healthz and /metrics are served; nowhere when empty.
	HealthAddress string
}

// DefaultConfig returns the defaults, which are Kube-OVN's where it has the setting.
func DefaultConfig() Config {
	return Config{
		OVSDB:         "unix:/run/openvswitch/db.sock",
		OVNRunDir:     "/run/ovn",
		StateDir:      "/var/lib/northbound",
		EncapType:     v1.EncapGeneve,
		NodeSwitch:    v1.JoinSubnet,
		DefaultVpc:    v1.DefaultVpc,
		Services:      []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")},
		Socket:        "/run/openvswitch/kube-ovn-daemon.sock",
		Conflist:      "/etc/cni/net.d/01-kube-ovn.conflist",
		Plugins:       "/opt/cni/bin",
		TProxyPort:    8102,
		HealthAddress: "127.0.0.1:10665",
	}
}

// Validate says what is missing or contradictory, naming the flag.
func (c *Config) Validate() error {
	var errs []error
	if c.NodeName == "" {
		errs = append(errs, errors.New("--node-name is required"))
	}
	switch c.EncapType {
	case v1.EncapGeneve, v1.EncapVXLAN, v1.EncapSTT:
	default:
		errs = append(errs, fmt.Errorf("--encap-type %q: must be geneve, vxlan or stt", c.EncapType))
	}
	switch c.Datapath {
	case "", datapathSystem, datapathNetdev:
	default:
		errs = append(errs, fmt.Errorf("--datapath-type %q: must be %s or %s", c.Datapath, datapathSystem, datapathNetdev))
	}
	if c.MTU < 0 || c.MTU > 65535 {
		errs = append(errs, fmt.Errorf("--mtu %d: must be from 0 to 65535", c.MTU))
	}
	if c.Kubernetes == nil && len(c.NodeIPs) == 0 {
		errs = append(errs, errors.New("--node-ip is required where no Kubernetes knows the node's addresses"))
	}
	return errors.Join(errs...)
}

// staticNode is the node when there is no Kubernetes.
func (c *Config) staticNode() *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: c.NodeName, Labels: map[string]string{corev1.LabelHostname: c.NodeName}}}
	for _, a := range c.NodeIPs {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	return node
}
