// Package nodeidentity holds the agents of nodes to what is their nodes': whoever breaks into one node cannot move the gateways, take
// the addresses or speak for the pods of another. What agents may read, and which verbs they may use at all, RBAC says.
package nodeidentity
