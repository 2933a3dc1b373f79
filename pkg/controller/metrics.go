package controller

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // requests of clients, leader election
	_ "k8s.io/component-base/metrics/prometheus/workqueue"
)

var (
	syncErrors = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "northbound", Subsystem: "controller", Name: "sync_errors_total",
		Help: "Failed attempts to bring an object into its desired state, by loop. Each is tried again.", StabilityLevel: metrics.ALPHA,
	}, []string{"loop"})
	released = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "northbound", Subsystem: "controller", Name: "released_addresses_total",
		Help: "IPs that were deleted because nobody needed them any more, by reason.", StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
)

func init() { legacyregistry.MustRegister(syncErrors, released) }
