// Package cluster checks Northbound as the only network of a real Kubernetes cluster of two nodes, with real pods and
// packets. Its tests have the build tag "cluster" and run by "make test-cluster" only, which brings up a cluster of their own
// (hack/lab) and runs them beside its kube-apiserver.
package cluster
