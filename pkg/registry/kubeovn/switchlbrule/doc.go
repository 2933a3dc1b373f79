// Package switchlbrule is the kind SwitchLBRule: load balancers of a Vpc at an address of the user's choice.
//
// The spec does not name the Vpc. Kube-OVN finds it from the pods that the selector finds, so that a rule moves when its pods come, and
// is one of the default Vpc before. Here it is the Vpc that annotations name: ovn.kubernetes.io/vpc, or Kube-OVN's
// ovn.kubernetes.io/logical_router and ovn.kubernetes.io/logical_switch, which must agree. A rule without them follows spec.namespace
// (lbplace.VpcOfNamespace) in the transaction that gives the namespace to a Vpc or takes it. Its index depends on no other object, as
// the engine demands: it says which namespace the rule follows. Where the rule cannot be after it has followed, it waits, Ready false.
//
// Each protocol has a load balancer of its own, "slr-<name>-tcp", on the switches of the Vpc's Subnets. With sessionAffinity ClientIP
// it chooses by the IPv4 addresses of the packet, and by the source MAC address when the rule has an IPv6 vip (selection_fields):
// ovn-nb(5) options:affinity_timeout loses the first connection of each client on the userspace datapath. Those of UDP have options:ct_flush (OVN 23.03 and later, with Open vSwitch 3.1 and later):
// ovn-controller then removes the tracked connections to a back end that is gone, and a client that keeps its socket gets another.
//
// An address within a Subnet must be that of a Vip of type switch_lb_vip, which the router port answers for; one outside of all
// Subnets needs nothing: packets to it go to the router anyway, and the switch takes them before.
//
// The API server sees no pods and no Services: the back ends of a rule with a selector or a service are what a controller writes to
// status.endpoints. They need not have one port (a Service's port may be a name that each pod resolves for itself).
//
// Back ends that are interfaces of the Vpc are checked, unless the annotation ovn.kubernetes.io/service_health_check is "false". The
// checks of a Subnet's interfaces come from one address in it, which all rules that check there hold together; the annotation
// kubeovn.io/health-check-sources says which. OVN of today checks TCP and UDP over IPv4.
package switchlbrule
