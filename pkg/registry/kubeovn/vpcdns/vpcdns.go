// Package vpcdns is the kind VpcDns: a DNS server for the pods of a Vpc. Of several in one Vpc one is active, and stays it; the
// oldest of the others takes over in the transaction that deletes it. The server itself is a workload of the cluster, which the
// controller runs for the active one.
package vpcdns

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Resource is the plural name of the kind.
const Resource = "vpc-dnses"

const maxReplicas = 3

var (
	specPath   = field.NewPath("spec")
	vpcPath    = specPath.Child("vpc")
	subnetPath = specPath.Child("subnet")
)

// Shape is what requests and tables do with VpcDnses.
var Shape = &shape.Kind[*v1.VpcDns]{
	Name:     "VpcDns",
	Validate: validate,
	ValidateUpdate: func(d, old *v1.VpcDns) field.ErrorList {
		return shape.Fixed(vpcPath, d.Spec.Vpc, old.Spec.Vpc)
	},
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("Name of the VpcDns."),
		shape.Flag("Active", "Whether it is the one of its Vpc that is in effect."),
		shape.Text("Vpc", "Vpc whose pods it serves."),
		shape.Text("Subnet", "Subnet of the server."),
		shape.Wide(shape.Text("Corefile", "ConfigMap with the configuration.")),
	},
	Cells: func(d *v1.VpcDns, name, _ string) []any {
		return []any{name, d.Status.Active, d.Spec.Vpc, d.Spec.Subnet, d.Spec.Corefile}
	},
}

func validate(d *v1.VpcDns) field.ErrorList {
	s := &d.Spec
	errs := shape.ObjectName(vpcPath, s.Vpc, "the name of the Vpc")
	errs = append(errs, shape.ObjectName(subnetPath, s.Subnet, "the name of a Subnet of the Vpc")...)
	errs = append(errs, shape.OptionalName(specPath.Child("corefile"), s.Corefile)...)
	if s.Replicas < 0 || s.Replicas > maxReplicas {
		errs = append(errs, field.Invalid(specPath.Child("replicas"), s.Replicas, fmt.Sprintf("must be 1 to %d, or 0 for what the template says", maxReplicas)))
	}
	return errs
}

// NewResource returns what the engine knows about VpcDnses.
func NewResource(kubeovn.Config) *storage.Resource {
	return storage.NewResource(Resource, "VpcDns", func() *v1.VpcDns { return &v1.VpcDns{} }, storage.Kind[*v1.VpcDns]{
		References: references,
		Index:      func(d *v1.VpcDns) []string { return []string{keys(d.Spec.Vpc) + d.Name} },
		Plan:       plan,
		Derive:     func(v storage.View, d *v1.VpcDns) { d.Status.Active = active(v, d.Spec.Vpc) == d.Name },
		Affected:   affected,
	})
}

func references(d *v1.VpcDns) []storage.Ref {
	return []storage.Ref{
		{Resource: nb.Vpcs, Name: d.Spec.Vpc, Field: vpcPath.String()},
		{Resource: nb.Subnets, Name: d.Spec.Subnet, Field: subnetPath.String()},
	}
}

// keys begins the index keys of the VpcDnses of a Vpc.
func keys(vpc string) string { return "vpc-dns/" + vpc + "/" }

func plan(v storage.View, old, d *v1.VpcDns) error {
	if d == nil {
		return nil
	}
	// Whether it is active is no matter of who writes it.
	d.Status.Active = old != nil && old.Status.Active
	if old != nil && kubeovn.SameSpec(old, d) {
		return nil
	}
	var errs field.ErrorList
	if v.Get(nb.Vpcs, d.Spec.Vpc) == nil {
		errs = append(errs, kubeovn.NotFound(vpcPath, "Vpc", d.Spec.Vpc))
	}
	subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, d.Spec.Subnet)
	switch {
	case !ok:
		errs = append(errs, kubeovn.NotFound(subnetPath, "Subnet", d.Spec.Subnet))
	case len(errs) == 0 && subnet.Spec.Vpc != d.Spec.Vpc:
		errs = append(errs, field.Invalid(subnetPath, d.Spec.Subnet, fmt.Sprintf("subnet %s is not in vpc %s", subnet.Name, d.Spec.Vpc)))
	}
	return kubeovn.Invalid("VpcDns", d.Name, errs)
}

// siblings yields the VpcDnses of a Vpc.
func siblings(v storage.View, vpc string, yield func(*v1.VpcDns)) {
	for _, o := range v.Scan(keys(vpc), strings.TrimSuffix(keys(vpc), "/")+"0") {
		if d, ok := o.(*v1.VpcDns); ok {
			yield(d)
		}
	}
}

// active is the name of the VpcDns of a Vpc that is in effect: the one that was, or else the oldest. Creation times are of whole
// seconds, so that age alone would let one take over that is not older.
func active(v storage.View, vpc string) string {
	var best *v1.VpcDns
	siblings(v, vpc, func(d *v1.VpcDns) {
		if best == nil || before(d, best) {
			best = d
		}
	})
	if best == nil {
		return ""
	}
	return best.Name
}

func before(a, b *v1.VpcDns) bool {
	if a.Status.Active != b.Status.Active {
		return a.Status.Active
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

// affected are the others of the Vpc when one comes or goes.
func affected(v storage.View, old, d *v1.VpcDns) []storage.Ref {
	if old != nil && d != nil {
		return nil
	}
	if d == nil {
		d = old
	}
	var refs []storage.Ref
	siblings(v, d.Spec.Vpc, func(s *v1.VpcDns) { refs = append(refs, storage.Ref{Resource: Resource, Name: s.Name}) })
	return refs
}
