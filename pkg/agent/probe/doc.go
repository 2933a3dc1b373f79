// Package probe lets the kubelet's probes reach pods that the node itself does not reach: those in custom Vpcs, whose addresses
// may exist many times.
//
//	kubelet ──► pod's address and port ──► packet filter: redirect ──► Proxy ──► the same address and port, from inside the pod
//
// The packet filter has the addresses and ports of probes only. Addresses are all that a probe says about its pod: where one
// address on the node belongs to two pods, a probe of either might be answered by the other, and so all of them are refused.
package probe
