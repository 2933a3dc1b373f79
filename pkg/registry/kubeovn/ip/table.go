package ip

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// The columns are the same in every version of Kube-OVN.
var columns = []metav1.TableColumnDefinition{
	shape.NameColumn("Name of the interface's logical switch port."),
	shape.Text("V4IP", "IPv4 address."),
	shape.Text("V6IP", "IPv6 address."),
	shape.Text("Mac", "MAC of the interface."),
	shape.Text("Node", "Node on which the interface is."),
	shape.Text("Subnet", "Subnet of the addresses."),
}

// Table returns the printer of `kubectl get ip`. It needs no other object.
func Table(func() storage.View) rest.TableConvertor {
	return shape.NewTable(nil, columns, func(_ storage.View, ip *v1.IP, name, _ string) []any {
		s := &ip.Spec
		return []any{name, s.V4IPAddress, s.V6IPAddress, s.MacAddress, s.NodeName, s.Subnet}
	})
}
