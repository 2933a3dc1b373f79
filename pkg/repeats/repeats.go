// Package repeats slows down clients that write one object again and again: two programs that undo each other's work, or one that never
// finds its own. Every such write is legitimate by itself; what is wrong is only seen here, where all writes of a program pass.
package repeats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
)

const (
	// free is how many writes to one object may follow each other without a pause.
	free = 10
	// quiet is how long nobody must write to an object until it counts as new; shorter than the time between two heartbeats.
	quiet = 5 * time.Second
	// firstPause is the least time between the last of those and the next write; it doubles with each, up to lastPause.
	firstPause, lastPause = 100 * time.Millisecond, time.Second
	// logEvery is the time between two lines about one object.
	logEvery = time.Minute
	// swept is the number of objects above which those that are quiet are forgotten.
	swept = 1000
	// longest bounds the body of a creation whose name is read.
	longest = 1 << 20
)

var repeated = metrics.NewCounterVec(&metrics.CounterOpts{
	Namespace: "northbound", Subsystem: "client", Name: "repeated_writes_total",
	Help: "Writes that had to wait, up to a second, because this program had written the object more than 10 times without a break of 5 seconds, " +
		"by resource. Something undoes what this program does, or it never finds its own work.",
	StabilityLevel: metrics.ALPHA,
}, []string{"resource"})

var registerOnce sync.Once

// Limiter counts the writes to each object. Its methods may be called by several goroutines.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	objects map[string]*object
}

// object is what is known of the writes to one object.
type object struct {
	writes             int
	last, next, logged time.Time // of the last write, of the next at the earliest, of the last line in the log
}

// Error is the error of a write that must wait, from a transport that does not: the caller tries again after that time.
type Error struct {
	Object string
	After  time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s was written %d times in quick succession: again in %v", e.Object, free, e.After)
}

// New returns a Limiter for all clients of a program, and registers its metric.
func New() *Limiter {
	registerOnce.Do(func() { legacyregistry.MustRegister(repeated) })
	return &Limiter{now: time.Now, objects: map[string]*object{}}
}

// Wait returns a transport whose repeated writes wait; it is for rest.Config.Wrap.
func (l *Limiter) Wait(next http.RoundTripper) http.RoundTripper {
	return &transport{limiter: l, next: next, wait: true}
}

// Refuse returns a transport whose repeated writes fail with an Error: for callers with a queue, whose workers have other work.
func (l *Limiter) Refuse(next http.RoundTripper) http.RoundTripper {
	return &transport{limiter: l, next: next}
}

// note counts a write, unless it must wait: then it returns for how long, and whether that is worth a line in the log.
func (l *Limiter) note(name string) (pause time.Duration, log bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	o := l.objects[name]
	if o == nil || now.Sub(o.last) > quiet {
		l.sweep(now)
		o = &object{}
		l.objects[name] = o
	}
	if pause = o.next.Sub(now); pause > 0 {
		if log = now.Sub(o.logged) > logEvery; log {
			o.logged = now
		}
		return pause, log
	}
	o.writes++
	o.last = now
	if over := o.writes - free; over >= 0 {
		o.next = now.Add(min(firstPause<<min(over, 10), lastPause))
	}
	return 0, false
}

// sweep forgets objects that nobody writes any more, when there are many.
func (l *Limiter) sweep(now time.Time) {
	if len(l.objects) < swept {
		return
	}
	for name, o := range l.objects {
		if now.Sub(o.last) > quiet {
			delete(l.objects, name)
		}
	}
}

// transport lets repeated writes wait, or refuses them.
type transport struct {
	limiter *Limiter
	next    http.RoundTripper
	wait    bool
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	name, resource, err := target(r)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return t.next.RoundTrip(r)
	}
	for waited := false; ; waited = true {
		pause, log := t.limiter.note(name)
		if pause <= 0 {
			return t.next.RoundTrip(r)
		}
		if !waited {
			repeated.WithLabelValues(resource).Inc()
		}
		if log {
			klog.FromContext(r.Context()).Info("Writing an object again and again: something undoes it", "object", name, "verb", r.Method)
		}
		if !t.wait {
			return nil, &Error{Object: name, After: pause}
		}
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// WrappedRoundTripper returns the transport within; see k8s.io/apimachinery/pkg/util/net.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// target is the object that a request writes, as its path without the server, and its resource; the name is empty when the request writes
// none, or one that is written often by its nature: events, leases, questions about rights.
func target(r *http.Request) (name, resource string, err error) {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return "", "", nil
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	at := 2 // api/v1/RESOURCE
	if parts[0] == "apis" {
		at = 3 // apis/GROUP/v1/RESOURCE
	}
	if len(parts) > at+2 && parts[at] == "namespaces" {
		at += 2
	}
	if len(parts) <= at {
		return "", "", nil
	}
	resource = parts[at]
	switch resource {
	case "events", "leases", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews":
		return "", "", nil
	}
	if r.Method != http.MethodPost {
		if len(parts) == at+1 {
			return "", "", nil // A deletion of a collection.
		}
		return strings.Join(parts[:at+2], "/"), resource, nil // A subresource counts as its object.
	}
	created, err := nameInBody(r)
	if created == "" || err != nil {
		return "", "", err
	}
	return strings.Join(append(parts[:at+1:at+1], created), "/"), resource, nil
}

// nameInBody is the name of the object that a request creates, empty when the server gives it one.
func nameInBody(r *http.Request) (string, error) {
	if r.Body == nil || !strings.Contains(r.Header.Get("Content-Type"), "json") || r.ContentLength > longest {
		return "", nil
	}
	var body io.ReadCloser
	var err error
	if r.GetBody != nil {
		body, err = r.GetBody()
	} else {
		var all []byte
		all, err = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(all))
		body = io.NopCloser(bytes.NewReader(all))
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	var object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := json.NewDecoder(body).Decode(&object); err != nil {
		return "", nil // The server says what is wrong.
	}
	return object.Metadata.Name, nil
}
