package storage

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// LabelCompanionOf is on an object that exists on behalf of another, its value "<resource>.<name>". Without it an object is
// somebody's own, and stays when the other no longer wants it.
const LabelCompanionOf = "kubeovn.io/companion-of"

// accompany creates the companions that e wants and removes those that only old wanted. e is nil when the object is gone.
func (b *batch) accompany(old, e *entry) error {
	res := cmp.Or(e, old).res
	if res.companions == nil {
		return nil
	}
	var wanted []string
	if e != nil {
		for _, obj := range res.companions(b.work, e.obj) {
			key, err := b.companion(e, obj)
			if err != nil {
				return err
			}
			wanted = append(wanted, key)
		}
	}
	if old == nil || old.obj == nil {
		return nil
	}
	for _, obj := range res.companions(b.base, old.obj) {
		target := b.e.resourceFor(obj)
		if target == nil {
			continue
		}
		key := "/" + target.Name + "/" + obj.GetName()
		cur := b.work.get(key)
		if slices.Contains(wanted, key) || cur == nil || cur.obj == nil || cur.obj.GetLabels()[LabelCompanionOf] != companionOf(old) {
			continue
		}
		if b.work.held(target.Name, obj.GetName()) {
			b.terminate(cur)
		} else if _, err := b.vanish(cur); err != nil {
			return err
		}
	}
	return nil
}

// companion creates a companion unless an object of that name is there.
func (b *batch) companion(owner *entry, obj Object) (key string, err error) {
	res := b.e.resourceFor(obj)
	if res == nil {
		return "", nil
	}
	key = "/" + res.Name + "/" + obj.GetName()
	if b.work.get(key) != nil {
		return key, nil
	}
	labels := map[string]string{}
	for k, v := range obj.GetLabels() {
		labels[k] = v
	}
	labels[LabelCompanionOf] = companionOf(owner)
	obj.SetLabels(labels)
	obj.SetUID(types.UID(uuid.NewString()))
	obj.SetCreationTimestamp(b.now)
	obj.SetGeneration(1)
	return key, b.create(&write{verb: create, res: res, key: key, uuid: ovsdb.NewUUID(), obj: obj})
}

func companionOf(e *entry) string { return e.res.Name + "." + e.name() }
