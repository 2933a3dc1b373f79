package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=vpc-nat-gateways
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VpcNatGateway is a gateway pod between a Vpc and external Subnets. The Iptables kinds are its addresses and rules.
type VpcNatGateway struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired gateway.
	// +optional
	Spec VpcNatGatewaySpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status VpcNatGatewayStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VpcNatGatewayList is a list of VpcNatGateways.
type VpcNatGatewayList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the VpcNatGateways, in ascending order of their names.
	Items []VpcNatGateway `json:"items"`
}

// VpcNatGatewaySpec is the desired state of a VpcNatGateway.
type VpcNatGatewaySpec struct {
	// namespace is the namespace of the gateway's pods. Default: the controller's. Cannot be changed.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// vpc is the name of the Vpc. Required. Refused: one that does not exist. Cannot be changed.
	Vpc string `json:"vpc"`
	// subnet is the name of the Subnet in which the gateway has lanIp. Required. Refused: one that does not exist or is not
	// of the Vpc. Cannot be changed.
	Subnet string `json:"subnet"`
	// externalSubnets are the names of the Subnets of the gateway's external addresses; the first one has its default route.
	// Default: ovn-vpc-external-network. Refused: Subnets that do not exist.
	// +optional
	// +listType=atomic
	ExternalSubnets []string `json:"externalSubnets,omitempty"`
	// lanIp is the gateway's address in subnet: the next hop of the Vpc's routes. Required unless replicas is above 1.
	// Refused: an address outside the Subnet, excluded or taken.
	// +optional
	LanIP string `json:"lanIp,omitempty"`
	// replicas is the number of gateway pods, at least 1. Default: 1. Several share the traffic; each has its own address in
	// subnet. Refused: values below 1, and a change between one and several.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// selector selects the nodes that may host the gateway, each entry as "key: value"; a node must match all.
	// +optional
	// +listType=atomic
	Selector []string `json:"selector,omitempty"`
	// tolerations are the taints of nodes that the pods tolerate.
	// +optional
	// +listType=atomic
	Tolerations []Toleration `json:"tolerations,omitempty"`
	// affinity constrains the nodes that may host the pods.
	// +optional
	Affinity *Affinity `json:"affinity,omitempty"`
	// qosPolicy is the name of the policy that limits the bandwidth of the gateway. Default: none.
	// +optional
	QoSPolicy string `json:"qosPolicy,omitempty"`
	// bgpSpeaker announces the external addresses by BGP. Default: not announced.
	// +optional
	BgpSpeaker *VpcBgpSpeaker `json:"bgpSpeaker,omitempty"`
	// bfd watches the gateway pods by BFD. Default: not watched.
	// +optional
	BFD *VpcNatGatewayBFD `json:"bfd,omitempty"`
	// internalSubnets are the names of the Subnets of the Vpc whose traffic goes to a gateway of several pods.
	// +optional
	// +listType=set
	InternalSubnets []string `json:"internalSubnets,omitempty"`
	// internalCIDRs are the prefixes whose traffic goes to a gateway of several pods, besides internalSubnets.
	// +optional
	// +listType=set
	InternalCIDRs []string `json:"internalCIDRs,omitempty"`
	// routes are further routes of the pods.
	// +optional
	// +listType=atomic
	Routes []VpcNatGatewayRoute `json:"routes,omitempty"`
	// noDefaultEIP keeps the gateway from taking an external address before the first IptablesEIP. Default: false.
	// +optional
	NoDefaultEIP bool `json:"noDefaultEIP"`
	// annotations are added to the pods.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// VpcBgpSpeaker is the configuration of a gateway's BGP speaker.
type VpcBgpSpeaker struct {
	// enabled starts the speaker. Default: false.
	// +optional
	Enabled bool `json:"enabled"`
	// asn is the autonomous system number of the gateway, 1 to 4294967295. Required when enabled.
	// +optional
	ASN int64 `json:"asn,omitempty"`
	// remoteAsn is the autonomous system number of the neighbors, 1 to 4294967295. Required when enabled.
	// +optional
	RemoteASN int64 `json:"remoteAsn,omitempty"`
	// neighbors are the addresses of the neighbors. At least one is required when enabled.
	// +optional
	// +listType=set
	Neighbors []string `json:"neighbors,omitempty"`
	// holdTime is how long a silent neighbor is kept: at least 3s. Default: 90s.
	// +optional
	HoldTime *metav1.Duration `json:"holdTime,omitempty"`
	// routerId is the identifier of the speaker, written as an IPv4 address. Default: lanIp.
	// +optional
	RouterID string `json:"routerId,omitempty"`
	// password is the TCP MD5 password of the neighbors. Default: none. Whoever may read the object may read it.
	// +optional
	Password string `json:"password,omitempty"`
	// enableGracefulRestart keeps announced routes over a restart of the speaker (RFC 4724). Default: false.
	// +optional
	EnableGracefulRestart bool `json:"enableGracefulRestart"`
	// extraArgs are further arguments of the speaker's command line.
	// +optional
	// +listType=atomic
	ExtraArgs []string `json:"extraArgs,omitempty"`
}

// VpcNatGatewayBFD is the configuration of BFD between the Vpc's router and the gateway pods (RFC 5880).
type VpcNatGatewayBFD struct {
	// enabled starts the sessions. Default: false.
	// +optional
	Enabled bool `json:"enabled"`
	// minRX is the shortest interval between received packets, in milliseconds, 1 to 3600000. Default: 1000.
	// +optional
	MinRX int32 `json:"minRX,omitempty"`
	// minTX is the shortest interval between sent packets, in milliseconds, 1 to 3600000. Default: 1000.
	// +optional
	MinTX int32 `json:"minTX,omitempty"`
	// multiplier is the number of missed packets after which a pod counts as dead, 1 to 3600000. Default: 3.
	// +optional
	Multiplier int32 `json:"multiplier,omitempty"`
}

// VpcNatGatewayRoute is a route of a gateway's pods.
type VpcNatGatewayRoute struct {
	// cidr is the destination prefix. Required.
	CIDR string `json:"cidr"`
	// nextHopIP is the address of the next router, or the word "gateway" for the gateway of subnet. Required.
	NextHopIP string `json:"nextHopIP"`
}

// VpcNatGatewayStatus is the observed state of a VpcNatGateway.
type VpcNatGatewayStatus struct {
	// conditions: Ready is true when all pods of the gateway are programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when all pods of the gateway are programmed.
	// +optional
	Ready bool `json:"ready"`
	// replicas is the number of gateway pods.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// lanIp is the gateway's address in its Subnet; several are separated by commas.
	// +optional
	LanIP string `json:"lanIp,omitempty"`
	// qosPolicy is the name of the policy in effect.
	// +optional
	QoSPolicy string `json:"qosPolicy,omitempty"`
	// externalSubnets are the external Subnets in effect.
	// +optional
	// +listType=atomic
	ExternalSubnets []string `json:"externalSubnets,omitempty"`
	// selector is the node selector in effect.
	// +optional
	// +listType=atomic
	Selector []string `json:"selector,omitempty"`
	// tolerations are the tolerations in effect.
	// +optional
	// +listType=atomic
	Tolerations []Toleration `json:"tolerations,omitempty"`
	// affinity is the affinity in effect.
	// +optional
	Affinity *Affinity `json:"affinity,omitempty"`
	// workload is the object that runs the pods.
	// +optional
	Workload *VpcNatGatewayWorkload `json:"workload,omitempty"`
	// internalSubnets are the Subnets in effect.
	// +optional
	// +listType=atomic
	InternalSubnets []string `json:"internalSubnets,omitempty"`
	// internalCIDRs are the prefixes in effect.
	// +optional
	// +listType=atomic
	InternalCIDRs []string `json:"internalCIDRs,omitempty"`
}

// VpcNatGatewayWorkload names the object that runs a gateway's pods, and where they run.
type VpcNatGatewayWorkload struct {
	// apiVersion is the group and version of the object.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// kind is the kind of the object.
	// +optional
	Kind string `json:"kind,omitempty"`
	// name is the name of the object.
	// +optional
	Name string `json:"name,omitempty"`
	// nodes are the names of the nodes on which pods run.
	// +optional
	// +listType=atomic
	Nodes []string `json:"nodes,omitempty"`
}
