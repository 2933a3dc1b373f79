package apiserver

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

// objectCounter counts the objects of all engines of the process when it is asked.
type objectCounter struct {
	metrics.BaseStableCollector
	desc *metrics.Desc

	mu      sync.Mutex
	engines map[*storage.Engine]bool
}

// registerObjectCounter returns the process's counter, which is registered by the first call.
var registerObjectCounter = sync.OnceValue(func() *objectCounter {
	c := &objectCounter{
		desc: metrics.NewDesc(metrics.BuildFQName(metricsNamespace, metricsSubsystem, "objects"), "Stored objects, by resource.",
			[]string{"resource"}, nil, metrics.ALPHA, ""),
		engines: map[*storage.Engine]bool{},
	}
	legacyregistry.CustomMustRegister(c)
	return c
})

// countObjects adds an engine to /metrics until the returned function is called.
func countObjects(e *storage.Engine) (remove func()) {
	c := registerObjectCounter()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engines[e] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.engines, e)
	}
}

// DescribeWithStability implements metrics.StableCollector.
func (c *objectCounter) DescribeWithStability(ch chan<- *metrics.Desc) { ch <- c.desc }

// CollectWithStability implements metrics.StableCollector.
func (c *objectCounter) CollectWithStability(ch chan<- metrics.Metric) {
	sum := map[string]int{}
	c.mu.Lock()
	for e := range c.engines {
		for resource, n := range e.Stats().Objects {
			sum[resource] += n
		}
	}
	c.mu.Unlock()
	for resource, n := range sum {
		ch <- metrics.NewLazyConstMetric(c.desc, metrics.GaugeValue, float64(n), resource)
	}
}
