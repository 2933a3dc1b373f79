// Package vip is the kind Vip: an address of a Subnet that belongs to no interface of its own.
//
// What is assigned is in status, and spec stays as the user wrote it: Kube-OVN completes spec.v4ip and its like, so that a
// manifest read back and applied elsewhere pins addresses that nobody asked for. Clients that want the address have it in
// status in the answer to the create request; no Kube-OVN client needs it in spec, as status.v4ip is what its own tables print.
//
// What a Vip realizes depends on its use:
//
//   - reserved: nothing. An IP may use the Vip as its own address (IP spec.vip).
//   - with namespace, and either a selector or an IP that carries it (IP spec.vips): a virtual port (ovn-nb(5), type virtual) named
//     as the Vip, whose parents are the ports of the IPs that carry it. A virtual port has one address, so that a Vip with two
//     families has a second port, "<name>/v6", for its IPv6 address; a name of an object cannot have a slash.
//   - switch_lb_vip: nothing of its own. The address is the front end of a load balancer; its MAC is the one of the Subnet's
//     router port, because that answers for it.
//   - kube_host_vm_vip: an ordinary port named "<name>.<namespace>" with the address and the MAC.
package vip
