// Package subnet is the kind Subnet: one logical switch, its way to the router of its Vpc, its DHCP options and its access
// rules. A Subnet of another network plugin is only an address range and has no rows.
package subnet
