// Package controller checks northbound-controller between a real kube-apiserver, with kube-controller-manager, and Northbound
// as an aggregated API server. Nobody schedules or runs pods: the tests say what kubelets would. Its tests have the build tag
// "aggregated" and run by "make test-aggregated" only; see test/aggregated.
package controller
