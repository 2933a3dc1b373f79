// Package podnet decides which network interfaces a pod gets and what may be asked of the API server for each of them: in which
// Subnets, with which addresses. Its input is the metadata of the pod and the API objects that are known; it reads no clock,
// keeps no state and talks to nobody, so that pod admission (in the API server) and the nodes' agents decide alike.
//
// What it cannot know is whether an address is free: that is decided by the transaction that allocates it.
package podnet
