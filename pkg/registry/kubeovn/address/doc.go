// Package address says which object holds an address, a MAC or the name of a logical switch port, and gives free ones out.
//
// Nothing is stored here. Every kind that takes an address returns the keys of what it holds from its Index function
// (Keys, PortKey), so that holding is a fact of the snapshot that a write is planned on:
//
//	address/<subnet>/<16 bytes of the address, hexadecimal>   one holder in a subnet
//	mac/<MAC, lower case>/<subnet>                            one holder in a VPC, or on a Vlan
//	port/<name of the port>                                   one holder in the database
//
// Plan functions ask with Allocate, or with Claim, ClaimMAC and ClaimPort for a single thing.
package address
