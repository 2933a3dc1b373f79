package apiserver_test

import (
	"cmp"
	"maps"
	"slices"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

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
