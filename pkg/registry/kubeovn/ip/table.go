package ip

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// The columns are the same in every version of Kube-OVN.
var columns = []metav1.TableColumnDefinition{
	{Name: "Name", Type: "string", Format: "name", Description: "Name of the interface's logical switch port."},
	{Name: "V4IP", Type: "string", Description: "IPv4 address."},
	{Name: "V6IP", Type: "string", Description: "IPv6 address."},
	{Name: "Mac", Type: "string", Description: "MAC of the interface."},
	{Name: "Node", Type: "string", Description: "Node on which the interface is."},
	{Name: "Subnet", Type: "string", Description: "Subnet of the addresses."},
}

// table prints IPs as the default convertor prints any object, with cells of their own.
type table struct{ rest.TableConvertor }

// Table returns the printer of `kubectl get ip`. It needs no other object.
func Table(func() storage.View) rest.TableConvertor {
	return table{rest.NewDefaultTableConvertor(v1.Resource("ips"))}
}

// ConvertToTable implements rest.TableConvertor.
func (t table) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	out, err := t.TableConvertor.ConvertToTable(ctx, obj, options)
	if err != nil {
		return nil, err
	}
	if out.ColumnDefinitions != nil {
		out.ColumnDefinitions = columns
	}
	for i := range out.Rows {
		if ip, ok := out.Rows[i].Object.Object.(*v1.IP); ok {
			s := &ip.Spec
			out.Rows[i].Cells = []any{ip.Name, s.V4IPAddress, s.V6IPAddress, s.MacAddress, s.NodeName, s.Subnet}
		}
	}
	return out, nil
}
