package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-snat-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesSnatRule gives an internal prefix an IptablesEIP as source address of what it sends to the outside through a
// VpcNatGateway.
type IptablesSnatRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired translation.
	// +optional
	Spec IptablesSnatRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status IptablesSnatRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IptablesSnatRuleList is a list of IptablesSnatRules.
type IptablesSnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IptablesSnatRules, in ascending order of their names.
	Items []IptablesSnatRule `json:"items"`
}

// IptablesSnatRuleSpec is the desired state of an IptablesSnatRule.
type IptablesSnatRuleSpec struct {
	// eip is the name of the IptablesEIP. Required. Refused: one that does not exist.
	EIP string `json:"eip"`
	// internalCIDR is the internal IPv4 prefix; of overlapping ones the longest wins. Required. Refused: a prefix outside the
	// Subnets of the gateway's Vpc.
	InternalCIDR string `json:"internalCIDR"`
}

// IptablesSnatRuleStatus is the observed state of an IptablesSnatRule.
type IptablesSnatRuleStatus struct {
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
	// internalCIDR is the internal prefix in effect.
	// +optional
	InternalCIDR string `json:"internalCIDR,omitempty"`
}
