package apiserver_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// event is what a watch has told.
type event struct {
	kind      watch.EventType
	name, uid string
	revision  uint64
	text      []byte
}

// watchLog is all that one watch has told, and what follows from it.
type watchLog struct {
	resource dynamic.ResourceInterface

	mu       sync.Mutex
	events   []event
	state    map[string]string // by name, as JSON
	problems []string
}

// follow watches a resource from what exists on, until the test ends.
func follow(t *testing.T, config *rest.Config, resource string) *watchLog {
	t.Helper()
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &watchLog{resource: c.Resource(v1.SchemeGroupVersion.WithResource(resource)), state: map[string]string{}}
	list, err := l.resource.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		l.state[list.Items[i].GetName()] = text(&list.Items[i])
	}
	w, err := l.resource.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for e := range w.ResultChan() {
			l.note(e)
		}
	}()
	t.Cleanup(func() { w.Stop(); <-stopped })
	return l
}

func text(o *unstructured.Unstructured) string {
	out, _ := json.Marshal(o.Object)
	return string(out)
}

// note takes an event, which must follow from those before.
func (l *watchLog) note(e watch.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		l.problems = append(l.problems, fmt.Sprintf("%s of a %T: %v", e.Type, e.Object, e.Object))
		return
	}
	revision, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	if n := len(l.events); n > 0 && l.events[n-1].revision >= revision {
		l.problems = append(l.problems, fmt.Sprintf("%s %s: revision %d after %d", e.Type, o.GetName(), revision, l.events[n-1].revision))
	}
	_, known := l.state[o.GetName()]
	if known == (e.Type == watch.Added) {
		l.problems = append(l.problems, fmt.Sprintf("%s %s at %d, known %t", e.Type, o.GetName(), revision, known))
	}
	now := text(o)
	l.events = append(l.events, event{e.Type, o.GetName(), string(o.GetUID()), revision, []byte(now)})
	if e.Type == watch.Deleted {
		delete(l.state, o.GetName())
	} else {
		l.state[o.GetName()] = now
	}
}

func (l *watchLog) log() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// differs says in what the state that the watch has told of differs from what is there.
func (l *watchLog) differs(t *testing.T) string {
	t.Helper()
	list, err := l.resource.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]string{}
	for i := range list.Items {
		there[list.Items[i].GetName()] = text(&list.Items[i])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return gocmp.Diff(there, l.state)
}

// compareWatches holds the watches of all sites to what is there, and to the order of events.
func (p *playground) compareWatches(t *testing.T) {
	t.Helper()
	for i, s := range p.sites {
		for resource, l := range s.watches {
			await(t, fmt.Sprintf("the watch of %s at server %d does not tell of all", resource, i), func() bool { return l.differs(t) == "" })
			l.mu.Lock()
			for _, problem := range l.problems {
				t.Errorf("watch of %s at server %d: %s", resource, i, problem)
			}
			l.mu.Unlock()
		}
	}
	for resource, l := range p.sites[0].watches {
		for i, s := range p.sites[1:] {
			if diff := gocmp.Diff(l.snapshot(), s.watches[resource].snapshot()); diff != "" {
				t.Errorf("the watches of %s at servers 0 and %d end differently:\n%s", resource, 1+i, diff)
			}
		}
	}
}

func (l *watchLog) snapshot() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{}
	for name, text := range l.state {
		out[name] = text
	}
	return out
}
