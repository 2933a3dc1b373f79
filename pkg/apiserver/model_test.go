package apiserver_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var (
	modelSeed       = flag.Uint64("model.seed", 0, "what TestRandomOperations begins with; 0: something new")
	modelOperations = flag.Int("model.operations", 500, "how many operations TestRandomOperations does one after the other, and half as many at once")
)

// Random operations over all kinds, right and wrong, on two servers of one database. One after the other they are answered as the
// model says, and leave what the model says; at once they leave nothing that contradicts itself. In the end the rows are those that
// a new server wants, both servers' watches have told the same, a server of its own that gets the same writes in their order answers
// them in the same way, and the deletion of all leaves the database as it was.
//
// A failure is repeated with -model.seed; more is found with -model.operations.
func TestRandomOperations(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./pkg/apiserver -run TestRandomOperations -model.seed=%d -model.operations=%d", seed, *modelOperations)
	p := newPlayground(t, 2)
	p.checks = seed%2 == 0
	before := dump(t, p.sites[0].server.NBAddress, "Copp", "NB_Global")
	r := invention{Rand: rand.New(rand.NewPCG(seed, 0)), checks: p.checks, there: func() map[key]storage.Object { return p.model.objects }}

	steps := []struct {
		name string
		run  func()
	}{
		{"one after the other", func() { p.inTurns(t, r, *modelOperations) }},
		{"rows and status", func() { p.settle(t); checkRealized(t, p.options) }},
		{"at once", func() { p.atOnce(t, seed, *modelOperations/2) }},
		{"rows and status after that", func() { p.settle(t); checkRealized(t, p.options) }},
		{"watches", func() { p.compareWatches(t) }},
		{"the same on one server", func() {
			if !r.checks { // the server chooses addresses for those, which a manifest cannot name
				p.replay(t)
			}
		}},
		{"deletion of all", func() { p.deleteAll(t, r) }},
	}
	for _, step := range steps {
		step.run()
		if t.Failed() {
			t.Fatalf("in this step: %s", step.name)
		}
	}
	if diff := gocmp.Diff(before, dump(t, p.sites[0].server.NBAddress, "Copp", "NB_Global")); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// playground is several servers on one database.
type playground struct {
	sites   []*site
	options storage.Options // of an engine like theirs
	checks  bool            // see invention
	model   *model
	history []record
}

func newPlayground(t *testing.T, servers int) *playground {
	t.Helper()
	first := apiservertest.Start(t)
	p := &playground{}
	o := apiserver.NewOptions()
	p.model = &model{external: o.Network.ExternalGatewaySwitch}
	var err error
	if p.options, err = apiserver.EngineOptions(o, first.NBAddress); err != nil {
		t.Fatal(err)
	}
	p.sites = []*site{p.newSite(t, first)}
	for range servers - 1 {
		p.sites = append(p.sites, p.newSite(t, apiservertest.Start(t, func(o *apiserver.Options) { o.Northbound.Address = first.NBAddress })))
	}
	for _, s := range p.sites {
		for _, r := range p.options.Resources {
			s.watches[r.Name] = follow(t, s.server.Config, r.Name)
		}
	}
	p.model.objects = objectsOf(first.Engine.View(), p.options.Resources)
	return p
}

func (p *playground) newSite(t *testing.T, server *apiservertest.Server) *site {
	t.Helper()
	c, err := rest.HTTPClientFor(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &site{server: server, client: c, resources: p.options.Resources, watches: map[string]*watchLog{}}
}

// there are the objects that a site knows of.
func (p *playground) there(s *site) func() map[key]storage.Object {
	return func() map[key]storage.Object { return objectsOf(s.server.Engine.View(), p.options.Resources) }
}

func objectsOf(v storage.View, resources []*storage.Resource) map[key]storage.Object {
	out := map[key]storage.Object{}
	for _, r := range resources {
		for o := range v.List(r.Name) {
			out[key{r.Name, o.GetName()}] = o
		}
	}
	return out
}

// isDefault reports whether an object is one of those that every installation has: they are not played with.
func isDefault(k key) bool {
	return slices.Contains([]string{v1.DefaultVpc, v1.DefaultSubnet, v1.JoinSubnet}, k.name)
}

// inTurns does operations one after the other, each at one of the sites, and holds them to the model.
func (p *playground) inTurns(t *testing.T, r invention, count int) {
	t.Helper()
	said := map[verdict]int{}
	first := beginnings()
	for i := range count {
		if t.Failed() {
			return
		}
		s := pick(r, p.sites...)
		op := p.operation(r)
		if i < len(first) {
			op = first[i]
		}
		var want verdict
		var why string
		done := p.perform(t, s, op, func(sent operation) { want, why = p.model.judge(sent) })
		p.history = append(p.history, done)
		said[want]++
		if got := done.answer.verdict(); want != unknown && got != want {
			t.Errorf("operation %d, %s, is %s, want %s: %s\nsent: %s\nanswer: %s", i, op, got, want, why, done.body, done.answer.text)
			return
		}
		p.follow(t, s, done, i)
		if done.answer.verdict() == accepted {
			p.look(t, s, fmt.Sprintf("operation %d, %s", i, done))
		}
	}
	t.Logf("one after the other: %v", said)
}

// follow brings the model to the state after an operation, which the site must be in.
func (p *playground) follow(t *testing.T, s *site, done record, i int) {
	t.Helper()
	exists := existence{}
	for k, o := range p.model.objects {
		exists[k] = terminating(o)
	}
	if done.answer.verdict() == accepted {
		exists = p.model.apply(done.operation, done.answer.object)
	}
	before := p.model.objects[done.key()]
	s.send(t, http.MethodGet, key{"vpcs", v1.DefaultVpc}, "", nil) // what is read is up to date with the other server's writes
	p.model.objects = objectsOf(s.server.Engine.View(), p.options.Resources)
	got := existence{}
	for k, o := range p.model.objects {
		got[k] = terminating(o)
	}
	if !maps.Equal(exists, got) {
		t.Errorf("operation %d, %s: what exists, and whether it is being deleted (-model +server):\n%s", i, done, gocmp.Diff(exists, got))
	}
	for _, problem := range p.model.contradictions() {
		t.Errorf("operation %d, %s: %s\nsent: %s", i, done, problem, done.body)
	}
	if done.verb == reports && done.answer.verdict() == accepted && !hasReporters(done.resource) {
		if diff := gocmp.Diff(statusOf(before), statusOf(p.model.objects[done.key()])); diff != "" {
			t.Errorf("operation %d, %s: the status is what the user wrote (-before +after):\n%s", i, done, diff)
		}
	}
}

// look holds rows and status to what they should be just now. The usage of Subnets may lag.
func (p *playground) look(t *testing.T, s *site, after string) {
	t.Helper()
	view := s.server.Engine.View()
	problems := wrongRows(t, view, p.options)
	for _, problem := range wrongStatus(view, p.options.Resources) {
		if !strings.HasPrefix(problem, "subnets/") {
			problems = append(problems, problem)
		}
	}
	for _, problem := range problems {
		t.Errorf("after %s: %s", after, problem)
	}
}

// hasReporters reports whether agents or controllers write the status of a kind, wholly or in part.
func hasReporters(resource string) bool {
	return slices.Contains([]string{"provider-networks", "chassis", "switch-lb-rules", "vpc-dnses", "vpc-nat-gateways",
		"iptables-eips", "iptables-fip-rules", "iptables-snat-rules", "iptables-dnat-rules"}, resource)
}

// statusOf is the status without conditions, of which users may add their own, and without the usage of a Subnet, which may lag.
func statusOf(o storage.Object) map[string]any {
	var out struct {
		Status map[string]any `json:"status"`
	}
	text, _ := json.Marshal(o)
	_ = json.Unmarshal(text, &out)
	delete(out.Status, "conditions")
	maps.DeleteFunc(out.Status, func(field string, _ any) bool {
		return strings.Contains(field, "availableIP") || strings.Contains(field, "usingIP")
	})
	return out.Status
}

// atOnce does operations from several clients of all sites at the same time.
func (p *playground) atOnce(t *testing.T, seed uint64, count int) {
	t.Helper()
	const clients = 3 // of each site
	var mu sync.Mutex
	var done []record
	var wg sync.WaitGroup
	for i, s := range p.sites {
		for j := range clients {
			r := invention{Rand: rand.New(rand.NewPCG(seed, uint64(1+i*clients+j))), checks: p.checks, there: p.there(s)}
			wg.Go(func() {
				for range count / clients / len(p.sites) {
					d := p.perform(t, s, p.operation(r), nil)
					mu.Lock()
					done = append(done, d)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	p.settle(t)
	p.model.objects = objectsOf(p.sites[0].server.Engine.View(), p.options.Resources)
	for _, problem := range p.model.contradictions() {
		t.Error(problem)
	}
	// Refusals have no place in the order of writes.
	done = slices.DeleteFunc(done, func(d record) bool { return d.answer.verdict() != accepted })
	p.compareWatches(t)
	for i := range done {
		if done[i].answer.removed != "" {
			done[i].revision = p.removal(done[i])
		}
		if done[i].revision == 0 {
			t.Errorf("no watch has told of the end: %s %s", done[i], done[i].answer.removed)
		}
	}
	slices.SortStableFunc(done, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(btoi(a.verb == removes), btoi(b.verb == removes)))
	})
	p.history = append(p.history, done...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// removal is the revision at which an object was removed.
func (p *playground) removal(d record) uint64 {
	for _, s := range p.sites {
		for _, e := range s.watches[d.resource].log() {
			if e.kind == watch.Deleted && e.uid == d.answer.removed {
				return e.revision
			}
		}
	}
	return 0
}

// settle waits until the servers have the same state and there is nothing left to do: the status of Subnets may lag.
func (p *playground) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) { // what is wrong then is reported by the checks that follow
		settled := true
		for _, s := range p.sites {
			settled = settled && s.server.Engine.Stats().Revision == p.sites[0].server.Engine.Stats().Revision &&
				len(wrongStatus(s.server.Engine.View(), p.options.Resources)) == 0
		}
		if settled {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
}

// deleteAll deletes everything that was created, at random sites and in random order.
func (p *playground) deleteAll(t *testing.T, r invention) {
	t.Helper()
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(p.model.objects)), isDefault)
	slices.SortFunc(keys, compareKeys)
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		if a := pick(r, p.sites...).send(t, http.MethodDelete, k, "", nil); a.verdict() == denied && a.code != http.StatusNotFound {
			t.Errorf("delete %s: %d %s", k, a.code, a.text)
		} // what is not there has gone with another
	}
	for k := range objectsOf(p.sites[0].server.Engine.View(), p.options.Resources) {
		if !isDefault(k) && p.sites[0].send(t, http.MethodGet, k, "", nil).code == http.StatusOK {
			t.Errorf("%s is left: %+v", k, p.sites[0].server.Engine.View().Get(k.resource, k.name))
		}
	}
	p.settle(t)
	checkRealized(t, p.options)
}
