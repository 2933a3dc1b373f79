package vpc

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
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
	shape.AgeColumn(),
}

// Table returns the columns of kubectl get. Nothing in them is newer than the object, so that the snapshot is not needed.
func Table(func() storage.View) rest.TableConvertor { return shape.NewTable(nil, columns, cells) }

func cells(_ storage.View, vpc *v1.Vpc, name, age string) []any {
	s := &vpc.Status
	return []any{
		name, s.EnableExternal, s.EnableBfd, s.Standby, kubeovn.ListCell(s.Subnets), kubeovn.ListCell(s.ExtraExternalSubnets),
		kubeovn.ListCell(vpc.Spec.Namespaces), s.DefaultLogicalSwitch, age,
	}
}
