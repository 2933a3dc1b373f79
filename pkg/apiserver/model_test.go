package apiserver_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	ipam "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
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
	p := newPlayground(t)
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

// playground is two servers on one database.
type playground struct {
	sites   []*site
	options storage.Options // of an engine like theirs
	checks  bool            // see invention
	model   *model
	history []record
}

func newPlayground(t *testing.T) *playground {
	t.Helper()
	first := apiservertest.Start(t)
	second := apiservertest.Start(t, func(o *apiserver.Options) { o.Northbound.Address = first.NBAddress })
	p := &playground{}
	o := apiserver.NewOptions()
	p.model = &model{external: o.Network.ExternalGatewaySwitch}
	var err error
	if p.options, err = apiserver.EngineOptions(o, first.NBAddress); err != nil {
		t.Fatal(err)
	}
	p.sites = []*site{p.newSite(t, first), p.newSite(t, second)}
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

// newObject is an empty object of a resource with a name.
func newObject(resource, name string, r invention) storage.Object {
	o := inventors[resource].object(r, name)
	o.SetName(name)
	return o
}

// operation makes up a write.
func (p *playground) operation(r invention) operation {
	total := 0
	for _, i := range inventors {
		total += i.weight
	}
	n, resource := r.IntN(total), ""
	for _, name := range slices.Sorted(maps.Keys(inventors)) {
		if n -= inventors[name].weight; n < 0 {
			resource = name
			break
		}
	}
	op := operation{verb: pick(r, creates, creates, creates, creates, updates, updates, reports, removes), resource: resource, seed: r.Uint64()}
	name := r.known(resource, "")
	if name == "" && !r.oneIn(8) || op.verb == removes && slices.Contains(foundations, resource) && !r.oneIn(6) {
		op.verb = creates
	}
	if op.verb == reports && (resource == "ips" || resource == "vips") {
		op.verb = updates // these have no status of their own
	}
	if op.verb == creates || name == "" {
		name = r.free(resource)
		if r.there()[key{resource, name}] != nil && !r.oneIn(4) {
			op.verb = pick(r, updates, removes)
		}
	}
	if k, ok := p.obstacle(r); ok && r.oneIn(4) {
		return operation{verb: pick(r, removes, removes, updates), resource: k.resource, object: newObject(k.resource, k.name, r), seed: r.Uint64()}
	}
	op.object = newObject(resource, name, r)
	return op
}

// obstacle is an object that keeps others, which are being deleted, from vanishing, and that nothing holds itself.
func (p *playground) obstacle(r invention) (key, bool) {
	m := &model{external: p.model.external, objects: r.there()}
	var found []key
	for k, o := range m.objects {
		if terminating(o) {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return key{}, false
	}
	slices.SortFunc(found, compareKeys)
	k := pick(r, found...)
	for range 5 { // at most so many floors
		var holders []key
		for other, o := range m.objects {
			if other != k && slices.Contains(m.refs(o), k) {
				holders = append(holders, other)
			}
		}
		if len(holders) == 0 {
			break
		}
		slices.SortFunc(holders, compareKeys)
		k = pick(r, holders...)
	}
	return k, !isDefault(k)
}

func compareKeys(a, b key) int { return cmp.Compare(a.String(), b.String()) }

// foundations are what most others rest on: once they are being deleted, not much can be created any more.
var foundations = []string{"provider-networks", "vlans", "vpcs", "subnets"}

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
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) { // what is wrong then is reported by the checks that follow
		settled := p.sites[0].server.Engine.Stats().Revision == p.sites[1].server.Engine.Stats().Revision
		for _, s := range p.sites {
			settled = settled && len(wrongStatus(s.server.Engine.View(), p.options.Resources)) == 0
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
		pick(r, p.sites...).send(t, http.MethodDelete, k, "", nil) // it may have gone with another
	}
	for k := range objectsOf(p.sites[0].server.Engine.View(), p.options.Resources) {
		if !isDefault(k) && p.sites[0].send(t, http.MethodGet, k, "", nil).code == http.StatusOK {
			t.Errorf("%s is left", k)
		}
	}
	p.settle(t)
	checkRealized(t, p.options)
}

// replay does the accepted and, as far as their order is known, the refused operations on a server of its own, which must answer as
// these did and come to the same state.
func (p *playground) replay(t *testing.T) {
	t.Helper()
	alone := p.newSite(t, apiservertest.Start(t))
	for i, d := range p.history {
		body := map[string]any{}
		if err := json.Unmarshal(d.body, &body); err != nil {
			t.Fatal(err)
		}
		meta := body["metadata"].(map[string]any)
		for _, field := range []string{"uid", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"} {
			delete(meta, field)
		}
		if stored := alone.server.Engine.View().Get(d.resource, d.object.GetName()); d.verb != creates && stored != nil {
			meta["resourceVersion"] = stored.GetResourceVersion()
		}
		p.hint(alone.server.Engine.View(), d)
		again := p.resend(t, alone, d, body)
		if again.verdict() != d.answer.verdict() {
			t.Errorf("operation %d, %s, was %s and is %s on a server of its own\nsent: %s\nwas: %s\nis: %s",
				i, d, d.answer.verdict(), again.verdict(), d.body, d.answer.text, again.text)
			return
		}
	}
	await(t, "the status of Subnets is not brought up to date", func() bool { return len(wrongStatus(alone.server.Engine.View(), p.options.Resources)) == 0 })
	want, got := normalized(t, p.sites[0].server.Engine.View(), p.options.Resources), normalized(t, alone.server.Engine.View(), p.options.Resources)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the same writes on one server end in another state (-two servers +one):\n%s", diff)
	}
}

func (p *playground) resend(t *testing.T, alone *site, d record, body map[string]any) (a answer) {
	t.Helper()
	for range 50 {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		switch d.verb {
		case creates:
			return alone.send(t, http.MethodPost, key{d.resource, ""}, "", text)
		case removes:
			return alone.send(t, http.MethodDelete, d.key(), "", nil)
		case updates:
			a = alone.send(t, http.MethodPut, d.key(), "", text)
		case reports:
			a = alone.send(t, http.MethodPut, d.key(), "/status", text)
		}
		if a.reason != metav1.StatusReasonConflict {
			return a
		}
		body["metadata"].(map[string]any)["resourceVersion"] = alone.send(t, http.MethodGet, d.key(), "", nil).object.GetResourceVersion()
	}
	return a
}

// hint makes the server choose the addresses that were chosen the first time.
func (p *playground) hint(v storage.View, d record) {
	if d.answer.object == nil {
		return
	}
	chosen := p.model.addresses(d.answer.object)
	if vpc, ok := d.answer.object.(*v1.Vpc); ok {
		for _, subnet := range p.model.externals(vpc) {
			if e := p.arrival(vpc.Name+"-"+subnet, d.revision); e != nil {
				chosen = append(chosen, p.model.addresses(e)...)
			}
		}
	}
	for _, a := range chosen {
		if subnet, ok := storage.Get[*v1.Subnet](v, "subnets", a.subnet); ok {
			ipam.Resume(v, subnet, a.addr)
		}
	}
}

// arrival is the OvnEip that was created with a Vpc's write.
func (p *playground) arrival(name string, after uint64) *v1.OvnEip {
	var first *event
	for _, s := range p.sites {
		for _, e := range s.watches["ovn-eips"].log() {
			if e.kind == watch.Added && e.name == name && e.revision > after && (first == nil || e.revision < first.revision) {
				first = &e
			}
		}
	}
	if first == nil {
		return nil
	}
	eip := &v1.OvnEip{}
	_ = json.Unmarshal(first.text, eip)
	return eip
}

// variable is what differs between two servers that got the same writes.
var variable = regexp.MustCompile(`"[0-9a-f]{8}-[0-9a-f-]{27}"|"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+Z"|(?i:[0-9a-f]{2}:){5}(?i:[0-9a-f]{2})|"resourceVersion": "[0-9]+"`)

// normalized is all objects as text, without what is of one server.
func normalized(t *testing.T, v storage.View, resources []*storage.Resource) map[string]string {
	t.Helper()
	out := map[string]string{}
	for k, o := range objectsOf(v, resources) {
		o = o.DeepCopyObject().(storage.Object)
		o.SetManagedFields(nil)
		if dns, ok := o.(*v1.VpcDns); ok {
			dns.Status.Active = false // the first that was created, in a time that has seconds
		}
		text, err := json.MarshalIndent(o, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		out[k.String()] = variable.ReplaceAllString(string(text), "X")
	}
	return out
}
