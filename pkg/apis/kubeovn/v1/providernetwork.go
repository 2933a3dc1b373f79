package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=provider-networks
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ProviderNetwork is a physical network: the interface, on each node, that is connected with it.
type ProviderNetwork struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name has at most 12 characters, because the bridge on
	// the nodes is "br-<name>".
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired connection.
	// +optional
	Spec ProviderNetworkSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status ProviderNetworkStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ProviderNetworkList is a list of ProviderNetworks.
type ProviderNetworkList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the ProviderNetworks, in ascending order of their names.
	Items []ProviderNetwork `json:"items"`
}

// ProviderNetworkSpec is the desired state of a ProviderNetwork.
type ProviderNetworkSpec struct {
	// defaultInterface is the name of the interface on nodes that customInterfaces does not name: at most 15 characters,
	// no slash and no blank. Required.
	DefaultInterface string `json:"defaultInterface"`
	// customInterfaces are the names of the interface on particular nodes. Refused: a node that occurs twice.
	// +optional
	// +listType=map
	// +listMapKey=interface
	CustomInterfaces []CustomInterface `json:"customInterfaces,omitempty"`
	// nodeSelector selects the nodes that are connected. Default: all nodes.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
	// excludeNodes are the names of nodes that are not connected. They win over nodeSelector.
	// +optional
	// +listType=set
	ExcludeNodes []string `json:"excludeNodes,omitempty"`
	// exchangeLinkName gives the bridge the name of the interface, and the interface the name of the bridge. Default: false.
	// +optional
	ExchangeLinkName bool `json:"exchangeLinkName"`
	// autoCreateVlanSubinterfaces creates the interface on the node when its name is "<parent>.<vlan id>" and it is missing.
	// Default: false.
	// +optional
	AutoCreateVlanSubinterfaces bool `json:"autoCreateVlanSubinterfaces"`
	// preserveVlanInterfaces keeps the VLAN interfaces that the node has on top of the interface working. Default: false.
	// +optional
	PreserveVlanInterfaces bool `json:"preserveVlanInterfaces"`
	// vlanInterfaces are the names of VLAN interfaces, as "eth0.10", to keep. Default: those that the node has. Refused:
	// names of another form.
	// +optional
	// +listType=set
	VlanInterfaces []string `json:"vlanInterfaces,omitempty"`
}

// CustomInterface is the interface of particular nodes.
type CustomInterface struct {
	// interface is the name of the interface. Required; limits as for defaultInterface.
	Interface string `json:"interface"`
	// nodes are the names of the nodes. At least one is required.
	// +listType=set
	Nodes []string `json:"nodes"`
}

// ProviderNetworkStatus is the observed state of a ProviderNetwork.
type ProviderNetworkStatus struct {
	// ready is true when all its nodes are connected.
	// +optional
	Ready bool `json:"ready"`
	// readyNodes are the names of the nodes that are connected.
	// +optional
	// +listType=set
	ReadyNodes []string `json:"readyNodes,omitempty"`
	// notReadyNodes are the names of the nodes that should be connected and are not.
	// +optional
	// +listType=set
	NotReadyNodes []string `json:"notReadyNodes,omitempty"`
	// vlans are the names of the Vlans of the network, ascending.
	// +optional
	// +listType=atomic
	Vlans []string `json:"vlans,omitempty"`
	// conditions tell, for each node, whether it is connected and why not.
	// +optional
	// +listType=map
	// +listMapKey=node
	// +listMapKey=type
	Conditions []ProviderNetworkCondition `json:"conditions,omitempty"`
}

// Condition returns the condition of a node and a type; nil when there is none.
func (s *ProviderNetworkStatus) Condition(node, kind string) *ProviderNetworkCondition {
	for i, c := range s.Conditions {
		if c.Node == node && c.Type == kind {
			return &s.Conditions[i]
		}
	}
	return nil
}

// ProviderNetworkCondition is a condition of one node.
type ProviderNetworkCondition struct {
	// node is the name of the node.
	Node string `json:"node"`
	// type is Connected or Ready. A node that is connected is ready when its labels say so, too, by which pods are scheduled
	// ("<network>.provider-network.kubernetes.io/...").
	Type string `json:"type"`
	// status is True, False or Unknown.
	Status metav1.ConditionStatus `json:"status"`
	// reason is a CamelCase word for programs.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message is a sentence for humans.
	// +optional
	Message string `json:"message,omitempty"`
	// mtu is that of the node's interface, in bytes, with type Connected; 0 when it is not known.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// lastUpdateTime is when the node last said so.
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitzero"`
	// lastTransitionTime is when status last changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitzero"`
}
