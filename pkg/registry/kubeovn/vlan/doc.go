// Package vlan is the kind Vlan: one layer-2 network of a ProviderNetwork, tagged or not. Its rows are the localnet ports of the
// Subnets that refer to it.
package vlan
