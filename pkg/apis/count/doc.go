// Package count has numbers of addresses, which no integer type of the API machinery can hold: a /64 has 2^64 of them.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.kubeovn.v1
package count
