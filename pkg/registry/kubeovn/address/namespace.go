package address

import (
	"fmt"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// CheckNamespace refuses a namespace that the VPC of a subnet does not admit (Vpc spec.namespaces; empty admits all).
func CheckNamespace(v storage.View, s *v1.Subnet, namespace string) error {
	vpc, ok := storage.Get[*v1.Vpc](v, "vpcs", s.Spec.Vpc)
	if !ok || namespace == "" || len(vpc.Spec.Namespaces) == 0 || slices.Contains(vpc.Spec.Namespaces, namespace) {
		return nil
	}
	return fmt.Errorf("namespace '%s' is out of range to custom vpc '%s'", namespace, vpc.Name)
}
