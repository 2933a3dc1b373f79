package controller

import (
	"bytes"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// formerManager wrote the same fields in clusters that come from Kube-OVN.
const formerManager = "kube-ovn-controller"

// owns reports whether the controller is an owner of a field of an object, by server-side apply or by its updates. The field
// is given as in managed fields, "f:enableExternal"; fields of the same name in other places count as well.
func owns(obj metav1.Object, field string) bool { return owned(obj, field, Manager) }

// setByOthers reports whether a field that an object has was written by somebody else alone.
func setByOthers(obj metav1.Object, field string) bool {
	return !owned(obj, field, Manager, formerManager)
}

func owned(obj metav1.Object, field string, managers ...string) bool {
	quoted := []byte(`"` + field + `":`)
	for _, entry := range obj.GetManagedFields() {
		for _, manager := range managers {
			if entry.Manager == manager && entry.FieldsV1 != nil && bytes.Contains(entry.FieldsV1.GetRawBytes(), quoted) {
				return true
			}
		}
	}
	return false
}

// fieldsOfOthers are the fields of an object that somebody else than a manager owns.
func fieldsOfOthers(obj metav1.Object, manager string) (*fieldpath.Set, error) {
	all := fieldpath.NewSet()
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager == manager || entry.FieldsV1 == nil {
			continue
		}
		var fields fieldpath.Set
		if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
			return nil, fmt.Errorf("managed fields of %s, of %s: %w", obj.GetName(), entry.Manager, err)
		}
		all = all.Union(&fields)
	}
	return all, nil
}
