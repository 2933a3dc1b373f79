package controller

import (
	"bytes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
