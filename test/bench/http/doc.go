// Command http measures a standalone Northbound server through HTTP, and the path that the same objects take as custom
// resources through kube-apiserver and etcd, in turns, on one machine. It prints Markdown tables.
//
// It must run in a network namespace of its own: hack/bench-http.sh makes one. What the numbers mean, and those that were
// measured, are in docs/benchmarks.md.
package main
