package switchlbrule

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// homeAnnotations are the annotations by which a user names the Vpc of a rule: the Vpc, its router, or a Subnet in it.
var homeAnnotations = []string{v1.AnnotationVpc, v1.AnnotationLogicalRouter, v1.AnnotationLogicalSwitch}

// home is where a stored rule balances. A Subnet is that of one Vpc for good: Plan has written this Vpc to the status.
func home(r *v1.SwitchLBRule) lbplace.Home {
	for _, key := range homeAnnotations[:2] {
		if vpc := r.Annotations[key]; vpc != "" {
			return lbplace.Home{Vpc: vpc}
		}
	}
	if r.Annotations[v1.AnnotationLogicalSwitch] != "" {
		return lbplace.Home{Vpc: r.Status.Vpc}
	}
	return lbplace.Home{Namespace: r.Spec.Namespace}
}

// namedVpc returns the Vpc that the annotations of a rule name, "" when they name none. They have to agree.
func namedVpc(v storage.View, r *v1.SwitchLBRule) (string, *field.Error) {
	vpc, by := "", ""
	for _, key := range homeAnnotations {
		value, path := r.Annotations[key], annotationsPath.Key(key)
		if value == "" {
			continue
		}
		named := value
		if key == v1.AnnotationLogicalSwitch {
			subnet, ok := storage.Get[*v1.Subnet](v, nb.Subnets, value)
			switch {
			case !ok:
				return "", kubeovn.NotFound(path, "Subnet", value)
			case subnet.Spec.Vpc == "":
				return "", field.Invalid(path, value, fmt.Sprintf("subnet %s belongs to no vpc: name one that does, or the Vpc by the annotation %s", value, v1.AnnotationVpc))
			}
			named = subnet.Spec.Vpc
		} else if v.Get(nb.Vpcs, value) == nil {
			return "", kubeovn.NotFound(path, "Vpc", value)
		}
		if vpc != "" && vpc != named {
			return "", field.Invalid(path, value, fmt.Sprintf("is in vpc %s, but the annotation %s names vpc %s: remove one of them", named, by, vpc))
		}
		vpc, by = named, key
	}
	return vpc, nil
}

// sameHome reports whether two versions of a rule name the same Vpc, or none.
func sameHome(a, b *v1.SwitchLBRule) bool {
	for _, key := range homeAnnotations {
		if a.Annotations[key] != b.Annotations[key] {
			return false
		}
	}
	return true
}

// homeReferences hold what the annotations name.
func homeReferences(r *v1.SwitchLBRule) []storage.Ref {
	var refs []storage.Ref
	if vpc := home(r).Vpc; vpc != "" {
		key := v1.AnnotationVpc
		if r.Annotations[key] == "" {
			key = v1.AnnotationLogicalRouter
		}
		refs = append(refs, storage.Ref{Resource: nb.Vpcs, Name: vpc, Field: annotationsPath.Key(key).String()})
	}
	if subnet := r.Annotations[v1.AnnotationLogicalSwitch]; subnet != "" {
		refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: subnet, Field: annotationsPath.Key(v1.AnnotationLogicalSwitch).String()})
	}
	return refs
}
