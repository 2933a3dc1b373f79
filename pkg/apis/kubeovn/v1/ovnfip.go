package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-fips
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnFip is a floating address: an OvnEip that stands for one internal address, in both directions.
type OvnFip struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired translation.
	// +optional
	Spec OvnFipSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status OvnFipStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnFipList is a list of OvnFips.
type OvnFipList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the OvnFips, in ascending order of their names.
	Items []OvnFip `json:"items"`
}

// IPType says what kind of object a NAT rule's ipName names.
type IPType string

const (
	// IPTypeIP names an IP; so does the empty value.
	IPTypeIP IPType = "ip"
	// IPTypeVip names a Vip.
	IPTypeVip IPType = "vip"
)

// OvnFipSpec is the desired state of an OvnFip. The internal address is named either by ipName or by vpc and v4Ip or v6Ip:
// both or neither is refused.
type OvnFipSpec struct {
	// ovnEip is the name of the OvnEip. Required. Refused: one that does not exist, is not of type nat, is in an external
	// Subnet with which the VPC is not connected, or is used by another OvnFip.
	OvnEip string `json:"ovnEip"`
	// ipType says what ipName names: "" or ip (an IP), or vip (a Vip). Default: empty. Anything else is refused.
	// +optional
	IPType IPType `json:"ipType,omitempty"`
	// ipName is the name of the IP or Vip whose address is translated. Refused: one that does not exist.
	// +optional
	IPName string `json:"ipName,omitempty"`
	// vpc is the name of the Vpc of an internal address that is given by v4Ip or v6Ip. With ipName it is that object's.
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// v4Ip is the internal IPv4 address, of a Subnet of vpc. Refused together with ipName, and when no interface can have it: the
	// network, broadcast and gateway addresses of Subnets. The Subnet is not held: without it the rule is not ready.
	// +optional
	V4IP string `json:"v4Ip,omitempty"`
	// v6Ip is the internal IPv6 address, within vpc. Refused together with ipName.
	// +optional
	V6IP string `json:"v6Ip,omitempty"`
	// type is where the address is translated: distributed (on the node of the interface) or centralized (on the gateway
	// node). Default: the server's setting. Anything else is refused.
	// +optional
	Type string `json:"type,omitempty"`
}

// OvnFipStatus is the observed state of an OvnFip.
type OvnFipStatus struct {
	// conditions: Ready is true when the translation exists, and false with the reason TargetUnreachable when v4Ip or v6Ip is in
	// no Subnet of the Vpc any more.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the translation exists and its target is in a Subnet of the Vpc.
	// +optional
	Ready bool `json:"ready"`
	// vpc is the name of the Vpc whose router translates.
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// v4Eip is the external IPv4 address.
	// +optional
	V4Eip string `json:"v4Eip,omitempty"`
	// v6Eip is the external IPv6 address.
	// +optional
	V6Eip string `json:"v6Eip,omitempty"`
	// v4Ip is the internal IPv4 address.
	// +optional
	V4IP string `json:"v4Ip,omitempty"`
	// v6Ip is the internal IPv6 address.
	// +optional
	V6IP string `json:"v6Ip,omitempty"`
	// macAddress is the MAC that answers for the external address where it is translated distributed.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
}
