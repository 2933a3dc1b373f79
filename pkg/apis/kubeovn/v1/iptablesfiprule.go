package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-fip-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesFIPRule is a floating address at a VpcNatGateway: an IptablesEIP that stands for one internal address, in both
// directions.
type IptablesFIPRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired translation.
	// +optional
	Spec IptablesFIPRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status IptablesFIPRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesFIPRuleList is a list of IptablesFIPRules.
type IptablesFIPRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IptablesFIPRules, in ascending order of their names.
	Items []IptablesFIPRule `json:"items"`
}

// IptablesFIPRuleSpec is the desired state of an IptablesFIPRule.
type IptablesFIPRuleSpec struct {
	// eip is the name of the IptablesEIP. Required. Refused: one that does not exist, and one that another
	// IptablesFIPRule uses.
	EIP string `json:"eip"`
	// internalIp is the internal IPv4 address. Required. Refused: an address outside the Subnets of the gateway's Vpc.
	InternalIP string `json:"internalIp"`
}

// IptablesFIPRuleStatus is the observed state of an IptablesFIPRule.
type IptablesFIPRuleStatus struct {
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
	// internalIp is the internal address in effect.
	// +optional
	InternalIP string `json:"internalIp,omitempty"`
}
