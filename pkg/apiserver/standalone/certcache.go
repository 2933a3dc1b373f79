package standalone

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
)

const (
	// certificateMemory is how long a verified certificate is not verified again. A changed CA takes effect within it.
	certificateMemory = 10 * time.Second
	// maxCertificates bounds the memory.
	maxCertificates = 1024
)

// certificates remembers which client certificates were verified: a signature check for every request of a connection is a
// fifth of what a small request costs.
type certificates struct {
	inner authenticator.Request
	now   func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]verified
}

type verified struct {
	response *authenticator.Response
	until    time.Time
}

func rememberCertificates(inner authenticator.Request) *certificates {
	return &certificates{inner: inner, now: time.Now, known: map[[sha256.Size]byte]verified{}}
}

// AuthenticateRequest implements authenticator.Request.
func (c *certificates) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	if req.TLS == nil || len(req.TLS.PeerCertificates) == 0 {
		return c.inner.AuthenticateRequest(req)
	}
	leaf := req.TLS.PeerCertificates[0]
	key, now := sha256.Sum256(leaf.Raw), c.now()
	c.mu.Lock()
	v, ok := c.known[key]
	c.mu.Unlock()
	if ok && now.Before(v.until) {
		return v.response, true, nil
	}
	response, ok, err := c.inner.AuthenticateRequest(req)
	if !ok || err != nil {
		return response, ok, err
	}
	until := now.Add(certificateMemory)
	if leaf.NotAfter.Before(until) {
		until = leaf.NotAfter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCertificates {
		clear(c.known)
	}
	c.known[key] = verified{response, until}
	return response, true, nil
}
