// Package cni is the CNI plugin: it turns what a container runtime asks for (CNI specification 0.3.1 to 1.1) into requests to the
// node's agent, and the agent's answers into results. It is small, since it is loaded for every interface of every pod: the agent
// does the work, and this package knows nothing of Kubernetes clients.
//
// The requests and answers are JSON over HTTP on a unix socket; these types are their definition.
package cni
