package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
)

// syncGrace is how long a leader may need to read what it watches before it counts as unhealthy.
const syncGrace = 5 * time.Minute

// serve answers /healthz, /readyz and /metrics until stop is called.
//
//	/healthz   fails when the lease is held and cannot be renewed, and when a leader has not read everything in five minutes
//	/readyz    as /healthz: a replica that waits for the lease is ready to take over
func serve(ctx context.Context, address string, c *Controller, lease healthz.HealthChecker) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--bind-address: %w", err)
	}
	m := mux.NewPathRecorderMux(Manager)
	caches := healthz.NamedCheck("caches", func(*http.Request) error { return c.checkCaches(time.Now()) })
	healthz.InstallHandler(m, healthz.PingHealthz, lease, caches)
	healthz.InstallReadyzHandler(m, healthz.PingHealthz, lease, caches)
	m.Handle("/metrics", legacyregistry.Handler())
	server := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			utilruntime.HandleErrorWithContext(ctx, err, "Health and metrics are served no more")
		}
	}()
	klog.FromContext(ctx).Info("Serving health and metrics", "address", listener.Addr().String())
	return func() { _ = server.Close() }, nil
}

// checkCaches fails when a run has not read everything that it watches long after it began.
func (c *Controller) checkCaches(now time.Time) error {
	began := c.began.Load()
	if began == nil || c.synced.Load() || now.Sub(*began) < syncGrace {
		return nil
	}
	return fmt.Errorf("reading what is watched since %v: is kubeovn.io served, and may the controller read it?", now.Sub(*began).Round(time.Second))
}
