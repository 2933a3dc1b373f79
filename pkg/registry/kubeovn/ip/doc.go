// Package ip is the kind IP: the addresses, the MAC and the logical switch port of one network interface.
//
// Plan completes spec with what it allocates, so that clients of Kube-OVN find it where they look for it; none of it
// changes afterwards. An IP that uses a Vip as its own address holds nothing itself: the Vip is the holder.
package ip
