// Package ovnnat are the kinds of rules that a Vpc's router applies at an OvnEip: OvnFip, OvnSnatRule and OvnDnatRule.
//
// The three differ in what they translate and in the rows that do it; what they have in common is written once, for the type rules:
// the address must exist, be of type nat or that of the router's own port, and be in an external Subnet with which the Vpc is connected; what is translated must
// exist and lie in the Vpc; the rule must be able to share the address (package eipsharing). All this is decided in the commit, and status
// says what was decided: a rule that is stored is in effect.
//
// Rows keep their keys when the address or the target of a rule changes, so that the change is an update of them.
package ovnnat
