package kubeovn

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Invalid is the refusal of a write for what is wrong with its fields: 422, nil when nothing is wrong.
func Invalid(kind, name string, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(v1.Kind(kind), name, errs)
}

// NotFound is the refusal of a reference to an object that does not exist; it says what to create.
func NotFound(path *field.Path, kind, name string) *field.Error {
	err := field.NotFound(path, name)
	err.Detail = "create the " + kind + " first"
	return err
}
