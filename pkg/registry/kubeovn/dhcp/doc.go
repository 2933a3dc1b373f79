// Package dhcp reads the options of DHCP and of router advertisements that a Subnet gives to OVN. ovn-northd copies them into logical
// flows as they are: an option that OVN cannot read takes DHCP from the whole Subnet, and a text could become an action of a flow. So
// every value is read by its type, and what is returned is written anew from the values that were read.
package dhcp
