package agent

import (
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const subsystem = "northbound_agent"

var (
	syncDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Subsystem: subsystem, Name: "sync_duration_seconds",
		Help:           "Time to make one concern of the node as it should be, by concern and result.",
		Buckets:        metrics.ExponentialBuckets(0.001, 4, 8),
		StabilityLevel: metrics.ALPHA,
	}, []string{"concern", "result"})
	asItShouldBe = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem: subsystem, Name: "concern_ok",
		Help:           "Whether a concern of the node was as it should be when last looked at (1) or not (0).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"concern"})
	controllerConnected = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem: subsystem, Name: "ovn_controller_connected",
		Help:           "Whether ovn-controller is connected with the Southbound database (1) or not (0).",
		StabilityLevel: metrics.ALPHA,
	})

	registerOnce sync.Once
)

func registerMetrics() {
	registerOnce.Do(func() { legacyregistry.MustRegister(syncDuration, asItShouldBe, controllerConnected) })
}

func observeSync(name string, took time.Duration, err error) {
	result, ok := "ok", 1.0
	if err != nil {
		result, ok = "error", 0
	}
	syncDuration.WithLabelValues(name, result).Observe(took.Seconds())
	asItShouldBe.WithLabelValues(name).Set(ok)
}

func observeController(err error) {
	if err != nil {
		controllerConnected.Set(0)
		return
	}
	controllerConnected.Set(1)
}
