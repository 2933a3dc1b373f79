package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Vpc is an isolated layer-3 network: one logical router to which the VPC's Subnets are attached. Addresses of different
// VPCs may overlap; addresses of Subnets within one VPC may not.
type Vpc struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name of the Vpc is the name of its logical router; it must not be the
	// name of a Subnet.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired network.
	// +optional
	Spec VpcSpec `json:"spec,omitempty"`
	// status is what is known of the network. Written by the server only.
	// +optional
	Status VpcStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VpcList is a list of Vpcs.
type VpcList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Vpcs, in ascending order of their names.
	Items []Vpc `json:"items"`
}

// VpcSpec is the desired state of a Vpc.
type VpcSpec struct {
	// defaultSubnet names the Subnet of this VPC whose addresses pods of the VPC's namespaces get when neither pod nor
	// namespace name a Subnet. Default: none. Refused when the Subnet exists and belongs to another VPC.
	// +optional
	DefaultSubnet string `json:"defaultSubnet,omitempty"`
	// namespaces are the names of the only namespaces whose pods may use this VPC. Empty means any namespace. Pods of these
	// namespaces get no addresses in the default VPC unless they name a Subnet there themselves. Refused:
	// names that no namespace can have, and lists that lack a namespace to which a Subnet of the VPC is bound.
	// +optional
	// +listType=set
	Namespaces []string `json:"namespaces,omitempty"`
	// staticRoutes are the routes of the logical router in addition to those that the server derives from Subnets and
	// external connections (see status.routes). The longest prefix wins; of equal prefixes policyDst wins over policySrc.
	// Several routes with the same prefix, policy and table are used together (ECMP). Refused: two identical routes.
	// +optional
	// +listType=atomic
	StaticRoutes []StaticRoute `json:"staticRoutes,omitempty"`
	// policyRoutes are routing policies of the logical router, evaluated after the static routes, the highest priority
	// first; they may drop, pass or redirect. Refused: two policies with the same priority and match.
	// +optional
	// +listType=atomic
	PolicyRoutes []PolicyRoute `json:"policyRoutes,omitempty"`
	// vpcPeerings connect this VPC with others. A connection is up when both sides name each other with addresses of one
	// prefix. Refused: a peering with itself, two peerings with one VPC.
	// +optional
	// +listType=map
	// +listMapKey=remoteVpc
	VpcPeerings []VpcPeering `json:"vpcPeerings,omitempty"`
	// enableExternal connects the logical router with the default external Subnet: a gateway port with an address of it,
	// whose default route becomes the VPC's (see status.routes). Default: false. Refused when the default external Subnet
	// does not exist, and set to false while NAT rules of the VPC use addresses of it.
	// +optional
	EnableExternal bool `json:"enableExternal"`
	// extraExternalSubnets are the names of further external Subnets that the logical router is connected with; they add
	// no default route. Refused: Subnets that do not exist or have no vlan.
	// +optional
	// +listType=set
	ExtraExternalSubnets []string `json:"extraExternalSubnets,omitempty"`
	// enableBfd watches the next hops of the external default routes by BFD and removes dead ones from the ECMP set.
	// Default: false.
	// +optional
	EnableBfd bool `json:"enableBfd"`
	// bfdPort is an address of the logical router at which gateway instances are monitored by BFD. Default: none.
	// +optional
	BFDPort *BFDPort `json:"bfdPort,omitempty"`
}

// RoutePolicy says which address of a packet a static route looks at.
type RoutePolicy string

const (
	// PolicyDst routes by destination address.
	PolicyDst RoutePolicy = "policyDst"
	// PolicySrc routes by source address.
	PolicySrc RoutePolicy = "policySrc"
)

// StaticRoute is a route of a logical router.
type StaticRoute struct {
	// policy is which address is matched: policyDst (destination) or policySrc (source). Default: policyDst. Anything else
	// is refused.
	// +optional
	Policy RoutePolicy `json:"policy,omitempty"`
	// cidr is the prefix that is matched, as 10.0.0.0/24 or fd00::/64; a plain address means its host prefix. Required.
	CIDR string `json:"cidr"`
	// nextHopIP is the address of the next router, of the same family as cidr. Required. Refused: an address that no other
	// router has, such as one of the Vpc's own router, or the network or broadcast address of a Subnet, whichever is created
	// first. An address that is in no network of the Vpc yet is accepted with a warning.
	NextHopIP string `json:"nextHopIP"`
	// ecmpMode is empty or "ecmp-symmetric-reply": replies take the path by which the request came. Default: empty.
	// Anything else is refused.
	// +optional
	ECMPMode string `json:"ecmpMode,omitempty"`
	// bfdId is the UUID of the Northbound BFD row that decides whether the route is used. Default: none, always used.
	// +optional
	BfdID string `json:"bfdId,omitempty"`
	// routeTable is the name of the routing table; Subnets choose one by their routeTable. Default: empty, the main table,
	// which is used by all Subnets without one.
	// +optional
	RouteTable string `json:"routeTable,omitempty"`
}

// PolicyRouteAction is what a routing policy does with a packet.
type PolicyRouteAction string

const (
	// PolicyRouteAllow forwards as routed.
	PolicyRouteAllow PolicyRouteAction = "allow"
	// PolicyRouteDrop discards.
	PolicyRouteDrop PolicyRouteAction = "drop"
	// PolicyRouteReroute forwards to nextHopIP.
	PolicyRouteReroute PolicyRouteAction = "reroute"
)

// PolicyRoute is a routing policy of a logical router.
type PolicyRoute struct {
	// priority orders the policies, the highest first. 0 to 32767; anything else is refused.
	// +optional
	Priority int32 `json:"priority,omitempty"`
	// match is an OVN logical expression as in ovn-sb(5), for instance "ip4.src == 10.0.1.0/24". Required; an expression
	// that OVN 23.03 or 25.03 does not read is refused, as in the acls of a Subnet.
	Match string `json:"match"`
	// action is allow, drop or reroute. Required; anything else is refused.
	Action PolicyRouteAction `json:"action"`
	// nextHopIP is the address to which "reroute" sends packets; several, separated by commas, share them (ECMP). Required
	// for reroute, refused otherwise. What is refused and warned of is as for the nextHopIP of a static route.
	// +optional
	NextHopIP string `json:"nextHopIP,omitempty"`
}

// VpcPeering is one side of a connection between two VPCs.
type VpcPeering struct {
	// remoteVpc is the name of the other Vpc. Required.
	RemoteVpc string `json:"remoteVpc"`
	// localConnectIP is the address of this side with its prefix length, as 169.254.0.1/30; "v4,v6" for both families.
	// Required. Refused: prefixes that overlap with Subnets of the VPC.
	LocalConnectIP string `json:"localConnectIP"`
}

// BFDPort is the configuration of a BFD port of a logical router.
type BFDPort struct {
	// enabled creates the port. Default: false.
	// +optional
	Enabled bool `json:"enabled"`
	// ip is the address of the port; "v4,v6" for both families. Required when enabled.
	// +optional
	IP string `json:"ip,omitempty"`
	// nodeSelector selects the nodes that may host the port. Default: all nodes.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// VpcStatus is the observed state of a Vpc.
type VpcStatus struct {
	// conditions: Ready is true when the logical router exists with all that spec asks for.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// standby is true when the logical router exists.
	// +optional
	Standby bool `json:"standby"`
	// default is true for the VPC of the cluster itself.
	// +optional
	Default bool `json:"default"`
	// defaultLogicalSwitch is the name of the default Subnet, empty when there is none.
	// +optional
	DefaultLogicalSwitch string `json:"defaultLogicalSwitch"`
	// router is the name of the logical router.
	// +optional
	Router string `json:"router"`
	// tcpLoadBalancer is the name of the load balancer of TCP services without session affinity.
	// +optional
	TCPLoadBalancer string `json:"tcpLoadBalancer"`
	// udpLoadBalancer is the name of the load balancer of UDP services without session affinity.
	// +optional
	UDPLoadBalancer string `json:"udpLoadBalancer"`
	// sctpLoadBalancer is the name of the load balancer of SCTP services without session affinity.
	// +optional
	SctpLoadBalancer string `json:"sctpLoadBalancer"`
	// tcpSessionLoadBalancer is the name of the load balancer of TCP services with session affinity.
	// +optional
	TCPSessionLoadBalancer string `json:"tcpSessionLoadBalancer"`
	// udpSessionLoadBalancer is the name of the load balancer of UDP services with session affinity.
	// +optional
	UDPSessionLoadBalancer string `json:"udpSessionLoadBalancer"`
	// sctpSessionLoadBalancer is the name of the load balancer of SCTP services with session affinity.
	// +optional
	SctpSessionLoadBalancer string `json:"sctpSessionLoadBalancer"`
	// subnets are the names of the VPC's Subnets, ascending.
	// +optional
	// +listType=atomic
	Subnets []string `json:"subnets"`
	// vpcPeerings are the names of the VPCs with which the connection exists on this side, ascending.
	// +optional
	// +listType=atomic
	VpcPeerings []string `json:"vpcPeerings"`
	// enableExternal is true when the logical router has its port in the default external Subnet.
	// +optional
	EnableExternal bool `json:"enableExternal"`
	// extraExternalSubnets are the names of the further external Subnets in which the logical router has a port, ascending.
	// +optional
	// +listType=atomic
	ExtraExternalSubnets []string `json:"extraExternalSubnets"`
	// enableBfd is true when the external default routes are watched by BFD.
	// +optional
	EnableBfd bool `json:"enableBfd"`
	// bfdPort is the BFD port that exists.
	// +optional
	BFDPort BFDPortStatus `json:"bfdPort"`
	// routes are the static routes of the logical router that the server derived: to external gateways and for gateways of
	// Subnets. Together with spec.staticRoutes they are all its static routes.
	// +optional
	// +listType=atomic
	Routes []StaticRoute `json:"routes,omitempty"`
}

// BFDPortStatus is the observed state of a BFD port.
type BFDPortStatus struct {
	// name is the name of the logical router port, empty when there is none.
	// +optional
	Name string `json:"name,omitempty"`
	// ip is the address of the port.
	// +optional
	IP string `json:"ip,omitempty"`
	// nodes are the names of the nodes that may host the port, in the order of preference.
	// +optional
	// +listType=atomic
	Nodes []string `json:"nodes,omitempty"`
}
