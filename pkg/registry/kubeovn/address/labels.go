package address

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// SetLabel sets a label; a value that no label can have, as a name of more than 63 characters, removes it.
func SetLabel(o metav1.Object, key, value string) {
	labels := o.GetLabels()
	if len(validation.IsValidLabelValue(value)) > 0 {
		delete(labels, key)
		return
	}
	if labels == nil {
		labels = map[string]string{}
		o.SetLabels(labels)
	}
	labels[key] = value
}
