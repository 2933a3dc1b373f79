package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Vlan is a VLAN of a ProviderNetwork, in which underlay Subnets are.
type Vlan struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired VLAN.
	// +optional
	Spec VlanSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status VlanStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VlanList is a list of Vlans.
type VlanList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Vlans, in ascending order of their names.
	Items []Vlan `json:"items"`
}

// VlanSpec is the desired state of a Vlan.
type VlanSpec struct {
	// id is the VLAN identifier, 0 to 4095; 0 means untagged. Anything else is refused, and so is an id that another Vlan of
	// the provider has. Cannot be changed.
	// +optional
	ID int32 `json:"id"`
	// provider is the name of the ProviderNetwork. Required. Refused: one that does not exist. Cannot be changed.
	Provider string `json:"provider"`
	// vlanId is the former name of id: when id is 0 it is completed from it. Refused when both are given and differ.
	// +optional
	VlanID int32 `json:"vlanId,omitempty"`
	// providerInterfaceName is a former field without effect; kept as given.
	// +optional
	ProviderInterfaceName string `json:"providerInterfaceName,omitempty"`
}

// VlanStatus is the observed state of a Vlan.
type VlanStatus struct {
	// subnets are the names of the Subnets in the VLAN, ascending.
	// +optional
	// +listType=atomic
	Subnets []string `json:"subnets,omitempty"`
	// conflict is true when another Vlan of the provider has the same id. Always false where the server refuses such a Vlan.
	// +optional
	Conflict bool `json:"conflict"`
	// conditions: Ready is true when the VLAN can be used.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
