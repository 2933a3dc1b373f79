package apiserver_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

var fewOperations = flag.Int("fewnames.operations", 40, "how many operations each client of TestFewNames does on each kind, and as many on all kinds mixed")

// fewClients is the number of clients of TestFewNames, which are spread over the servers.
const fewClients = 8

// Three names of each kind are created, changed and deleted by eight clients at two or three servers of one database, first kind by
// kind, so that an object often comes back under its name within one transaction, then all kinds mixed. Afterwards no row and no address is left over, the watches of all
// servers have told the same, and each name can be created and deleted through each server.
//
// "make test-few-names" runs it for longer.
func TestFewNames(t *testing.T) {
	for _, servers := range []int{2, 3} {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) { fewNames(t, servers) })
	}
}

func fewNames(t *testing.T, servers int) {
	p := newPlayground(t, servers)
	before := dump(t, p.sites[0].server.NBAddress, "Copp", "NB_Global")
	for _, op := range beginnings() {
		if a := p.perform(t, p.sites[0], op, nil).answer; a.verdict() != accepted {
			t.Fatalf("%s: %s", op, a.text)
		}
	}
	seed := rand.Uint64()
	r := invention{Rand: rand.New(rand.NewPCG(seed, 0)), there: p.there(p.sites[0])}
	h := &hammer{playground: p, accepted: map[string]int{}, objects: map[key]storage.Object{}}
	for i, resource := range hammered() {
		h.prepare(t, r, resource)
		h.strikes(t, seed, resource)
		h.comeAndGo(t, resource)
		if i < len(foundations)+len(moreFoundations) {
			h.put(t, h.sites[0], resource) // others need them
		}
		if t.Failed() {
			return
		}
	}
	h.strikes(t, seed, hammered()...)
	t.Logf("%d operations were accepted: %v", h.total(), h.accepted)
	if t.Failed() {
		return
	}
	p.settle(t)
	p.model.objects = objectsOf(p.sites[0].server.Engine.View(), p.options.Resources)
	for _, problem := range p.model.contradictions() {
		t.Error(problem)
	}
	p.compareWatches(t)
	checkRealized(t, p.options)
	p.model.objects = objectsOf(p.sites[0].server.Engine.View(), p.options.Resources)
	p.deleteAll(t, r)
	if diff := gocmp.Diff(before, dump(t, p.sites[0].server.NBAddress, "Copp", "NB_Global")); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// hammer is many clients that write few names.
type hammer struct {
	*playground
	sequence uint64 // of random numbers
	mu       sync.Mutex
	accepted map[string]int // by verb and resource

	objects map[key]storage.Object // of the names that come and go
}

func (h *hammer) total() (n int) {
	for _, count := range h.accepted {
		n += count
	}
	return n
}

// fewNamesOf returns the names of a resource that come and go. Those that others rest on are not among the objects that stay.
func fewNamesOf(resource string) []string {
	prefix, first := map[string]string{"vpcs": "vpc", "subnets": "net", "provider-networks": "pn", "vlans": "vlan", "ips": "pod"}[resource], 1
	switch resource {
	case "vpcs", "vlans":
		first = 3
	case "subnets", "ips":
		first = 5
	case "provider-networks":
		first = 2
	}
	if prefix == "" {
		prefix = "few"
	}
	var names []string
	for n := range 3 {
		name := fmt.Sprint(prefix, first+n)
		if resource == "ips" {
			name += ".ns1"
		}
		names = append(names, name)
	}
	return names
}

// strikes has all clients work on one resource, or on all of them, at the same time.
func (h *hammer) strikes(t *testing.T, seed uint64, resources ...string) {
	t.Helper()
	var targets []key
	for _, resource := range resources {
		for _, name := range fewNamesOf(resource) {
			targets = append(targets, key{resource, name})
		}
	}
	var work sync.WaitGroup
	for i := range fewClients {
		s := h.sites[i%len(h.sites)]
		h.sequence++
		r := invention{Rand: rand.New(rand.NewPCG(seed, h.sequence))}
		work.Go(func() {
			for range *fewOperations {
				h.strike(t, r, s, pick(r, targets...))
			}
		})
	}
	work.Wait()
}

// strike does one operation, whether or not the object exists.
func (h *hammer) strike(t *testing.T, r invention, s *site, k key) {
	t.Helper()
	op := operation{verb: pick(r, creates, creates, removes, removes, updates), resource: k.resource, object: h.objects[k]}
	var a answer
	switch op.verb {
	case creates:
		a = s.send(t, http.MethodPost, key{k.resource, ""}, "", h.body(t, k))
	case removes:
		a = s.send(t, http.MethodDelete, k, "", nil)
	case updates:
		a = s.send(t, http.MethodPatch, k, "", fmt.Appendf(nil, `{"metadata":{"labels":{"color":"%s"}}}`, pick(r, "red", "green")))
	}
	h.check(t, op, a)
	if a.verdict() == accepted {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.accepted[string(op.verb)+" "+k.resource]++
	}
}

func (h *hammer) body(t *testing.T, k key) []byte {
	t.Helper()
	body, err := json.Marshal(h.objects[k])
	if err != nil {
		t.Error(err)
	}
	return body
}

// prepare finds an object for each name of a resource, such that all of them can be there at the same time.
func (h *hammer) prepare(t *testing.T, r invention, resource string) {
	t.Helper()
	for _, name := range fewNamesOf(resource) {
		k := key{resource, name}
		h.objects[k] = h.create(t, r, h.sites[0], k)
	}
}

// moreFoundations are what some kinds need besides the foundations.
var moreFoundations = []string{"vpc-nat-gateways", "iptables-eips", "ovn-eips"}

// hammered returns all resources, those that others need first.
func hammered() []string {
	first := slices.Concat(foundations, moreFoundations)
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(inventors)), func(r string) bool { return slices.Contains(first, r) })
	return slices.Concat(first, others)
}

// check reports an answer that rests on the database's refusal: whatever a user writes, the server itself must know what is wrong.
func (h *hammer) check(t *testing.T, op operation, a answer) {
	t.Helper()
	if strings.Contains(a.text, "the Northbound database refuses") {
		t.Errorf("%s: %d %s", op, a.code, a.text)
	}
}

// comeAndGo deletes what is left of a resource, then creates each name through each server, and deletes it through another.
func (h *hammer) comeAndGo(t *testing.T, resource string) {
	t.Helper()
	for _, name := range fewNamesOf(resource) {
		h.sites[0].send(t, http.MethodDelete, key{resource, name}, "", nil)
	}
	for i, s := range h.sites {
		h.put(t, s, resource)
		for _, name := range fewNamesOf(resource) {
			h.remove(t, s, h.sites[(i+1)%len(h.sites)], key{resource, name})
		}
	}
}

// put creates all names of a resource through a server.
func (h *hammer) put(t *testing.T, s *site, resource string) {
	t.Helper()
	for _, name := range fewNamesOf(resource) {
		k := key{resource, name}
		if a := s.send(t, http.MethodPost, key{resource, ""}, "", h.body(t, k)); a.verdict() != accepted {
			t.Errorf("%s cannot be created through %s: %s", k, s.server.Config.Host, a.text)
		}
	}
}

// create makes up objects of a name until one is accepted, and returns it as it was sent.
func (h *hammer) create(t *testing.T, r invention, s *site, k key) storage.Object {
	t.Helper()
	const attempts = 300
	var last answer
	for range attempts {
		op := operation{verb: creates, resource: k.resource, object: newObject(k.resource, k.name, r)}
		if eip := reflect.ValueOf(op.object).Elem().FieldByName("Spec").FieldByName("EIP"); eip.IsValid() {
			eip.SetString(k.name) // each has one of its own
		}
		last = h.perform(t, s, op, nil).answer
		if last.verdict() == accepted {
			return op.object
		}
		h.check(t, op, last)
	}
	t.Fatalf("%s cannot be created: %s", k, last.text)
	return nil
}

// remove deletes an object through one server, and looks for it at another.
func (h *hammer) remove(t *testing.T, looks, deletes *site, k key) {
	t.Helper()
	if a := deletes.send(t, http.MethodDelete, k, "", nil); a.verdict() != accepted {
		t.Errorf("%s cannot be deleted: %s", k, a.text)
	}
	if a := looks.send(t, http.MethodGet, k, "", nil); a.code != http.StatusNotFound {
		t.Errorf("%s was deleted through another server, and is still there: %d", k, a.code)
	}
}
