// Package v1 holds the types of the API group kubeovn.io/v1: what each field means, its unit, its default and what the
// server refuses. The comments of the fields are what `kubectl explain` shows.
//
// The kinds and their field names are Kube-OVN's, so that manifests, scripts and clients written for it keep working;
// Chassis and PodInterfaces are additions. All kinds are cluster-scoped and are served as JSON and YAML only.
//
// Conventions of this package:
//
//   - One Go type a kind, registered by the server as the internal version, too. There is no conversion.
//   - Switches (booleans) of a spec are always written out, even when false: a manifest that says "natOutgoing: false"
//     must find it in the live object, or GitOps tools see a difference for ever.
//   - Addresses and prefixes are strings in canonical form (RFC 5952) once the server has stored them; dual-stack values are
//     "<IPv4>,<IPv6>". MACs that the server chooses are colon-separated and upper-case, requested ones stay as written; they
//     compare without regard to case.
//   - Fields that the server completes (an allocated address, a computed protocol) are completed in the transaction that
//     creates the object: the answer to the create request holds them.
//   - Lists that several appliers may share are sets or maps; lists whose order or completeness matters are atomic.
//
// +k8s:deepcopy-gen=package
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.kubeovn.v1
// +groupName=kubeovn.io
package v1
