package v1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IP is a network interface's place in a Subnet: its addresses, its MAC and the logical switch port that carries them.
// The object is complete when the create request returns: the addresses are allocated and the port exists. Deleting it
// releases both.
type IP struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the name of the logical switch port:
	// "<pod>.<namespace>" for a pod's first interface, "<pod>.<namespace>.<provider>" for others, "node-<node>" for nodes.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the interface.
	// +optional
	Spec IPSpec `json:"spec,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// IPList is a list of IPs.
type IPList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IPs, in ascending order of their names.
	Items []IP `json:"items"`
}

// PodType says what kind of workload an interface belongs to, and so how long its address is kept.
type PodType string

const (
	// PodTypeVirtualMachine keeps the address as long as the virtual machine exists, over restarts and migrations.
	PodTypeVirtualMachine PodType = "VirtualMachine"
	// PodTypeStatefulSet keeps the address as long as the StatefulSet has the ordinal.
	PodTypeStatefulSet PodType = "StatefulSet"
)

// IPSpec is the desired interface. Subnet, addresses, MAC, pod and namespace cannot be changed after creation: a change
// is refused.
type IPSpec struct {
	// podName is the name of the pod (or of the virtual machine) that owns the interface. Empty for nodes and for addresses
	// that are only reserved.
	// +optional
	PodName string `json:"podName,omitempty"`
	// namespace is the namespace of the pod. Required when podName is given.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// podUID is the UID of the pod for which the interface exists now: a pod of the same name with another UID takes the
	// interface over. Default: empty, unknown.
	// +optional
	PodUID string `json:"podUID,omitempty"`
	// podType is empty for ordinary pods, VirtualMachine or StatefulSet for those that keep their address over the death of
	// the pod. Anything else is refused.
	// +optional
	PodType PodType `json:"podType,omitempty"`
	// containerID is the identifier of the pod's sandbox at the container runtime. For humans.
	// +optional
	ContainerID string `json:"containerID,omitempty"`
	// nodeName is the name of the node on which the interface is, or is expected. Empty when it is on none. A node's agent
	// may write only the IPs of its own node.
	// +optional
	NodeName string `json:"nodeName,omitempty"`
	// subnet is the name of the Subnet. Required; refused when it does not exist, is being deleted, or belongs to a Vpc that
	// does not admit the pod's namespace. Cannot be changed.
	Subnet string `json:"subnet"`
	// attachSubnets are the names of the Subnets of the pod's further interfaces. Kept as given: further interfaces are IP
	// objects of their own.
	// +optional
	// +listType=atomic
	AttachSubnets []string `json:"attachSubnets,omitempty"`
	// ipAddress is the address, "v4,v6" in a dual-stack Subnet. Default: the next free address of each family. What is
	// written stays as it is: the address of a family that it lacks is in v4IpAddress or v6IpAddress. Refused: an address
	// outside the Subnet, excluded, taken, or unlike v4IpAddress/v6IpAddress.
	// +optional
	IPAddress string `json:"ipAddress,omitempty"`
	// v4IpAddress is the IPv4 address; same as the IPv4 part of ipAddress, and completed from it.
	// +optional
	V4IPAddress string `json:"v4IpAddress,omitempty"`
	// v6IpAddress is the IPv6 address; same as the IPv6 part of ipAddress, and completed from it.
	// +optional
	V6IPAddress string `json:"v6IpAddress,omitempty"`
	// attachIps are the addresses of the pod's further interfaces. Kept as given.
	// +optional
	// +listType=atomic
	AttachIPs []string `json:"attachIps,omitempty"`
	// macAddress is the MAC of the interface. Default: allocated. Refused: multicast and malformed MACs, and one that
	// another interface of the Subnet has.
	// +optional
	MacAddress string `json:"macAddress,omitempty"`
	// attachMacs are the MACs of the pod's further interfaces. Kept as given.
	// +optional
	// +listType=atomic
	AttachMacs []string `json:"attachMacs,omitempty"`
	// vip is the name of the Vip whose address this interface uses as its own. Default: none. Refused: a Vip of another
	// Subnet, one that another IP uses, and one whose address differs from ipAddress.
	// +optional
	Vip string `json:"vip,omitempty"`
	// vips are the names of the Vips whose addresses this interface may use besides its own (allowed address pairs): it
	// becomes a virtual parent of each. Default: none. Refused: Vips of another Subnet.
	// +optional
	// +listType=set
	Vips []string `json:"vips,omitempty"`
	// securityGroups are the names of the security groups of the interface. Default: none. Refused by servers that serve no
	// security groups.
	// +optional
	// +listType=set
	SecurityGroups []string `json:"securityGroups,omitempty"`
}

// Addresses returns the address of each family as "v4,v6", whichever of the three fields has it; empty when there is none. Of an IP
// that is stored these are all its addresses, while ipAddress may be what a user wrote: one family of two, or IPv6 first.
func (s *IPSpec) Addresses() string {
	v4, v6 := s.V4IPAddress, s.V6IPAddress
	for part := range strings.SplitSeq(s.IPAddress, ",") {
		if strings.Contains(part, ":") {
			setDefault(&v6, part)
		} else {
			setDefault(&v4, part)
		}
	}
	return strings.Trim(v4+","+v6, ",")
}
