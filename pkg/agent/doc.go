// Package agent keeps a node of the overlay as the API says. Each concern has one owner, a loop that compares what is with what
// should be and applies the difference, whenever the API, the node's Open vSwitch or its kernel say that something changed:
//
//	settings     what ovn-controller reads of the Open vSwitch: tunnels, Southbound database, identity
//	chassis      the node's Chassis object, and its heartbeat
//	node-port    ovn0, the node's own port in the Subnet "join", with the IP object node-<node>
//	routes       to pods of the default Vpc and to Services, through ovn0
//	nat          sources of traffic that leaves the cluster (natOutgoing), in the packet filter
//	probes       the way of the kubelet's probes into custom Vpcs (--enable-tproxy)
//	providers    bridges to physical networks (ProviderNetworks), with the interfaces that are moved into them
//	sysctls      settings of the kernel
//
// Nothing is started to do this: databases are asked over their sockets, the kernel through netlink. All state is where it is
// used; an agent that is killed at any instant and started again goes on, and pods do not notice.
package agent
