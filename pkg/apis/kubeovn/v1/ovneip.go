package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-eips
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnEip is an address of an external Subnet that is used by NAT rules of logical routers, by a router's port, or by a
// gateway node.
type OvnEip struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name of an OvnEip of type lrp is the name of the router
	// port, "<vpc>-<subnet>".
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired address.
	// +optional
	Spec OvnEipSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status OvnEipStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// OvnEipList is a list of OvnEips.
type OvnEipList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the OvnEips, in ascending order of their names.
	Items []OvnEip `json:"items"`
}

// OvnEipType is the use of an OvnEip.
type OvnEipType string

const (
	// OvnEipNat is an address for NAT rules.
	OvnEipNat OvnEipType = "nat"
	// OvnEipLrp is the address of a router's port in the external Subnet.
	OvnEipLrp OvnEipType = "lrp"
	// OvnEipLsp is the address of a gateway node's interface in the external Subnet; the object has the node's name.
	OvnEipLsp OvnEipType = "lsp"
)

// OvnEipSpec is the desired state of an OvnEip. External Subnet, addresses, MAC and type cannot be changed after
// creation: a change is refused.
type OvnEipSpec struct {
	// externalSubnet is the name of the Subnet from which the address comes. Default: the server's default external Subnet.
	// Refused: a Subnet that does not exist, is being deleted, or has no vlan.
	// +optional
	ExternalSubnet string `json:"externalSubnet,omitempty"`
	// v4Ip is the IPv4 address. Default: the next free address of the Subnet; the field stays empty then, and status.v4Ip
	// has the address. Refused: an address outside the Subnet, excluded or taken.
	// +optional
	V4IP string `json:"v4Ip,omitempty"`
	// v6Ip is the IPv6 address. Default and refusals as for v4Ip.
	// +optional
	V6IP string `json:"v6Ip,omitempty"`
	// macAddress is the MAC. Default: allocated. Refused: malformed and multicast MACs.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
	// type is the use: nat (NAT rules), lrp (a router's port) or lsp (a gateway node's interface). Default: nat. Anything else
	// is refused.
	// +optional
	Type OvnEipType `json:"type,omitempty"`
}

// OvnEipStatus is the observed state of an OvnEip.
type OvnEipStatus struct {
	// conditions: Ready is true when the address is assigned and, for lrp and lsp, its port exists.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// type is the use that is in effect.
	// +optional
	Type OvnEipType `json:"type,omitempty"`
	// nat lists the kinds of NAT rules that use the address, ascending and separated by commas: of dnat, fip and snat.
	// +optional
	Nat string `json:"nat,omitempty"`
	// ready is true when the address is assigned and, for lrp and lsp, its port exists.
	// +optional
	Ready bool `json:"ready"`
	// v4Ip is the assigned IPv4 address.
	// +optional
	V4IP string `json:"v4Ip,omitempty"`
	// v6Ip is the assigned IPv6 address.
	// +optional
	V6IP string `json:"v6Ip,omitempty"`
	// macAddress is the assigned MAC.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
}
