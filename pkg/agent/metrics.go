package agent

import (
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
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

	translatedDesc = metrics.NewDesc(subsystem+"_translated_connections_total",
		"Connections that left the cluster through this node with a translated source, by Subnet, since the rules last changed.",
		[]string{"subnet"}, nil, metrics.ALPHA, "")

	registerOnce sync.Once
)

// translatedCollector reads the packet filter's counters when it is asked.
type translatedCollector struct {
	metrics.BaseStableCollector
	host *host.Host
}

// DescribeWithStability implements metrics.StableCollector.
func (*translatedCollector) DescribeWithStability(ch chan<- *metrics.Desc) { ch <- translatedDesc }

// CollectWithStability implements metrics.StableCollector. What cannot be read is left out.
func (c *translatedCollector) CollectWithStability(ch chan<- metrics.Metric) {
	conn, err := c.host.Nftables()
	if err != nil {
		return
	}
	counted, err := nat.Translated(conn)
	if err != nil {
		return
	}
	for subnet, n := range counted {
		ch <- metrics.NewLazyConstMetric(translatedDesc, metrics.CounterValue, float64(n.Connections), subnet)
	}
}

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
