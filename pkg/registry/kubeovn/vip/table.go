package vip

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// The columns of Kube-OVN up to 1.11, which its guides show; the parent's addresses and MAC have no source any more and are
// empty. What later versions print besides is behind -o wide.
var columns = []metav1.TableColumnDefinition{
	{Name: "Name", Type: "string", Format: "name", Description: "Name of the Vip."},
	{Name: "V4IP", Type: "string", Description: "IPv4 address."},
	{Name: "PV4IP", Type: "string", Description: "Always empty."},
	{Name: "Mac", Type: "string", Description: "MAC that goes with the address."},
	{Name: "PMac", Type: "string", Description: "Always empty."},
	{Name: "V6IP", Type: "string", Description: "IPv6 address."},
	{Name: "PV6IP", Type: "string", Description: "Always empty."},
	{Name: "Subnet", Type: "string", Description: "Subnet of the address."},
	{Name: "Ready", Type: "boolean", Description: "Whether the address is assigned and its port, where one is needed, exists."},
	{Name: "Namespace", Type: "string", Priority: 1, Description: "Namespace of the pods that may carry the address."},
	{Name: "Type", Type: "string", Priority: 1, Description: "Use of the address."},
}

// table prints Vips as the default convertor prints any object, with cells of their own.
type table struct{ rest.TableConvertor }

// Table returns the printer of `kubectl get vip`. It needs no other object.
func Table(func() storage.View) rest.TableConvertor {
	return table{rest.NewDefaultTableConvertor(v1.Resource("vips"))}
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
		if vip, ok := out.Rows[i].Object.Object.(*v1.Vip); ok {
			s := &vip.Status
			out.Rows[i].Cells = []any{vip.Name, s.V4ip, "", s.Mac, "", s.V6ip, "", vip.Spec.Subnet, s.Ready, vip.Spec.Namespace, string(s.Type)}
		}
	}
	return out, nil
}
