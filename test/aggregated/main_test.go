//go:build aggregated

package aggregated

import (
	"context"
	"testing"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// cluster is what all tests share: none changes another's objects.
var cluster *controlplane.Cluster

func TestMain(m *testing.M) {
	controlplane.Main("aggregated", func(_ context.Context, c *controlplane.Cluster) (int, error) {
		cluster = c
		return m.Run(), nil
	})
}
