package apiserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
)

// reviewed asks for a verdict on a pod, given as JSON; old is empty when the pod is new.
func reviewed(t *testing.T, s *apiservertest.Server, operation, pod, old string) *admissionv1.AdmissionResponse {
	t.Helper()
	if old == "" {
		old = "null"
	}
	r := do(t, s, "POST", "/validate/pods", fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":%q,"namespace":"default",
		"kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"object":%s,"oldObject":%s}}`, operation, pod, old))
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal([]byte(r.body), &review); err != nil {
		t.Fatal(err)
	}
	if review.Response == nil || review.Response.UID != "u1" || review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" {
		t.Fatalf("no answer to the review: %s", r.body)
	}
	return review.Response
}

func TestPodAdmission(t *testing.T) {
	s := apiservertest.Start(t)
	taken := newIP("web-0.default", "ovn-default")
	taken.Spec.IPAddress = "10.16.0.9"
	create(t, s, taken)
	pod := func(name, address, more string) string {
		return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"default","annotations":{"ovn.kubernetes.io/ip_address":%q}},"spec":{%s}}`, name, address, more)
	}
	for _, test := range []struct {
		name, operation, pod, old string
		want                      string // "" when it is allowed
	}{
		{"a free address", "CREATE", pod("a", "10.16.0.20", ""), "", ""},
		{"a taken address", "CREATE", pod("a", "10.16.0.9", ""), "", "10.16.0.9 is in use by IP web-0.default"},
		{"the pod's own address", "CREATE", pod("web-0", "10.16.0.9", ""), "", ""},
		{"a taken address on the host's network", "CREATE", pod("a", "10.16.0.9", `"hostNetwork":true`), "", ""},
		{"an update of something else", "UPDATE", pod("a", "10.16.0.9", ""), pod("a", "10.16.0.9", `"nodeName":"n1"`), ""},
		{"an update to a taken address", "UPDATE", pod("a", "10.16.0.9", ""), pod("a", "10.16.0.20", ""), "in use by IP web-0.default"},
		{"no pod", "CREATE", `[]`, "", "cannot unmarshal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := reviewed(t, s, test.operation, test.pod, test.old)
			if got.Allowed != (test.want == "") {
				t.Fatalf("got %+v", got)
			}
			if !got.Allowed && !strings.Contains(got.Result.Message, test.want) {
				t.Errorf("got %q, want it to say %q", got.Result.Message, test.want)
			}
		})
	}
	for name, request := range map[string]struct {
		method, body string
		want         int
	}{
		"no review":             {"POST", `{"kind":"Pod"}`, http.StatusBadRequest},
		"a review of something": {"POST", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, http.StatusBadRequest},
		"another method":        {"GET", "", http.StatusMethodNotAllowed},
	} {
		if r := do(t, s, request.method, "/validate/pods", request.body); r.StatusCode != request.want {
			t.Errorf("%s: got %d %s, want %d", name, r.StatusCode, r.body, request.want)
		}
	}
}
