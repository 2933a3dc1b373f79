// Package egress is how packets of the default Vpc get to the nodes and, through them, to the outside. The router sends what none
// of its other routes is for to the Subnet of the nodes, and policies there choose the node:
//
//	31000  to an overlay Subnet of the Vpc          as routed
//	30000  to an address of a node                  to that node's port
//	29800  for a static route that the user made    as routed
//	29500  from what OVN translates (NAT)           as routed
//	29000  from a pod in a distributed Subnet       to the port of the pod's node
//	29000  from a centralized Subnet                to the ports of its gateway nodes
//
// The priorities 31000, 30000 and 29000 are Kube-OVN's. The pods of a node are members of one port group, so that a pod that comes
// or goes changes one set, and neither a policy nor a route.
//
// Which kind owns a row follows from what the row is about: Chassis their port group and the policies for their addresses, Subnets
// the policies for their prefixes, the Vpc its routes, NAT rules those for what they translate. This package is what they share.
package egress
