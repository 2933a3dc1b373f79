package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=chassis
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Chassis is a node of the overlay: where its tunnels end and whether it connects routers with the outside. The node's
// agent writes it.
type Chassis struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the name of the node.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the node's place in the overlay.
	// +optional
	Spec ChassisSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status ChassisStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ChassisList is a list of Chassis objects.
type ChassisList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Chassis objects, in ascending order of their names.
	Items []Chassis `json:"items"`
}

// ChassisSpec is a node's place in the overlay.
type ChassisSpec struct {
	// chassisID is the system-id of the node's Open vSwitch: the name of its row in the Southbound Chassis table. Required.
	// Refused: an identifier that another Chassis has.
	ChassisID string `json:"chassisID"`
	// hostname is the host name that the node gives to OVN. Default: the name of the object.
	// +optional
	Hostname string `json:"hostname,omitempty"`
	// encapIPs are the addresses at which the node's tunnels end, in the order of preference. At least one is required.
	// Refused: malformed addresses, and one that another Chassis has.
	// +listType=atomic
	EncapIPs []string `json:"encapIPs"`
	// encapType is the encapsulation of tunnels: geneve, vxlan or stt. Default: geneve. Anything else is refused.
	// +optional
	EncapType EncapType `json:"encapType,omitempty"`
	// nodeIPs are the addresses at which the node itself is reached (InternalIP of the Node), in the order of preference. Pods of
	// the default Vpc reach them through the node's port, and the node reaches pods from them. Default: none. Refused: malformed
	// addresses, one that is given twice, and one that another Chassis has.
	// +optional
	// +listType=atomic
	NodeIPs []string `json:"nodeIPs,omitempty"`
	// externalGateway says that router ports to external Subnets may be hosted on this node. Default: false.
	// +optional
	ExternalGateway bool `json:"externalGateway"`
}

// EncapType is the encapsulation of tunnels between nodes.
type EncapType string

const (
	// EncapGeneve is Geneve (RFC 8926).
	EncapGeneve EncapType = "geneve"
	// EncapVXLAN is VXLAN (RFC 7348).
	EncapVXLAN EncapType = "vxlan"
	// EncapSTT is STT; only with kernels that have the module.
	EncapSTT EncapType = "stt"
)

// ChassisReady is the type of the condition that says whether a Chassis takes part in the overlay.
const ChassisReady = "Ready"

// ChassisStatus is what the node's agent reports.
type ChassisStatus struct {
	// conditions: Ready is true while the agent reports, ovn-controller is connected, and the node's network is as it should be.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// heartbeatTime is when the agent last reported. When it stays away
	// for longer than the server is told to wait, Ready becomes Unknown and router ports move to other nodes.
	// +optional
	HeartbeatTime metav1.MicroTime `json:"heartbeatTime,omitzero"`
}
