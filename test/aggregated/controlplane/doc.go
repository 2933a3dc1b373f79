// Package controlplane runs a real Kubernetes control plane (etcd, kube-apiserver and, where wanted,
// kube-controller-manager) for tests and benchmarks, inside a network namespace that has no way out.
//
// The caller enters such a namespace before it starts (hack/test-aggregated.sh and hack/bench-http.sh do, together with a
// namespace of process ids, so that nothing outlives the test whatever happens); Isolate checks that and prepares it.
// Start refuses to run anywhere else: an API server in the host's own network would send what it proxies to Service
// addresses out of the machine by the default route.
package controlplane
