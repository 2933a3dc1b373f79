package kubeovn

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ListCell is how a table shows a list, as kubectl shows one of a custom resource: JSON, blank when there is none.
func ListCell(list []string) string {
	if list == nil {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(text)
}

// CopyListMeta gives a table the resource version of an object, or of a list with its continue token.
func CopyListMeta(obj runtime.Object, t *metav1.Table) {
	if list, err := meta.ListAccessor(obj); err == nil {
		t.ResourceVersion = list.GetResourceVersion()
		t.Continue = list.GetContinue()
		t.RemainingItemCount = list.GetRemainingItemCount()
		return
	}
	if o, err := meta.CommonAccessor(obj); err == nil {
		t.ResourceVersion = o.GetResourceVersion()
	}
}
