package v1

import "strings"

// Finalizers.
const (
	// FinalizerInUse is on objects that are being deleted while others refer to them. The server adds and removes it; it
	// protects nothing by itself.
	FinalizerInUse = GroupName + "/in-use"
	// FinalizerController is the finalizer that Kube-OVN's controller puts on its objects; accepted from manifests and
	// clients, without effect.
	FinalizerController = GroupName + "/kube-ovn-controller"
)

// Names of objects that exist in every cluster, or that are the default where a field names one.
const (
	// DefaultVpc is the Vpc of the cluster's own network.
	DefaultVpc = "ovn-cluster"
	// DefaultSubnet is the Subnet of pods for which nothing else is said.
	DefaultSubnet = "ovn-default"
	// AnswersTable is the routing table of nodes by which answers to other nodes go back into the overlay.
	AnswersTable = 110
	// JoinSubnet connects the nodes with the default Vpc.
	JoinSubnet = "join"
	// DefaultProvider is the provider of the first interface of pods.
	DefaultProvider = "ovn"
	// DefaultExternalSubnet is the external Subnet of VpcNatGateways that name none.
	DefaultExternalSubnet = "ovn-vpc-external-network"
	// DefaultCorefile is the ConfigMap with the configuration of VpcDnses that name none.
	DefaultCorefile = "vpc-dns-corefile"
)

// AnnotationPrefix begins the annotations of a pod's first interface.
const AnnotationPrefix = "ovn.kubernetes.io/"

// NodePort is the name of the IP, and so of the logical switch port, through which a node is connected with the default Vpc: an
// IP of this name in the Subnet of the nodes, with the node in spec.nodeName and no pod.
func NodePort(node string) string { return "node-" + node }

// Labels of nodes that tell how they are connected with a ProviderNetwork, see ProviderNetworkLabel.
const (
	// ProviderNetworkReady says whether the node is connected ("true" or "false").
	ProviderNetworkReady = "ready"
	// ProviderNetworkInterface is the interface, and ProviderNetworkMTU its MTU in bytes.
	ProviderNetworkInterface = "interface"
	ProviderNetworkMTU       = "mtu"
	// ProviderNetworkExclude is "true" on nodes that the network excludes.
	ProviderNetworkExclude = "exclude"
)

// ProviderNetworkLabel is a label of nodes about a ProviderNetwork, as Kube-OVN has it.
func ProviderNetworkLabel(network, name string) string {
	return network + ".provider-network.kubernetes.io/" + name
}

// prefix begins all labels and annotations that concern a pod's first interface, and those of all other objects.
const prefix = AnnotationPrefix

// Labels that the server keeps on objects, so that clients can select by them.
const (
	// LabelSubnet is on IPs, Vips and external addresses: the name of their Subnet.
	LabelSubnet = prefix + "subnet"
	// LabelIPReserved is on IPs that no pod needs to keep alive ("true"), and on Vips in use ("port").
	LabelIPReserved = prefix + "ip_reserved"
	// LabelNode is on IPs: the name of their node.
	LabelNode = prefix + "node-name"
	// LabelWithoutNode is on the Chassis of hosts that are no nodes of the Kubernetes cluster, and on the IPs of their ports ("true"): no Node
	// that is missing means that they are gone.
	LabelWithoutNode = prefix + "without-node"
	// LabelEipV4 is on external addresses and on the NAT rules that use them: the IPv4 address.
	LabelEipV4 = prefix + "eip_v4_ip"
	// LabelEipV6 is on external addresses and on the NAT rules that use them: the IPv6 address, colons replaced by dots.
	LabelEipV6 = prefix + "eip_v6_ip"
	// LabelOvnEipType is on OvnEips: their type.
	LabelOvnEipType = prefix + "ovn_eip_type"
	// LabelVpcNatGateway is on IptablesEIPs and rules: the name of their VpcNatGateway.
	LabelVpcNatGateway = prefix + "vpc-nat-gw-name"
	// LabelDnatExternalPort is on IptablesDnatRules and OvnDnatRules: their external port.
	LabelDnatExternalPort = prefix + "vpc_dnat_eport"
	// LabelQoS is on objects that use a bandwidth policy: its name.
	LabelQoS = prefix + "qos"
	// LabelExternalGateway is on nodes that may host router ports to external Subnets ("true").
	LabelExternalGateway = prefix + "external-gw"
)

// Annotations that users set on pods. The names are those of the first interface; for others the prefix
// "ovn.kubernetes.io/" is replaced by "<provider>.kubernetes.io/" (see ProviderAnnotation).
const (
	// AnnotationLogicalSwitch names the Subnet; on namespaces, Subnets separated by commas.
	AnnotationLogicalSwitch = prefix + "logical_switch"
	// AnnotationIPAddress is the address, "v4,v6" for both families.
	AnnotationIPAddress = prefix + "ip_address"
	// AnnotationIPPool are the addresses, or pools, to choose from.
	AnnotationIPPool = prefix + "ip_pool"
	// AnnotationMacAddress is the MAC.
	AnnotationMacAddress = prefix + "mac_address"
	// AnnotationVip names the Vip whose address the pod uses.
	AnnotationVip = prefix + "vip"
	// AnnotationAAPs names the Vips, separated by commas, whose addresses the pod may use besides its own.
	AnnotationAAPs = prefix + "aaps"
	// AnnotationSecurityGroups names the security groups, separated by commas.
	AnnotationSecurityGroups = prefix + "security_groups"
	// AnnotationPortSecurity is "false" on pods, and on their IPs, that forward packets of others, as routers and gateways do: the
	// interface may then send from and receive for any address, with its own MAC. Default: only its own addresses and its Vips'.
	AnnotationPortSecurity = prefix + "port_security"
	// AnnotationRoutes are further routes inside the pod, as JSON: [{"dst": "10.0.0.0/8", "gw": "10.16.0.254"}].
	AnnotationRoutes = prefix + "routes"
	// AnnotationDefaultRoute is "true" when the pod's default route is that of this interface.
	AnnotationDefaultRoute = prefix + "default_route"
	// AnnotationVirtualMachine names the virtual machine of a pod that runs one.
	AnnotationVirtualMachine = prefix + "virtualmachine"
)

// Annotations that are set for users to read.
const (
	// AnnotationAllocated is "true" on pods whose interface exists, and on nodes that have a port.
	AnnotationAllocated = prefix + "allocated"
	// AnnotationRouted is "true" on pods whose interface is plugged.
	AnnotationRouted = prefix + "routed"
	// AnnotationCIDR is the prefix of the Subnet; on namespaces, of all their Subnets, separated by semicolons.
	AnnotationCIDR = prefix + "cidr"
	// AnnotationGateway is the gateway of the Subnet.
	AnnotationGateway = prefix + "gateway"
	// AnnotationExcludeIPs are the excluded addresses of a namespace's Subnets, separated by semicolons.
	AnnotationExcludeIPs = prefix + "exclude_ips"
	// AnnotationLogicalRouter is the name of the logical router.
	AnnotationLogicalRouter = prefix + "logical_router"
	// AnnotationVpc is the name of the Vpc.
	AnnotationVpc = prefix + "vpc"
	// AnnotationPortName is, on nodes, the logical switch port of the node.
	AnnotationPortName = prefix + "port_name"
	// AnnotationChassis is, on nodes, the name of the chassis in the Southbound database.
	AnnotationChassis = prefix + "chassis"
	// AnnotationSwitchLBVip is, on services of SwitchLBRules, the address of the load balancer.
	AnnotationSwitchLBVip = prefix + "switch_lb_vip"
)

// ProviderAnnotation returns the name of an annotation of this package for the interface of a provider.
func ProviderAnnotation(provider, annotation string) string {
	name, ours := strings.CutPrefix(annotation, prefix)
	if !ours || provider == DefaultProvider {
		return annotation
	}
	return provider + ".kubernetes.io/" + name
}
