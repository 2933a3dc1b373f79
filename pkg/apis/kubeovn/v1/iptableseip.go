package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-eips
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesEIP is an external address of a VpcNatGateway.
type IptablesEIP struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired address.
	// +optional
	Spec IptablesEIPSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status IptablesEIPStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesEIPList is a list of IptablesEIPs.
type IptablesEIPList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IptablesEIPs, in ascending order of their names.
	Items []IptablesEIP `json:"items"`
}

// IptablesEIPSpec is the desired state of an IptablesEIP. Gateway, external Subnet, addresses and MAC cannot be changed
// after creation: a change is refused.
type IptablesEIPSpec struct {
	// v4ip is the IPv4 address. Default: the next free address of the external Subnet. Refused: an address outside the
	// external Subnet, excluded or taken.
	// +optional
	V4ip string `json:"v4ip,omitempty"`
	// v6ip is the IPv6 address. Default and refusals as for v4ip.
	// +optional
	V6ip string `json:"v6ip,omitempty"`
	// macAddress is the MAC. Default: allocated. Refused: malformed and multicast MACs.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
	// natGwDp is the name of the VpcNatGateway. Required. Refused: one that does not exist.
	NatGwDp string `json:"natGwDp"`
	// qosPolicy is the name of the policy that limits the bandwidth of the address. Default: none.
	// +optional
	QoSPolicy string `json:"qosPolicy,omitempty"`
	// externalSubnet is the name of the Subnet from which the address comes. Default: ovn-vpc-external-network. Refused: a
	// Subnet that is not one of the gateway's externalSubnets.
	// +optional
	ExternalSubnet string `json:"externalSubnet,omitempty"`
	// namespace is the namespace of the gateway's pods. Completed from the gateway.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// IptablesEIPStatus is the observed state of an IptablesEIP.
type IptablesEIPStatus struct {
	// conditions: Ready is true when the gateway has the address.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the gateway has the address.
	// +optional
	Ready bool `json:"ready"`
	// ip is the assigned address.
	// +optional
	IP string `json:"ip,omitempty"`
	// nat lists the kinds of NAT rules that use the address, ascending and separated by commas: of dnat, fip and snat.
	// +optional
	Nat string `json:"nat,omitempty"`
	// redo is when the address was last given anew to a restarted gateway, as "2006-01-02T15:04:05".
	// +optional
	Redo string `json:"redo,omitempty"`
	// qosPolicy is the name of the policy in effect.
	// +optional
	QoSPolicy string `json:"qosPolicy,omitempty"`
}
