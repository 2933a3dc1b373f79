package v1_test

import (
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/openapi"
)

func definitions() map[string]common.OpenAPIDefinition {
	return openapi.GetOpenAPIDefinitions(func(name string) spec.Ref { return spec.MustCreateRef("#/" + name) })
}

func TestEveryFieldIsExplained(t *testing.T) {
	// What kubectl says of these itself is enough.
	selfExplaining := map[string]bool{"kind": true, "apiVersion": true}
	fields := 0
	for model, definition := range definitions() {
		if !strings.HasPrefix(model, "io.kubeovn.v1.") {
			continue
		}
		if strings.TrimSpace(definition.Schema.Description) == "" {
			t.Errorf("%s has no description", model)
		}
		for name, property := range definition.Schema.Properties {
			fields++
			if property.Description == "" {
				t.Errorf("%s.%s has no description", model, name)
			}
			if !selfExplaining[name] && !strings.HasPrefix(property.Description, name) {
				t.Errorf("%s.%s: description %q does not begin with the field's name", model, name, property.Description)
			}
		}
	}
	if fields < 300 {
		t.Errorf("only %d fields found", fields)
	}
}

func TestEveryListSaysHowAppliersShareIt(t *testing.T) {
	for model, definition := range definitions() {
		if !strings.HasPrefix(model, "io.kubeovn.v1.") || strings.HasSuffix(model, "List") {
			continue
		}
		for name, property := range definition.Schema.Properties {
			if property.Type.Contains("array") && property.Extensions["x-kubernetes-list-type"] == nil {
				t.Errorf("%s.%s has no list type", model, name)
			}
		}
	}
}

func TestEveryKindHasAListOfItself(t *testing.T) {
	scheme := newScheme(t)
	kinds := scheme.KnownTypes(v1.SchemeGroupVersion)
	ours := 0
	for kind, typ := range kinds {
		if typ.PkgPath() != reflect.TypeFor[v1.Vpc]().PkgPath() || strings.HasSuffix(kind, "List") {
			continue
		}
		ours++
		list, ok := kinds[kind+"List"]
		if kind == "PodInterfaces" {
			if ok {
				t.Error("PodInterfaces is a request and cannot be listed")
			}
			continue
		}
		if !ok {
			t.Errorf("%s has no list", kind)
			continue
		}
		items, _ := list.FieldByName("Items")
		if items.Type != reflect.SliceOf(typ) {
			t.Errorf("%sList holds %s", kind, items.Type)
		}
	}
	if ours != 19 {
		t.Errorf("%d kinds, want 19", ours)
	}
}

func TestTheInternalVersionIsTheSameTypes(t *testing.T) {
	scheme := newScheme(t)
	if err := v1.AddInternalToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	internal := v1.SchemeGroupVersion
	internal.Version = runtime.APIVersionInternal
	for kind, typ := range scheme.KnownTypes(v1.SchemeGroupVersion) {
		if typ.PkgPath() != reflect.TypeFor[v1.Vpc]().PkgPath() {
			continue
		}
		if got := scheme.KnownTypes(internal)[kind]; got != typ {
			t.Errorf("%s is %v inside and %v outside", kind, got, typ)
		}
	}
	if _, err := scheme.ConvertToVersion(&v1.Vpc{}, internal); err != nil {
		t.Error(err)
	}
}

func TestSelectableFields(t *testing.T) {
	scheme := newScheme(t)
	tests := []struct {
		name, kind, label string
		object            runtime.Object
		want              string
		refused           bool
	}{
		{name: "Subnets by Vpc", kind: "Subnet", label: "spec.vpc", object: &v1.Subnet{Spec: v1.SubnetSpec{Vpc: "a"}}, want: "a"},
		{name: "IPs by Subnet", kind: "IP", label: "spec.subnet", object: &v1.IP{Spec: v1.IPSpec{Subnet: "a"}}, want: "a"},
		{name: "IPs by node", kind: "IP", label: "spec.nodeName", object: &v1.IP{Spec: v1.IPSpec{NodeName: "a"}}, want: "a"},
		{name: "IPs by pod", kind: "IP", label: "spec.podName", object: &v1.IP{Spec: v1.IPSpec{PodName: "a"}}, want: "a"},
		{name: "IPs by namespace", kind: "IP", label: "spec.namespace", object: &v1.IP{Spec: v1.IPSpec{Namespace: "a"}}, want: "a"},
		{name: "Vpcs by another field", kind: "Vpc", label: "spec.defaultSubnet", refused: true},
		{name: "Subnets by another field", kind: "Subnet", label: "spec.cidrBlock", refused: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			gvk := v1.SchemeGroupVersion.WithKind(test.kind)
			if _, _, err := scheme.ConvertFieldLabel(gvk, metav1.ObjectNameField, "x"); err != nil {
				t.Errorf("by name: %v", err)
			}
			_, _, err := scheme.ConvertFieldLabel(gvk, test.label, "a")
			if (err != nil) != test.refused {
				t.Fatalf("error %v, want one: %t", err, test.refused)
			}
			if test.refused {
				return
			}
			for _, field := range v1.SelectableFields(test.kind) {
				if field.Label == test.label {
					if got := field.Value(test.object); got != test.want {
						t.Errorf("got %q, want %q", got, test.want)
					}
					return
				}
			}
			t.Error("no such field in the table")
		})
	}
}
