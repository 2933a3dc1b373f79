package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +genclient:onlyVerbs=create
// +genclient:noStatus
// +resourceName=podinterfaces
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// PodInterfaces creates the IPs of all interfaces of one pod in one request: all of them or none. It is a request, not an
// object: it can only be created, nothing is stored under its name, and the answer is the request with its status.
//
// Repeating the request is safe. Interfaces that exist already for the same pod (by UID) are answered as they are. Those of a
// former pod of the same name are taken over, with their addresses, where podType keeps these or where they were reserved
// without a pod; otherwise the request is refused (409) until they are deleted. Whatever would refuse one of the IPs refuses
// the request.
type PodInterfaces struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata; it may be left out. Labels and annotations are given to the created IPs.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the pod and its interfaces.
	Spec PodInterfacesSpec `json:"spec"`
	// status is what was created. Ignored in requests.
	// +optional
	Status PodInterfacesStatus `json:"status,omitempty"`
}

// PodInterfacesSpec is a pod and the interfaces it shall have.
type PodInterfacesSpec struct {
	// podName is the name of the pod, or of the virtual machine whose address shall be kept. Required.
	PodName string `json:"podName"`
	// podNamespace is the namespace of the pod. Required.
	PodNamespace string `json:"podNamespace"`
	// podUID is the UID of the pod. Required.
	PodUID string `json:"podUID"`
	// podType is empty, VirtualMachine or StatefulSet; as in the spec of an IP.
	// +optional
	PodType PodType `json:"podType,omitempty"`
	// nodeName is the name of the node on which the pod is. Required; a node's agent may name only its own.
	NodeName string `json:"nodeName"`
	// containerID is the identifier of the pod's sandbox at the container runtime. For humans.
	// +optional
	ContainerID string `json:"containerID,omitempty"`
	// interfaces are the interfaces, 1 to 32. Refused: two of one name.
	// +listType=atomic
	Interfaces []PodInterface `json:"interfaces"`
}

// PodInterface is one interface of a pod.
type PodInterface struct {
	// name is the name of the IP. Default: "<podName>.<podNamespace>" when the Subnet's provider is ovn,
	// "<podName>.<podNamespace>.<provider>" otherwise.
	// +optional
	Name string `json:"name,omitempty"`
	// subnet is the name of the Subnet. Required unless vip is given, whose Subnet is the default.
	// +optional
	Subnet string `json:"subnet,omitempty"`
	// ipAddress is the address, "v4,v6" in a dual-stack Subnet. Default: allocated. Refusals as for an IP.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// macAddress is the MAC. Default: allocated. Refusals as for an IP.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
	// vip is the name of the Vip whose address the interface uses as its own. Default: none.
	// +optional
	Vip string `json:"vip,omitempty"`
	// aaps are the names of the Vips whose addresses the interface may use besides its own. Vips of other Subnets are left
	// out: one list serves all interfaces of a pod.
	// +optional
	// +listType=set
	AAPs []string `json:"aaps,omitempty"`
	// securityGroups are the names of the security groups of the interface. Default: none.
	// +optional
	// +listType=set
	SecurityGroups []string `json:"securityGroups,omitempty"`
}

// CauseHeld is the type of a cause in the refusal (422) of PodInterfaces: what the interface that the cause's field names asks for is
// held by another object that may let it go: the IP of a pod, or a Vip that is being deleted. The message is its
// "<resource>/<name>", such as "ips/web-0.default". The request may succeed when that object is gone.
const CauseHeld metav1.CauseType = "FieldValueHeld"

// PodInterfacesStatus is what was created.
type PodInterfacesStatus struct {
	// interfaces are the pod's interfaces, in the order of the request.
	// +optional
	// +listType=atomic
	Interfaces []PodInterfaceStatus `json:"interfaces,omitempty"`
}

// PodInterfaceStatus is an interface with all that a node needs to plug it.
type PodInterfaceStatus struct {
	// name is the name of the IP and of its logical switch port.
	Name string `json:"name"`
	// spec is the spec of the IP: its addresses and its MAC.
	Spec IPSpec `json:"spec"`
	// provider is the provider of the Subnet: interfaces of providers other than ovn and "<nad>.<namespace>.ovn" are not
	// plugged into the overlay.
	Provider string `json:"provider"`
	// cidrBlock is the prefix of the Subnet, "v4,v6" for both families.
	CIDRBlock string `json:"cidrBlock"`
	// gateway is the address to which the interface sends what leaves the Subnet, per family as in cidrBlock: the Subnet's
	// gateway, or with u2oInterconnection the address of the Vpc's router.
	// +optional
	Gateway string `json:"gateway,omitempty"`
	// mtu is the largest packet in bytes, 0 when the node decides.
	// +optional
	Mtu int32 `json:"mtu,omitempty"`
}
