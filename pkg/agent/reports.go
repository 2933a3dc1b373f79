package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// reports is the owner of the ports at which a node says whether it has back ends of a Service (spec.healthCheckNodePort), for load
// balancers outside that are to send its traffic only there. Forms and statuses are kube-proxy's.
type reports struct {
	host     *host.Host
	services corelisters.ServiceLister
	local    func(*corev1.Service, *corev1.ServicePort) []kubeservice.BackEnd

	served map[int32]*report
}

// report is what is served at one port.
type report struct {
	server *http.Server
	answer atomic.Pointer[reportAnswer]
}

// reportAnswer is the body of an answer.
type reportAnswer struct {
	Service struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"service"`
	LocalEndpoints      int  `json:"localEndpoints"`
	ServiceProxyHealthy bool `json:"serviceProxyHealthy"`
}

// sync serves the ports that Services have now, and no others. One that cannot be opened does not keep it from the others.
func (r *reports) sync(context.Context) error {
	services, _ := r.services.List(labels.Everything()) // A lister reads memory, and does not fail.
	want := map[int32]*reportAnswer{}
	for _, s := range services {
		if port := s.Spec.HealthCheckNodePort; port != 0 {
			want[port] = r.answerFor(s)
		}
	}
	for port, served := range r.served {
		if want[port] == nil {
			_ = served.server.Close() // It only closes connections.
			delete(r.served, port)
		}
	}
	var errs []error
	for port, answer := range want {
		if served := r.served[port]; served != nil {
			served.answer.Store(answer)
			continue
		}
		served, err := r.serve(port, answer)
		if err != nil {
			errs = append(errs, fmt.Errorf("healthCheckNodePort %d of Service %s/%s: %w", port, answer.Service.Namespace, answer.Service.Name, err))
			continue
		}
		if r.served == nil {
			r.served = map[int32]*report{}
		}
		r.served[port] = served
	}
	return errors.Join(errs...)
}

// answerFor counts the addresses on the node that are ready for a Service at one of its ports.
func (r *reports) answerFor(s *corev1.Service) *reportAnswer {
	var ready []string
	for i := range s.Spec.Ports {
		for _, b := range r.local(s, &s.Spec.Ports[i]) {
			if b.Ready {
				ready = append(ready, b.Addr().String())
			}
		}
	}
	slices.Sort(ready)
	answer := &reportAnswer{LocalEndpoints: len(slices.Compact(ready)), ServiceProxyHealthy: true}
	answer.Service.Namespace, answer.Service.Name = s.Namespace, s.Name
	return answer
}

// serve opens a port of the node, which gives an answer until another is stored.
func (r *reports) serve(port int32, answer *reportAnswer) (*report, error) {
	var listener net.Listener
	if err := r.host.Do(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(int(port))))
		return err
	}); err != nil {
		return nil, err
	}
	served := &report{}
	served.answer.Store(answer)
	served.server = &http.Server{Handler: served, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = served.server.Serve(listener) }() // It ends when the server is closed.
	return served, nil
}

// ServeHTTP answers 200 where the Service has back ends, and 503 otherwise.
func (s *report) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	answer := s.answer.Load()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(answer.LocalEndpoints))
	if answer.LocalEndpoints == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // The client may be gone.
}

// close ends all.
func (r *reports) close() {
	for _, served := range r.served {
		_ = served.server.Close()
	}
}
