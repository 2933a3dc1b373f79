package providernetwork

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

// Shape is what requests and tables need to know of the kind. The conditions of the status are the nodes' agents', who write
// them through the status subresource.
var Shape = &shape.Kind[*v1.ProviderNetwork]{
	Name:     "ProviderNetwork",
	Validate: validate,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("The name of the physical network."),
		shape.Text("DefaultInterface", "The interface of nodes that have none of their own."),
		shape.Flag("Ready", "Whether all nodes that report are connected."),
	},
	Cells: func(pn *v1.ProviderNetwork, name, _ string) []any {
		return []any{name, pn.Spec.DefaultInterface, pn.Status.Ready}
	},
}
