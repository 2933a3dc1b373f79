// Package switchlbrule is the kind SwitchLBRule: load balancers of a Vpc at an address of the user's choice.
//
// The object does not name its Vpc. Kube-OVN finds it from the pods that the selector finds, so that a rule moves when its pods come, and
// is one of the default Vpc before. Here it is decided once, when the rule is created, and written to the annotation
// ovn.kubernetes.io/vpc: what the user wrote there; else the Vpc of the Subnet to which spec.namespace is bound; else the Vpc that lists
// spec.namespace and has a default Subnet; else the default Vpc: where pods of the namespace get their addresses.
//
// Each protocol has a load balancer of its own, "slr-<name>-tcp", on the switches of the Vpc's Subnets. With sessionAffinity ClientIP
// it chooses by source and destination address (selection_fields): ovn-nb(5) options:affinity_timeout loses the first connection of
// each client on the userspace datapath. Those of UDP have options:ct_flush (OVN 23.03 and later, with Open vSwitch 3.1 and later):
// ovn-controller then removes the tracked connections to a back end that is gone, and a client that keeps its socket gets another.
//
// An address within a Subnet must be that of a Vip of type switch_lb_vip, which the router port answers for; one outside of all
// Subnets needs nothing: packets to it go to the router anyway, and the switch takes them before.
//
// The API server sees no pods and no Services: the back ends of a rule with a selector or a service are what a controller writes to
// status.endpoints. They need not have one port (a Service's port may be a name that each pod resolves for itself).
//
// Back ends that are interfaces of the Vpc are checked, unless the annotation ovn.kubernetes.io/service_health_check is "false". The
// checks of a Subnet's interfaces come from an address in it that the rule holds; the annotation kubeovn.io/health-check-sources
// says which. OVN of today checks TCP and UDP over IPv4.
package switchlbrule
