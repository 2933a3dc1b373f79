package apiserver

import (
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

const (
	metricsNamespace = "northbound"
	metricsSubsystem = "storage"
)

// engineMetrics is what the engine measures, for /metrics. The API machinery keeps one registry a process, so servers of
// one process add up in it; that happens in tests only.
type engineMetrics struct {
	commits     *metrics.Histogram
	batch       *metrics.Histogram
	replans     *metrics.Counter
	drift       *metrics.CounterVec
	undecodable *metrics.Gauge
	connected   *metrics.Gauge
	lag         *metrics.Histogram
	watchers    *metrics.GaugeVec
}

var _ storage.Metrics = (*engineMetrics)(nil)

// registerMetrics returns the process's metrics, which are registered by the first call.
var registerMetrics = sync.OnceValue(func() *engineMetrics {
	m := &engineMetrics{
		commits: histogram("commit_duration_seconds", "Time from sending a transaction to the database to its acknowledgement, durable on disk.",
			.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2, 4, 8),
		batch: histogram("commit_requests", "Requests that one transaction committed together.",
			1, 2, 4, 8, 16, 32, 64, 128),
		replans:     metrics.NewCounter(counter("replanned_requests_total", "Requests that were planned again because another server wrote in between.")),
		drift:       metrics.NewCounterVec(counter("drifted_rows_total", "Rows of the Northbound database that somebody else changed or deleted, by table."), []string{"table"}),
		undecodable: metrics.NewGauge(gauge("undecodable_objects", "Stored documents that cannot be decoded.")),
		connected:   metrics.NewGauge(gauge("connected", "1 while there is a session with the Northbound database.")),
		lag: histogram("replica_lag_seconds", "Time from the arrival of a notification of the database to the publication of what it says.",
			.0001, .0002, .0005, .001, .002, .005, .01, .05, .1, .5, 1),
		watchers: metrics.NewGaugeVec(gauge("watchers", "Open watches, by resource."), []string{"resource"}),
	}
	legacyregistry.MustRegister(m.commits, m.batch, m.replans, m.drift, m.undecodable, m.connected, m.lag, m.watchers)
	return m
})

func histogram(name, help string, buckets ...float64) *metrics.Histogram {
	return metrics.NewHistogram(&metrics.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, StabilityLevel: metrics.ALPHA,
		Name: name, Help: help, Buckets: buckets,
	})
}

func counter(name, help string) *metrics.CounterOpts {
	return &metrics.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, StabilityLevel: metrics.ALPHA, Name: name, Help: help,
	}
}

func gauge(name, help string) *metrics.GaugeOpts {
	return &metrics.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, StabilityLevel: metrics.ALPHA, Name: name, Help: help,
	}
}

// Committed implements storage.Metrics.
func (m *engineMetrics) Committed(requests int, d time.Duration) {
	m.commits.Observe(d.Seconds())
	m.batch.Observe(float64(requests))
}

// Replanned implements storage.Metrics.
func (m *engineMetrics) Replanned(requests int) { m.replans.Add(float64(requests)) }

// Drifted implements storage.Metrics.
func (m *engineMetrics) Drifted(table string, rows int) {
	m.drift.WithLabelValues(table).Add(float64(rows))
}

// Undecodable implements storage.Metrics.
func (m *engineMetrics) Undecodable(objects int) { m.undecodable.Set(float64(objects)) }

// Connected implements storage.Metrics.
func (m *engineMetrics) Connected(is bool) {
	if is {
		m.connected.Set(1)
	} else {
		m.connected.Set(0)
	}
}

// Lag implements storage.Metrics.
func (m *engineMetrics) Lag(d time.Duration) { m.lag.Observe(d.Seconds()) }

// Watching implements storage.Metrics.
func (m *engineMetrics) Watching(resource string, delta int) {
	m.watchers.WithLabelValues(resource).Add(float64(delta))
}
