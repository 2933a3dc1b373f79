package shape

import (
	"context"
	"slices"

	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Table returns the printer of kubectl get. It needs no other object.
func (k *Kind[T]) Table(func() storage.View) rest.TableConvertor {
	return NewTable(nil, k.Columns, func(_ storage.View, obj T, name, age string) []any { return k.Cells(obj, name, age) })
}

// NewTable returns a printer with cells of its own. All rows of a table are of one snapshot, which is nil without a view; age is the
// time since the creation. Columns that have no Age get one at their end that kubectl shows with -o wide.
func NewTable[T storage.Object](view func() storage.View, columns []metav1.TableColumnDefinition,
	cells func(v storage.View, obj T, name, age string) []any) rest.TableConvertor {
	if slices.ContainsFunc(columns, func(c metav1.TableColumnDefinition) bool { return c.Name == ageName }) {
		return table[T]{view, columns, cells}
	}
	return table[T]{view, append(slices.Clip(columns), Wide(AgeColumn())), func(v storage.View, obj T, name, age string) []any {
		return append(cells(v, obj, name, age), age)
	}}
}

type table[T storage.Object] struct {
	view    func() storage.View
	columns []metav1.TableColumnDefinition
	cells   func(v storage.View, obj T, name, age string) []any
}

// ConvertToTable implements rest.TableConvertor.
func (t table[T]) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	out := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		out.ColumnDefinitions = t.columns
	}
	kubeovn.CopyListMeta(obj, out)
	var v storage.View
	if t.view != nil {
		v = t.view()
	}
	var err error
	out.Rows, err = metatable.MetaToTableRow(obj, func(obj runtime.Object, _ metav1.Object, name, age string) ([]any, error) {
		return t.cells(v, obj.(T), name, age), nil
	})
	return out, err
}

// Text is a column of text.
func Text(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: description}
}

// Flag is a column of true and false.
func Flag(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "boolean", Description: description}
}

// Number is a column of integers.
func Number(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: description}
}

const ageName = "Age"

// AgeColumn is the column of the time since the creation.
func AgeColumn() metav1.TableColumnDefinition { return Text(ageName, "Time since the creation.") }

// NameColumn is the first column of every table.
func NameColumn(description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Description: description}
}

// Wide is a column that kubectl shows with -o wide only.
func Wide(c metav1.TableColumnDefinition) metav1.TableColumnDefinition {
	c.Priority = 1
	return c
}
