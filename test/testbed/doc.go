// Package testbed is a small network that OVN runs, in one process and what it starts: an API server with its private Northbound
// and Southbound databases and ovn-northd, hosts with an Open vSwitch and an ovn-controller each, and what is outside.
//
//	       API server, NB, SB, ovn-northd            unix sockets, which network namespaces do not divide
//	         /             |             \
//	  host n1          host n2          host n3      a network namespace each: br-int, br-phy (tunnels), br-external204
//	 /   |   \        /   |   \        /   |   \
//	pod  |    |     pod   |    |     pod   |    |
//	     |    +-----------|----+-----------|----+    underlay: a bridge, 172.31.0.0/24, for tunnels
//	     +----------------+----------------+-----+   top of rack: a switch with VLANs
//	                                             |
//	                                    Internet, routers  stations behind the physical network
//
// Packets are real: pods and all that is outside are network namespaces, too, in which tests open sockets. Open vSwitch runs its
// userspace datapath, so that no module of the kernel is needed.
//
// A test binary has one Bed, started by Main, and each test a Scenario on it, at whose end the Northbound database is what it was at
// its beginning. The binary runs in namespaces of its own of networks, processes and mounts: nothing outlives it or is seen outside.
package testbed
