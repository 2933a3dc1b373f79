package kindtest

import (
	"slices"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

// accompany creates the companions that an object wants and removes those that only its former state wanted. own is nil when
// the object is gone. Companions of resources that this world has not are left out.
func (w *World) accompany(e *entry, old, own storage.Object) error {
	owner := e.resource.Name + "." + e.name
	var wanted []string
	if own != nil {
		for _, obj := range e.resource.DesiredCompanions(w, own) {
			r := w.resourceFor(obj)
			if r == nil {
				continue
			}
			wanted = append(wanted, r.Name+"/"+obj.GetName())
			if w.find(r.Name, obj.GetName()) != nil {
				continue
			}
			obj.SetLabels(map[string]string{storage.LabelCompanionOf: owner})
			if err := w.Create(obj); err != nil {
				return err
			}
		}
	}
	if old == nil {
		return nil
	}
	for _, obj := range e.resource.DesiredCompanions(w, old) {
		r := w.resourceFor(obj)
		if r == nil || slices.Contains(wanted, r.Name+"/"+obj.GetName()) {
			continue
		}
		companion := w.find(r.Name, obj.GetName())
		if companion == nil || companion.object.GetLabels()[storage.LabelCompanionOf] != owner {
			continue
		}
		if err := w.Delete(r.Name, obj.GetName()); err != nil {
			return err
		}
	}
	return nil
}
