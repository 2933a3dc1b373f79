// Package cniserver does the CNI plugin's work on a node: interfaces of pods, from the request of the container runtime to the
// installed flows.
//
//	plugin ── HTTP on a unix socket ──► Server
//	                                     │ 1  the pod, and which interfaces it gets       (memory)
//	                                     │ 2  PodInterfaces: all addresses of the pod     (one API request)
//	                                     │ 2' a veth pair, meanwhile                      (netlink)
//	                                     │ 3  the port on br-int                          (one OVSDB transaction)
//	                                     │ 3' addresses and routes in the pod, meanwhile  (netlink)
//	                                     │ 4  ovn-installed                               (an event)
//	                                     ▼
//	                                  the answer; annotations of the pod afterwards
//
// Step 2 has usually been made before: the server asks for a pod's interfaces as soon as the pod is bound to the node, while the
// runtime makes the sandbox, and the request of the addition finds them there.
//
// What fails is undone in reverse; the addresses stay with the pod for its next attempt. Every operation may be repeated, and may
// be killed at any point: the only state is the external_ids of the interfaces in the Open_vSwitch database, and each operation
// begins with what it finds. An interface is identified by its sandbox and its name inside; a port is made for one of them and
// never used for another.
package cniserver
