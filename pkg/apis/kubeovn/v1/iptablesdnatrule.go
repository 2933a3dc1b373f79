package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-dnat-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesDnatRule forwards a port of an IptablesEIP to a port of an internal address.
type IptablesDnatRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired forwarding.
	// +optional
	Spec IptablesDnatRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status IptablesDnatRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesDnatRuleList is a list of IptablesDnatRules.
type IptablesDnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IptablesDnatRules, in ascending order of their names.
	Items []IptablesDnatRule `json:"items"`
}

// DnatType says whether several rules may forward the same external port.
type DnatType string

const (
	// DnatExclusive is the only rule of its external port.
	DnatExclusive DnatType = "exclusive"
	// DnatShare shares its external port with other rules of this type: connections are distributed over them.
	DnatShare DnatType = "share"
)

// IptablesDnatRuleSpec is the desired state of an IptablesDnatRule.
type IptablesDnatRuleSpec struct {
	// eip is the name of the IptablesEIP. Required. Refused: one that does not exist.
	EIP string `json:"eip"`
	// externalPort is the external port, as a decimal string, "1" to "65535". Required; anything else is refused.
	ExternalPort string `json:"externalPort"`
	// protocol is tcp or udp. Required; anything else is refused.
	Protocol string `json:"protocol"`
	// internalIp is the internal IPv4 address. Required. Refused: an address outside the Subnets of the gateway's Vpc.
	InternalIP string `json:"internalIp"`
	// internalPort is the internal port, as a decimal string, "1" to "65535". Required; anything else is refused.
	InternalPort string `json:"internalPort"`
	// type is exclusive (the external port is this rule's alone) or share (connections are distributed over all rules of the
	// port that share it). Default: exclusive. Refused: anything else, and a rule that mixes with those of the port.
	// +optional
	Type DnatType `json:"type,omitempty"`
}

// IptablesDnatRuleStatus is the observed state of an IptablesDnatRule.
type IptablesDnatRuleStatus struct {
	// conditions: Ready is true when the gateway applies the rule.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the gateway applies the rule.
	// +optional
	Ready bool `json:"ready"`
	// v4ip is the external IPv4 address.
	// +optional
	V4ip string `json:"v4ip,omitempty"`
	// v6ip is the external IPv6 address.
	// +optional
	V6ip string `json:"v6ip,omitempty"`
	// natGwDp is the name of the VpcNatGateway that applies the rule.
	// +optional
	NatGwDp string `json:"natGwDp,omitempty"`
	// redo is when the rule was last applied anew after a restart of the gateway, as "2006-01-02T15:04:05".
	// +optional
	Redo string `json:"redo,omitempty"`
	// protocol is the protocol in effect.
	// +optional
	Protocol string `json:"protocol,omitempty"`
	// internalIp is the internal address in effect.
	// +optional
	InternalIP string `json:"internalIp,omitempty"`
	// internalPort is the internal port in effect.
	// +optional
	InternalPort string `json:"internalPort,omitempty"`
	// externalPort is the external port in effect.
	// +optional
	ExternalPort string `json:"externalPort,omitempty"`
	// type is the type in effect.
	// +optional
	Type DnatType `json:"type,omitempty"`
}
