// Package ipam is the arithmetic of addresses and prefixes: reading them in canonical form, saying what would be right when
// they are not, sets of excluded addresses, and the search for a free one. It holds no state: what is in use is asked for.
package ipam
