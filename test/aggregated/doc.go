// Package aggregated checks Northbound behind a real kube-apiserver and kube-controller-manager, as users and controllers
// of a cluster meet it. Its tests have the build tag "aggregated" and run by "make test-aggregated" only: they need the
// programs of a control plane (hack/kubernetes/build.sh) and a network namespace (hack/test-aggregated.sh).
package aggregated
