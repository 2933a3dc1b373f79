// Package etcd compares the engine with etcd3, the storage of kube-apiserver, through the same interface
// (k8s.io/apiserver/pkg/storage.Interface), in one interleaved run on one machine. See docs/benchmarks.md.
package etcd
