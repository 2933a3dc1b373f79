package apiserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// verb is a way to write.
type verb string

const (
	creates verb = "create"
	updates verb = "update"
	reports verb = "update the status of"
	removes verb = "delete"
)

// operation is one write.
type operation struct {
	verb     verb
	resource string
	object   storage.Object // of a deletion: only its name
	seed     uint64         // of what updates change
}

func (op operation) key() key { return key{op.resource, op.object.GetName()} }

func (op operation) String() string { return fmt.Sprintf("%s %s", op.verb, op.key()) }

// answer is what a server said.
type answer struct {
	code    int
	reason  metav1.StatusReason
	text    string
	object  storage.Object // nil if the answer is none
	removed string         // UID of what was deleted
}

func (a answer) verdict() verdict {
	if a.code < 300 {
		return accepted
	}
	return denied
}

// record is an operation with its answer.
type record struct {
	operation
	body     []byte // what was sent
	answer   answer
	revision uint64 // at which it took place; 0: not known
}

// site is one server, and what it tells of its objects.
type site struct {
	server    *apiservertest.Server
	client    *http.Client
	resources []*storage.Resource
	watches   map[string]*watchLog // by resource
}

// perform does an operation at a site. Updates begin with what is stored; before is called when it is known what is sent.
func (p *playground) perform(t *testing.T, s *site, op operation, before func(operation)) record {
	t.Helper()
	const attempts = 50 // the server may write the status of Subnets in between
	for range attempts {
		if op.verb == updates || op.verb == reports {
			if stored := s.send(t, http.MethodGet, op.key(), "", nil); stored.object != nil {
				op.object = stored.object
			}
			r := invention{Rand: rand.New(rand.NewPCG(op.seed, 1)), checks: p.checks, there: p.there(s)}
			if op.verb == updates {
				r.alter(op.object, op.resource)
			} else {
				r.disturb(op.object)
			}
		}
		body, err := json.Marshal(op.object)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil {
			before(op)
		}
		done := record{operation: op, body: body}
		switch op.verb {
		case creates:
			done.answer = s.send(t, http.MethodPost, key{op.resource, ""}, "", body)
		case updates:
			done.answer = s.send(t, http.MethodPut, op.key(), "", body)
		case reports:
			done.answer = s.send(t, http.MethodPut, op.key(), "/status", body)
		case removes:
			done.answer = s.send(t, http.MethodDelete, op.key(), "", nil)
		}
		if done.answer.reason == metav1.StatusReasonConflict && op.verb != creates {
			continue
		}
		if done.answer.object != nil {
			done.revision, _ = strconv.ParseUint(done.answer.object.GetResourceVersion(), 10, 64)
		}
		return done
	}
	t.Fatalf("%s: always in conflict", op)
	return record{}
}

func (s *site) send(t *testing.T, method string, k key, subresource string, body []byte) (a answer) {
	t.Helper()
	url := s.server.Config.Host + groupPath + "/" + k.resource
	if k.name != "" {
		url += "/" + k.name + subresource
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.code = res.StatusCode
	var said metav1.TypeMeta
	if err := json.Unmarshal(content, &said); err != nil {
		t.Fatalf("%s %s: %d, %v: %s", method, k, a.code, err, content)
	}
	if said.Kind != "Status" {
		for _, r := range s.resources {
			if r.Name == k.resource {
				a.object = r.New()
			}
		}
		if err := json.Unmarshal(content, a.object); err != nil {
			t.Fatal(err)
		}
		return a
	}
	var status metav1.Status
	if err := json.Unmarshal(content, &status); err != nil {
		t.Fatal(err)
	}
	a.reason, a.text = status.Reason, status.Message
	if status.Details != nil {
		a.removed = string(status.Details.UID)
	}
	switch a.code {
	case http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
	default:
		t.Fatalf("%s %s: neither accepted nor refused: %d %s\n%s", method, k, a.code, content, body)
	}
	return a
}
