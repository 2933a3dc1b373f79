package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-dnat-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnDnatRule forwards a port of an OvnEip to a port of an internal address.
type OvnDnatRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the name of the load balancer.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired forwarding.
	// +optional
	Spec OvnDnatRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status OvnDnatRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnDnatRuleList is a list of OvnDnatRules.
type OvnDnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the OvnDnatRules, in ascending order of their names.
	Items []OvnDnatRule `json:"items"`
}

// OvnDnatRuleSpec is the desired state of an OvnDnatRule. The internal address is named either by ipName or by vpc and
// v4Ip or v6Ip: both or neither is refused.
type OvnDnatRuleSpec struct {
	// ovnEip is the name of the OvnEip: one of type nat, or the one of type lrp of the VPC's own router port. Required.
	// Refused: one that does not exist, of another type or router, or in an external Subnet with which the VPC is not
	// connected.
	OvnEip string `json:"ovnEip"`
	// ipType says what ipName names: "" or ip (an IP), or vip (a Vip). Default: empty. Anything else is refused.
	// +optional
	IPType IPType `json:"ipType,omitempty"`
	// ipName is the name of the IP or Vip that receives the traffic. Refused: one that does not exist.
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
	// externalPort is the external port, as a decimal string, "1" to "65535". Required; anything else is refused.
	// So is a port of the OvnEip that another rule forwards for the same protocol.
	ExternalPort string `json:"externalPort"`
	// internalPort is the internal port, as a decimal string, "1" to "65535". Required; anything else is refused.
	InternalPort string `json:"internalPort"`
	// protocol is tcp or udp. Required; anything else is refused.
	Protocol string `json:"protocol"`
}

// OvnDnatRuleStatus is the observed state of an OvnDnatRule.
type OvnDnatRuleStatus struct {
	// conditions: Ready is true when the forwarding exists, and false with the reason TargetUnreachable when v4Ip or v6Ip is in
	// no Subnet of the Vpc any more.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the forwarding exists and its target is in a Subnet of the Vpc.
	// +optional
	Ready bool `json:"ready"`
	// vpc is the name of the Vpc whose router forwards.
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// v4Eip is the external IPv4 address.
	// +optional
	V4Eip string `json:"v4Eip,omitempty"`
	// v6Eip is the external IPv6 address.
	// +optional
	V6Eip string `json:"v6Eip,omitempty"`
	// externalPort is the external port.
	// +optional
	ExternalPort string `json:"externalPort,omitempty"`
	// v4Ip is the internal IPv4 address.
	// +optional
	V4IP string `json:"v4Ip,omitempty"`
	// v6Ip is the internal IPv6 address.
	// +optional
	V6IP string `json:"v6Ip,omitempty"`
	// internalPort is the internal port.
	// +optional
	InternalPort string `json:"internalPort,omitempty"`
	// protocol is the protocol that is forwarded.
	// +optional
	Protocol string `json:"protocol,omitempty"`
	// ipName is the name of the IP or Vip that receives the traffic.
	// +optional
	IPName string `json:"ipName,omitempty"`
}
