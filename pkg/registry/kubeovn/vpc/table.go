package vpc

import (
	"context"

	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var columns = []metav1.TableColumnDefinition{
	{Name: "Name", Type: "string", Format: "name", Description: "The name of the Vpc and of its logical router."},
	{Name: "EnableExternal", Type: "boolean", Description: "Whether the router is connected with the default external Subnet."},
	{Name: "EnableBfd", Type: "boolean", Description: "Whether external default routes are watched by BFD."},
	{Name: "Standby", Type: "boolean", Description: "Whether the logical router exists."},
	{Name: "Subnets", Type: "string", Description: "The Subnets of the Vpc."},
	{Name: "ExtraExternalSubnets", Type: "string", Description: "Further external Subnets that the router is connected with."},
	{Name: "Namespaces", Type: "string", Description: "The only namespaces that may use the Vpc; none: any."},
	{Name: "DefaultSubnet", Type: "string", Description: "The Subnet of pods that name none."},
	{Name: "Age", Type: "string", Description: "Time since the creation."},
}

type table struct{}

// Table returns the columns of kubectl get. Nothing in them is newer than the object, so that the snapshot is not needed.
func Table(func() storage.View) rest.TableConvertor { return table{} }

// ConvertToTable implements rest.TableConvertor.
func (table) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	t := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		t.ColumnDefinitions = columns
	}
	kubeovn.CopyListMeta(obj, t)
	var err error
	t.Rows, err = metatable.MetaToTableRow(obj, func(obj runtime.Object, _ metav1.Object, name, age string) ([]any, error) {
		vpc := obj.(*v1.Vpc)
		return []any{
			name, vpc.Status.EnableExternal, vpc.Status.EnableBfd, vpc.Status.Standby, kubeovn.ListCell(vpc.Status.Subnets),
			kubeovn.ListCell(vpc.Status.ExtraExternalSubnets), kubeovn.ListCell(vpc.Spec.Namespaces), vpc.Status.DefaultLogicalSwitch, age,
		}, nil
	})
	return t, err
}
