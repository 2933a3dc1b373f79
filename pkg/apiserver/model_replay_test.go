package apiserver_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	ipam "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

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
