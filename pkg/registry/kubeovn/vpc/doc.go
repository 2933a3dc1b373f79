// Package vpc is the kind Vpc: one logical router, its static routes, its policies and its side of links to peers.
package vpc
