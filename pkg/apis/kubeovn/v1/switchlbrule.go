package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +resourceName=switch-lb-rules
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SwitchLBRule is a load balancer of a Vpc at an address of the user's choice.
type SwitchLBRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired load balancer.
	// +optional
	Spec SwitchLBRuleSpec `json:"spec,omitempty"`
	// status is what is known of it. Written by the server only.
	// +optional
	Status SwitchLBRuleStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SwitchLBRuleList is a list of SwitchLBRules.
type SwitchLBRuleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the SwitchLBRules, in ascending order of their names.
	Items []SwitchLBRule `json:"items"`
}

// SwitchLBRuleSpec is the desired state of a SwitchLBRule.
type SwitchLBRuleSpec struct {
	// vip is the address of the load balancer; "v4,v6" for both families. It may be outside all Subnets; within one it must
	// belong to a Vip of type switch_lb_vip. Required. Refused: an address and port that another rule of the Vpc has; the network,
	// broadcast and gateway address of a Subnet; unspecified, loopback, multicast and IPv6 link-local addresses.
	Vip string `json:"vip"`
	// namespace is the namespace of the back ends. Required. Unless an annotation names the Vpc (see status.vpc), the rule is in that
	// of the namespace, and follows when it changes: the Vpc of the Subnets that are bound to the namespace; else the Vpc that lists
	// it; else the default Vpc.
	Namespace string `json:"namespace"`
	// selector selects the back ends among the ready pods of namespace, each entry as "key:value"; a pod must match all. Used
	// when endpoints is empty.
	// +optional
	// +listType=atomic
	Selector []string `json:"selector,omitempty"`
	// service is the name of the Service of namespace whose endpoints are the back ends: those of its EndpointSlices that are
	// ready, at the ports that they name. Used when endpoints and selector are empty; refused when all three are.
	// +optional
	Service string `json:"service,omitempty"`
	// endpoints are the addresses of the back ends. They win over selector and service. Back ends at interfaces of the Vpc are checked
	// over IPv4 (TCP and UDP), unless the annotation ovn.kubernetes.io/service_health_check is "false". The checks in a Subnet come from
	// one address of it, which all its rules share and hold: a free one that is no rule's back end. When there is none, the back ends
	// count as alive and the condition HealthChecked says so. Refused: addresses that no host has, as the network, broadcast or gateway
	// address of a Subnet, unspecified, loopback, link-local and multicast ones; the vip; an address that checks come from.
	// +optional
	// +listType=set
	Endpoints []string `json:"endpoints,omitempty"`
	// sessionAffinity is ClientIP (a client stays with its back end) or None. Clients are told apart by their IPv4 addresses; with an IPv6 vip also
	// by the MAC addresses that their packets come from, so that all IPv6 clients beyond a router go to one back end.
	// Default: empty, as None. Anything else is refused.
	// +optional
	SessionAffinity string `json:"sessionAffinity,omitempty"`
	// ports are the ports of the load balancer. At least one is required; a port and protocol may occur once.
	// +listType=map
	// +listMapKey=port
	// +listMapKey=protocol
	Ports []SwitchLBRulePort `json:"ports"`
}

// SwitchLBRulePort is a port of a SwitchLBRule.
type SwitchLBRulePort struct {
	// name names the port; required when there are several. Refused: a name that occurs twice.
	// +optional
	Name string `json:"name,omitempty"`
	// port is the port of the load balancer, 1 to 65535. Required; anything else is refused.
	Port int32 `json:"port"`
	// targetPort is the port of the back ends, 1 to 65535; those of a service have the ports of its EndpointSlices instead.
	// Default: port. Anything else is refused.
	// +optional
	TargetPort int32 `json:"targetPort,omitempty"`
	// protocol is TCP, UDP or SCTP. Default: TCP. Anything else is refused.
	// +optional
	// +default="TCP"
	Protocol string `json:"protocol,omitempty"`
}

// Condition of a SwitchLBRule, and its reason when there is no address to check back ends from.
const (
	ConditionHealthChecked = "HealthChecked"
	ReasonNoSource         = "NoSource"
)

// SwitchLBRuleStatus is the observed state of a SwitchLBRule.
type SwitchLBRuleStatus struct {
	// conditions: Ready is true when the load balancer exists, false with the reason Conflict when the rule followed its namespace into
	// a Vpc where another rule has its address and port, or where its address lies in a Subnet without a Vip of type switch_lb_vip.
	// HealthChecked says whether the back ends that are interfaces of the Vpc are checked.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// vpc is the Vpc in which the rule balances: the one that the annotation ovn.kubernetes.io/vpc or
	// ovn.kubernetes.io/logical_router names, or that of the Subnet which ovn.kubernetes.io/logical_switch names; else that of the
	// namespace (see spec.namespace).
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// ports are the ports as "53/UDP,53/TCP".
	// +optional
	Ports string `json:"ports,omitempty"`
	// service is the service that finds the back ends, as "<namespace>/slr-<name>", or "<namespace>/<spec.service>" where the
	// rule names one.
	// +optional
	Service string `json:"service,omitempty"`
	// endpoints are the back ends that were found for selector or service, by port. A controller writes them through the status
	// subresource; they are without effect when spec.endpoints is given. Refused: what is no "address:port", a port or a
	// back end that occurs twice, and addresses that spec.endpoints refuses by themselves.
	// +optional
	// +listType=atomic
	Endpoints []SwitchLBRuleEndpoints `json:"endpoints,omitempty"`
}

// SwitchLBRuleEndpoints are the back ends of a port.
type SwitchLBRuleEndpoints struct {
	// name is the name of the port in spec.ports, empty when the port has none. Those of no port are without effect.
	// +optional
	Name string `json:"name"`
	// backends are the back ends as "10.16.0.5:80" or "[fd00::5]:80", in ascending order.
	// +listType=atomic
	Backends []string `json:"backends"`
}
