package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=vpc-dnses
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VpcDns is a DNS server for the pods of a Vpc that resolves the cluster's services. Of several in one Vpc one is active;
// when it is deleted another takes over.
type VpcDns struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired DNS server.
	// +optional
	Spec VpcDnsSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status VpcDnsStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// VpcDnsList is a list of VpcDnses.
type VpcDnsList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the VpcDnses, in ascending order of their names.
	Items []VpcDns `json:"items"`
}

// VpcDnsSpec is the desired state of a VpcDns.
type VpcDnsSpec struct {
	// vpc is the name of the Vpc. Required. Refused: one that does not exist. Cannot be changed.
	Vpc string `json:"vpc"`
	// subnet is the name of the Subnet in which the server has its address. Required. Refused: one that does not exist or
	// is not of the Vpc.
	Subnet string `json:"subnet"`
	// replicas is the number of servers, 1 to 3. Default: 0, as the template says. Anything else is refused.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// corefile is the name of the ConfigMap with the server's configuration. Default: vpc-dns-corefile.
	// +optional
	Corefile string `json:"corefile,omitempty"`
}

// VpcDnsStatus is the observed state of a VpcDns.
type VpcDnsStatus struct {
	// conditions: Ready is true when the server is active and runs.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// active is true for the one VpcDns of the Vpc that is in effect.
	// +optional
	Active bool `json:"active"`
}
