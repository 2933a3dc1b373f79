// Package controller brings together what the API server cannot see (pods, namespaces, Services, the configuration of the
// cluster) with the objects of kubeovn.io. It is an ordinary client of both APIs.
//
// Each part is a loop: a queue of names and one function that compares what is with what should be, and writes the
// difference. A loop keeps no state of its own: whatever it missed while it was away it does when it starts. Addresses are
// released only after the API server itself, not a cache, has said that their owner is gone.
//
//	addresses   IPs whose pod is gone or finished, kept addresses whose owner is gone
//	carriers    the Vips that pods' interfaces carry besides their own address (IP spec.vips)
//	endpoints   the back ends of SwitchLBRules with a selector or a service (SwitchLBRule status.endpoints)
//	external    the ConfigMap ovn-external-gw-config: external network of the default Vpc, gateway nodes
//	namespaces  the annotations that tell a namespace's Subnets
//	nodes       Chassis that may be gateways; what nodes leave behind
//	services    Services of the cluster as SwitchLBRules of the default Vpc
//	vpc-dns     the DNS servers of Vpcs
package controller
