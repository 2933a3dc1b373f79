package apiserver_test

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// await asks until the condition holds.
func await(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !ask() {
		select {
		case <-deadline:
			t.Fatal(what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestWithoutTheDatabase: what needs the database is refused with 503 and Retry-After within the deadline, what does not need it
// goes on, and no restart is needed afterwards.
func TestWithoutTheDatabase(t *testing.T) {
	outages := map[string]struct {
		begin, end func(*testing.T, *ovn.Central)
	}{
		"killed": {
			func(t *testing.T, nb *ovn.Central) { must(t, nb.KillNB()) },
			func(t *testing.T, nb *ovn.Central) { must(t, nb.RestartNB(t.Context())) },
		},
		"paused": {
			func(t *testing.T, nb *ovn.Central) { must(t, nb.PauseNB(t.Context())) },
			func(t *testing.T, nb *ovn.Central) { must(t, nb.ResumeNB()) },
		},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			nb := ovntest.NB(t, ovntest.Clustered())
			s := apiservertest.Start(t, func(o *apiserver.Options) { o.Northbound.Address = nb.NBAddress() })
			create(t, s, newVpc("vpc1"))

			outage.begin(t, nb)
			await(t, "/readyz/nb stays ready without a database", func() bool {
				return do(t, s, "GET", "/readyz/nb", "").StatusCode == http.StatusServiceUnavailable
			})
			for _, path := range []string{"/livez", "/readyz", "/apis", groupPath, "/openapi/v2", "/openapi/v3/apis/kubeovn.io/v1", "/metrics"} {
				if r := do(t, s, "GET", path, ""); r.StatusCode != http.StatusOK {
					t.Errorf("%s: %d", path, r.StatusCode)
				}
			}
			if r := do(t, s, "GET", groupPath+"/vpcs?resourceVersion=0", ""); r.StatusCode != http.StatusOK {
				t.Errorf("a list of any revision: %d %s", r.StatusCode, r.body)
			}
			await(t, "a consistent list is not refused", func() bool { return refused(t, do(t, s, "GET", groupPath+"/vpcs", "")) })
			start := time.Now()
			if r := do(t, s, "POST", groupPath+"/vpcs", `{"apiVersion":"kubeovn.io/v1","kind":"Vpc","metadata":{"name":"late"}}`); !refused(t, r) {
				t.Errorf("a write: %d %s", r.StatusCode, r.body)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("the refusal took %v", took)
			}

			outage.end(t, nb)
			await(t, "/readyz/nb does not recover", func() bool { return do(t, s, "GET", "/readyz/nb", "").StatusCode == http.StatusOK })
			create(t, s, newVpc("vpc2"))
			if _, err := client(t, s).Vpcs().Get(t.Context(), "vpc1", metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// refused reports whether the answer is a 503 that says when to come again.
func refused(t *testing.T, r reply) bool {
	t.Helper()
	if r.StatusCode != http.StatusServiceUnavailable {
		return false
	}
	if r.Header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %s", r.body)
	}
	return true
}

// TestStartWithoutTheDatabase: a server that never saw its database serves discovery.
func TestStartWithoutTheDatabase(t *testing.T) {
	nb := ovntest.NB(t)
	must(t, nb.KillNB())
	s := apiservertest.StartUnready(t, func(o *apiserver.Options) { o.Northbound.Address = nb.NBAddress() })
	for _, path := range []string{"/livez", "/readyz", groupPath, "/openapi/v3/apis/kubeovn.io/v1"} {
		if r := do(t, s, "GET", path, ""); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	await(t, "a list is not refused", func() bool { return refused(t, do(t, s, "GET", groupPath+"/vpcs", "")) })
	must(t, nb.RestartNB(t.Context()))
	await(t, "the default network is not created", func() bool {
		return do(t, s, "GET", groupPath+"/subnets/join", "").StatusCode == http.StatusOK
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
