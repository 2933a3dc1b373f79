// Package shape holds what kinds say about themselves besides their functions: the form of their objects, which requests are held
// to before anything is looked up, and the columns of their tables. A kind is one value of type Kind.
package shape

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Kind describes a kind of objects whose status is the server's, planned and derived in the commit. T is the pointer type of its
// objects.
type Kind[T storage.Object] struct {
	// Name is the Go name of the kind, "OvnEip".
	Name string
	// Validate says what is wrong with an object, without looking at others; the name is looked at already.
	Validate func(T) field.ErrorList
	// ValidateUpdate refuses changes of what is decided once; what Validate says needs no repetition. Optional.
	ValidateUpdate func(obj, old T) field.ErrorList
	// ValidateStatus says what is wrong with a status that a client writes. Optional: most of it is derived anew anyway.
	ValidateStatus func(T) field.ErrorList

	// Columns are those of kubectl get, the name included.
	Columns []metav1.TableColumnDefinition
	// Cells are the cells of an object; age is the time since its creation.
	Cells func(obj T, name, age string) []any
}

// Strategy returns the strategy of the main resource.
func (k *Kind[T]) Strategy(typer runtime.ObjectTyper) kubeovn.ShapeStrategy[T] {
	return kubeovn.NewShapeStrategy(typer, kubeovn.Shape[T]{Check: k.validate, Update: k.ValidateUpdate})
}

// StatusStrategy returns the strategy of the status subresource. What is sent as status is planned and derived anew.
func (k *Kind[T]) StatusStrategy(typer runtime.ObjectTyper) kubeovn.StatusStrategy {
	s := kubeovn.NewStatusStrategy(typer)
	if k.ValidateStatus != nil {
		s.Check = func(obj runtime.Object) field.ErrorList { return k.ValidateStatus(obj.(T)) }
	}
	return s
}

// SelectableFields are the fields by which lists and watches of the kind may select.
func (k *Kind[T]) SelectableFields(obj T) fields.Set { return SelectableFields(k.Name, obj) }

// SelectableFields are the fields by which lists and watches of a kind, given by its Go name, may select.
func SelectableFields(kind string, obj storage.Object) fields.Set {
	set := fields.Set{metav1.ObjectNameField: obj.GetName()}
	for _, f := range v1.SelectableFields(kind) {
		set[f.Label] = f.Value(obj)
	}
	return set
}

func (k *Kind[T]) validate(obj T) field.ErrorList {
	return append(OwnName(obj.GetName()), k.Validate(obj)...)
}
