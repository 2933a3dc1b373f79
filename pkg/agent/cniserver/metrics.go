package cniserver

import (
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const subsystem = "northbound_cni"

var (
	operationDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Subsystem: subsystem, Name: "operation_duration_seconds",
		Help:           "Time of the container runtime's requests, by operation and result.",
		Buckets:        metrics.ExponentialBuckets(0.002, 2, 15),
		StabilityLevel: metrics.ALPHA,
	}, []string{"operation", "result"})
	stageDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Subsystem: subsystem, Name: "stage_duration_seconds",
		Help:           "Time of the parts of an addition: allocate, link, plug, configure, install.",
		Buckets:        metrics.ExponentialBuckets(0.0005, 2, 16),
		StabilityLevel: metrics.ALPHA,
	}, []string{"stage"})

	registerOnce sync.Once
)

func registerMetrics() {
	registerOnce.Do(func() { legacyregistry.MustRegister(operationDuration, stageDuration) })
}

func observe(operation string, began time.Time, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	operationDuration.WithLabelValues(operation, result).Observe(time.Since(began).Seconds())
}

// stage says that a stage which began at a time has come to an end.
func (s *Server) stage(name string, began time.Time) {
	stageDuration.WithLabelValues(name).Observe(time.Since(began).Seconds())
	s.passed(name)
}
