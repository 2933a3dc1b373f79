package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
)

// errNotYet is the outcome of what has not been tried.
var errNotYet = errors.New("not yet")

// stuckAfter is how long one look at a concern may last before the agent is said to be stuck.
const stuckAfter = 2 * time.Minute

// check is a statement about the node that can be proven now.
type check struct {
	name  string
	prove func(context.Context) error
}

// Handler answers:
//
//	/livez    the agent's loops come to an end; one that does not needs a restart
//	/healthz  the node is as it should be: every check holds, proven by asking when the request arrives
//	/metrics  in Prometheus' format
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", answer(a.liveChecks()))
	mux.HandleFunc("/healthz", answer(a.healthChecks()))
	own := metrics.NewKubeRegistry() // The node's; those of the process are in the other.
	own.CustomMustRegister(&translatedCollector{host: a.host})
	mux.Handle("/metrics", metrics.HandlerFor(prometheus.Gatherers{legacyregistry.DefaultGatherer, own}, metrics.HandlerOpts{}))
	return mux
}

// serveHealth serves Handler until the context ends.
func (a *Agent) serveHealth(ctx context.Context) error {
	if a.config.HealthAddress == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.HealthAddress)
	if err != nil {
		return fmt.Errorf("--health-address: %w", err)
	}
	server := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		defer stop()
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			klog.FromContext(ctx).Error(err, "Health is not served any more")
		}
	}()
	return nil
}

func (a *Agent) liveChecks() []check {
	var checks []check
	for _, l := range a.loops {
		checks = append(checks, check{l.name, func(context.Context) error {
			if d := l.stuck(); d > stuckAfter {
				return fmt.Errorf("has not come back for %s", d.Round(time.Second))
			}
			return nil
		}})
	}
	return checks
}

func (a *Agent) healthChecks() []check {
	checks := []check{
		{"open-vswitch", func(context.Context) error {
			if !a.vs.Snapshot().Connected {
				return errors.New("the Open vSwitch database does not answer")
			}
			return nil
		}},
		{"ovn-controller", a.controller.connected},
	}
	for _, l := range a.loops {
		checks = append(checks, check{l.name, func(context.Context) error { return l.Err() }})
	}
	if a.servesCNI() {
		checks = append(checks, check{"cni", func(ctx context.Context) error {
			c, err := new(net.Dialer).DialContext(ctx, "unix", a.config.Socket)
			if err != nil {
				return err
			}
			return c.Close()
		}})
	}
	return checks
}

// answer proves the checks and says which hold; the status is 200 when all do, and 503 otherwise.
func answer(checks []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		var text strings.Builder
		status := http.StatusOK
		for _, c := range checks {
			if err := c.prove(ctx); err != nil {
				status = http.StatusServiceUnavailable
				fmt.Fprintf(&text, "[-]%s: %v\n", c.name, err)
				continue
			}
			fmt.Fprintf(&text, "[+]%s ok\n", c.name)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text.String()))
	}
}
