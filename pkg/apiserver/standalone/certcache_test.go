package standalone

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

func TestCertificatesAreVerifiedAgain(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		notAfter time.Time
		accept   bool
		wait     time.Duration
		want     int // verifications in two requests
	}{
		"not while they are remembered":           {start.Add(time.Hour), true, certificateMemory - 1, 1},
		"when they have been remembered for long": {start.Add(time.Hour), true, certificateMemory, 2},
		"when they have expired meanwhile":        {start.Add(time.Second), true, time.Second, 2},
		"when they were refused":                  {start.Add(time.Hour), false, 0, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verifications := 0
			c := rememberCertificates(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
				verifications++
				return &authenticator.Response{User: &user.DefaultInfo{Name: "alice"}}, test.accept, nil
			}))
			now := start
			c.now = func() time.Time { return now }
			req := &http.Request{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("leaf"), NotAfter: test.notAfter}}}}
			for range 2 {
				if _, ok, err := c.AuthenticateRequest(req); ok != test.accept || err != nil {
					t.Fatalf("got %v, %v", ok, err)
				}
				now = now.Add(test.wait)
			}
			if verifications != test.want {
				t.Errorf("verified %d times, want %d", verifications, test.want)
			}
		})
	}
}
