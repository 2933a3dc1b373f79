package address

import (
	"k8s.io/apimachinery/pkg/util/validation"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels that Kube-OVN sets on what holds addresses, and that its clients select by.
const (
	SubnetLabel   = "ovn.kubernetes.io/subnet"      // name of the Subnet
	NodeLabel     = "ovn.kubernetes.io/node-name"   // name of the node
	ReservedLabel = "ovn.kubernetes.io/ip_reserved" // on an IP "true" when no pod has it, on a Vip the name of the IP that uses it
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
