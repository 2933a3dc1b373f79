package vip

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// The columns of Kube-OVN up to 1.11, which its guides show; the parent's addresses and MAC have no source any more and are
// empty. What later versions print besides is behind -o wide.
var columns = []metav1.TableColumnDefinition{
	shape.NameColumn("Name of the Vip."),
	shape.Text("V4IP", "IPv4 address."),
	shape.Text("PV4IP", "Always empty."),
	shape.Text("Mac", "MAC that goes with the address."),
	shape.Text("PMac", "Always empty."),
	shape.Text("V6IP", "IPv6 address."),
	shape.Text("PV6IP", "Always empty."),
	shape.Text("Subnet", "Subnet of the address."),
	shape.Flag("Ready", "Whether the address is assigned and its port, where one is needed, exists."),
	shape.Wide(shape.Text("Namespace", "Namespace of the pods that may carry the address.")),
	shape.Wide(shape.Text("Type", "Use of the address.")),
}

// Table returns the printer of `kubectl get vip`. It needs no other object.
func Table(func() storage.View) rest.TableConvertor {
	return shape.NewTable(nil, columns, func(_ storage.View, vip *v1.Vip, name, _ string) []any {
		s := &vip.Status
		return []any{name, s.V4ip, "", s.Mac, "", s.V6ip, "", vip.Spec.Subnet, s.Ready, vip.Spec.Namespace, string(s.Type)}
	})
}
