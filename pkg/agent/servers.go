package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// dialTimeout is the time in which a server must take a connection before the next is tried.
const dialTimeout = 3 * time.Second

// Servers makes a client's configuration use several addresses of the same API, as "https://192.0.2.1:6443": requests go to one
// of them as long as it takes connections, then to the next. A request is sent again only when it cannot have arrived.
func Servers(config *rest.Config, addresses []string) (*rest.Config, error) {
	s := &servers{}
	for _, text := range addresses {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("server %q: must be as https://host:port", text)
		}
		s.hosts = append(s.hosts, u)
	}
	if len(s.hosts) == 0 {
		return nil, errors.New("no server is given")
	}
	config = rest.CopyConfig(config)
	config.Host = s.hosts[0].String()
	config.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return s.roundTrip(next, r) })
	})
	return config, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// servers are addresses of one API, and which of them is in use.
type servers struct {
	hosts []*url.URL

	mu  sync.Mutex
	now int
}

func (s *servers) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	var failures []error
	for range s.hosts {
		s.mu.Lock()
		at := s.now
		s.mu.Unlock()
		attempt, err := s.request(r, at, len(failures) > 0)
		if err != nil {
			return nil, errors.Join(append(failures, err)...)
		}
		response, err := next.RoundTrip(attempt)
		if err == nil || !notConnected(err) || r.Context().Err() != nil {
			return response, err
		}
		failures = append(failures, err)
		s.mu.Lock()
		if s.now == at { // nobody else has moved on yet
			s.now = (at + 1) % len(s.hosts)
		}
		s.mu.Unlock()
	}
	return nil, errors.Join(failures...)
}

// request is a copy of a request for another address, with a fresh body when the old one may have been read.
func (s *servers) request(r *http.Request, at int, again bool) (*http.Request, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host = s.hosts[at].Scheme, s.hosts[at].Host, s.hosts[at].Host
	if again && r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return nil, errors.New("the request cannot be sent again")
		}
		var err error
		if out.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// notConnected says whether an error means that there was no connection, so that nothing was sent.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
