package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-snat-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnSnatRule gives a Subnet, an interface or a prefix an OvnEip as source address of what it sends to the outside.
type OvnSnatRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired translation.
	// +optional
	Spec OvnSnatRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status OvnSnatRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnSnatRuleList is a list of OvnSnatRules.
type OvnSnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the OvnSnatRules, in ascending order of their names.
	Items []OvnSnatRule `json:"items"`
}

// OvnSnatRuleSpec is the desired state of an OvnSnatRule. One of vpcSubnet, ipName, and vpc with v4IpCidr or v6IpCidr says
// what is translated: none is refused, and so are vpcSubnet and ipName together.
type OvnSnatRuleSpec struct {
	// ovnEip is the name of the OvnEip: one of type nat, or the one of type lrp of the VPC's own router port. Required.
	// Refused: one that does not exist, of another type or router, or in an external Subnet with which the VPC is not
	// connected.
	OvnEip string `json:"ovnEip"`
	// vpcSubnet is the name of the Subnet whose addresses are translated. Refused: one that does not exist.
	// +optional
	VpcSubnet string `json:"vpcSubnet,omitempty"`
	// ipName is the name of the IP whose address is translated. Refused: one that does not exist.
	// +optional
	IPName string `json:"ipName,omitempty"`
	// vpc is the name of the Vpc of v4IpCidr and v6IpCidr. Otherwise it follows from vpcSubnet or ipName.
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// v4IpCidr is an IPv4 prefix or address within a Subnet of vpc. The Subnet is not held: without it the rule is not ready.
	// Beside vpcSubnet or ipName it must be what these have.
	// +optional
	V4IPCidr string `json:"v4IpCidr,omitempty"`
	// v6IpCidr is an IPv6 prefix or address within vpc. Beside vpcSubnet or ipName it must be what these have.
	// +optional
	V6IPCidr string `json:"v6IpCidr,omitempty"`
}

// OvnSnatRuleStatus is the observed state of an OvnSnatRule.
type OvnSnatRuleStatus struct {
	// conditions: Ready is true when the translation exists, and false with the reason TargetUnreachable when what it
	// translates is in no Subnet of the Vpc any more.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the translation exists and what it translates is in a Subnet of the Vpc.
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
	// v4IpCidr is the IPv4 prefix or address that is translated.
	// +optional
	V4IPCidr string `json:"v4IpCidr,omitempty"`
	// v6IpCidr is the IPv6 prefix or address that is translated.
	// +optional
	V6IPCidr string `json:"v6IpCidr,omitempty"`
}
