package repeats

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://server.example"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestTheObjectThatARequestWrites(t *testing.T) {
	const ip = "/apis/kubeovn.io/v1/ips"
	for _, test := range []struct{ method, path, body, name, resource string }{
		{"GET", ip + "/a", "", "", ""},
		{"DELETE", ip + "/a", "", "apis/kubeovn.io/v1/ips/a", "ips"},
		{"POST", ip, `{"metadata":{"name":"a"}}`, "apis/kubeovn.io/v1/ips/a", "ips"},
		{"POST", ip, `{"metadata":{"generateName":"a"}}`, "", ""},
		{"POST", ip, `nonsense`, "", ""},
		{"PATCH", ip + "/a/status", "{}", "apis/kubeovn.io/v1/ips/a", "ips"},
		{"DELETE", ip, "", "", ""},
		{"PATCH", "/api/v1/nodes/n1/status", "{}", "api/v1/nodes/n1", "nodes"},
		{"PATCH", "/api/v1/namespaces/a", "{}", "api/v1/namespaces/a", "namespaces"},
		{"PATCH", "/api/v1/namespaces/a/pods/b", "{}", "api/v1/namespaces/a/pods/b", "pods"},
		{"POST", "/api/v1/namespaces/a/pods", `{"metadata":{"name":"b"}}`, "api/v1/namespaces/a/pods/b", "pods"},
		{"POST", "/apis/events.k8s.io/v1/namespaces/a/events", `{"metadata":{"name":"b"}}`, "", ""},
		{"PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "{}", "", ""},
		{"POST", "/", "{}", "", ""},
	} {
		name, resource, err := target(request(t, test.method, test.path, test.body))
		if err != nil || name != test.name || resource != test.resource {
			t.Errorf("%s %s: got %q of %q (%v), want %q of %q", test.method, test.path, name, resource, err, test.name, test.resource)
		}
	}
}

// counter counts the requests that reach the server.
type counter int

func (c *counter) RoundTrip(*http.Request) (*http.Response, error) {
	*c++
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// TestWhoUndoesEachOtherSlowsDown is the fight of an agent and a controller over one object: a creation and a deletion in turn.
func TestWhoUndoesEachOtherSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent counter
		client := &http.Client{Transport: New().Wait(&sent)}
		began := time.Now()
		for time.Since(began) < time.Minute {
			for _, r := range []*http.Request{
				request(t, "POST", "/apis/kubeovn.io/v1/ips", `{"metadata":{"name":"node-n1"}}`), request(t, "DELETE", "/apis/kubeovn.io/v1/ips/node-n1", ""),
			} {
				if _, err := client.Do(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		if sent < free+50 || sent > free+70 {
			t.Errorf("%d writes in a minute, want %d and one a second", sent, free)
		}
		// Another object does not wait, nor does this one after a while.
		for _, name := range []string{"node-n2", "node-n1"} {
			time.Sleep(quiet + time.Second)
			before := time.Now()
			if _, err := client.Do(request(t, "DELETE", "/apis/kubeovn.io/v1/ips/"+name, "")); err != nil || time.Since(before) > 0 {
				t.Errorf("a write to %s waits %v: %v", name, time.Since(before), err)
			}
		}
	})
}

func TestAWriteIsRefusedWhereNobodyMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent counter
		client := &http.Client{Transport: New().Refuse(&sent)}
		write := func() error {
			_, err := client.Do(request(t, "PATCH", "/api/v1/nodes/n1", "{}"))
			return err
		}
		for range free {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}
		var refused *Error
		if err := write(); !errors.As(err, &refused) || refused.After != firstPause || sent != free {
			t.Fatalf("got %v after %d writes, want a pause of %v", err, sent, firstPause)
		}
		time.Sleep(refused.After)
		if err := write(); err != nil {
			t.Error(err)
		}
	})
}

func TestWritesWithTimeBetweenThemDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for i := range 100 {
			if pause, _ := l.note("a"); pause > 0 {
				t.Fatalf("write %d waits %v", i, pause)
			}
			time.Sleep(lastPause)
		}
	})
}

func TestManyObjectsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for i := range 3 * swept {
			l.note(strings.Repeat("a", i+1))
			time.Sleep(20 * time.Millisecond)
		}
		if len(l.objects) > swept {
			t.Errorf("%d objects are remembered", len(l.objects))
		}
	})
}
