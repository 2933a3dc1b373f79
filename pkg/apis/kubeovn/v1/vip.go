package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +genclient:noStatus
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Vip is a reserved address of a Subnet that belongs to no interface of its own: it is only reserved, is carried by
// interfaces besides their own address (allowed address pairs), is used by one pod as its own address, or is the front
// end of a load balancer within the Subnet.
type Vip struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the name of the virtual logical switch port, where there is one.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired address.
	// +optional
	Spec VipSpec `json:"spec,omitempty"`
	// status is the address that was assigned. Written by the server only; the kind has no status subresource.
	// +optional
	Status VipStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VipList is a list of Vips.
type VipList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Vips, in ascending order of their names.
	Items []Vip `json:"items"`
}

// VipType is the use of a Vip.
type VipType string

const (
	// VipReserved is an address that is reserved, used by a pod, or carried by pods as an allowed address pair.
	VipReserved VipType = ""
	// VipSwitchLB is the front end of a load balancer whose clients or back ends are in the same Subnet.
	VipSwitchLB VipType = "switch_lb_vip"
	// VipKubeHostVM is the address of a virtual machine that hosts a nested cluster.
	VipKubeHostVM VipType = "kube_host_vm_vip"
)

// VipSpec is the desired state of a Vip. Subnet, type, addresses and MAC cannot be changed after creation: a change is
// refused.
type VipSpec struct {
	// namespace is the namespace of the pods that may carry the address: those that name the Vip in their annotation
	// ovn.kubernetes.io/aaps. Required with selector. Default: none, no pod carries it.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// subnet is the name of the Subnet to which the address belongs. Required; refused when it does not exist or is being
	// deleted.
	Subnet string `json:"subnet"`
	// type is the use: empty (reserved, or carried by pods), switch_lb_vip (front end of a load balancer; answers with the
	// MAC of the Subnet's gateway) or kube_host_vm_vip. Default: empty. Anything else is refused.
	// +optional
	Type VipType `json:"type"`
	// v4ip is the IPv4 address. Default: the next free address of the Subnet. Refused: an address outside the Subnet,
	// excluded or taken.
	// +optional
	V4ip string `json:"v4ip,omitempty"`
	// v6ip is the IPv6 address. Default and refusals as for v4ip.
	// +optional
	V6ip string `json:"v6ip,omitempty"`
	// macAddress is the MAC. Default: allocated; for switch_lb_vip the MAC of the Subnet's router port. Refused: malformed
	// and multicast MACs.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
	// selector selects the pods that may carry the address, each entry as "key: value"; a pod must match all, be in
	// namespace, and name the Vip in its annotation ovn.kubernetes.io/aaps. Default: every pod of namespace that names it.
	// +optional
	// +listType=atomic
	Selector []string `json:"selector,omitempty"`
	// attachSubnets are the names of further Subnets; kept as given.
	// +optional
	// +listType=atomic
	AttachSubnets []string `json:"attachSubnets,omitempty"`
}

// VipStatus is the observed state of a Vip.
type VipStatus struct {
	// conditions: Ready is true when the address is assigned and, where one is needed, its port exists.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is true when the address is assigned and, where one is needed, its port exists.
	// +optional
	Ready bool `json:"ready"`
	// type is the use that is in effect.
	// +optional
	Type VipType `json:"type,omitempty"`
	// v4ip is the assigned IPv4 address.
	// +optional
	V4ip string `json:"v4ip,omitempty"`
	// v6ip is the assigned IPv6 address.
	// +optional
	V6ip string `json:"v6ip,omitempty"`
	// mac is the assigned MAC.
	// +optional
	Mac string `json:"mac,omitempty"`
	// selector is the selector in effect.
	// +optional
	// +listType=atomic
	Selector []string `json:"selector,omitempty"`
}
