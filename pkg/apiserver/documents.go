package apiserver

import (
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// documents encodes and decodes stored objects. A kind has one Go type for all of its versions and the engine knows which it
// wants, so that a document need neither be read twice, to learn its kind, nor converted: at the start of a server with many
// objects this is most of the work.
type documents struct{}

var _ runtime.Codec = documents{}

// Encode implements runtime.Encoder: JSON with kind and version. obj must be the caller's own.
func (documents) Encode(obj runtime.Object, w io.Writer) error {
	gvks, _, err := Scheme.ObjectKinds(obj)
	if err != nil {
		return err
	}
	obj.GetObjectKind().SetGroupVersionKind(v1.SchemeGroupVersion.WithKind(gvks[0].Kind))
	defer obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return json.NewEncoder(w).Encode(obj)
}

// Identifier implements runtime.Encoder.
func (documents) Identifier() runtime.Identifier { return "kubeovn.io/v1 documents" }

// Decode implements runtime.Decoder: into must be an empty object of the document's kind. Defaults that the document lacks,
// because it is older than they are, are set.
func (documents) Decode(data []byte, _ *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, into); err != nil {
		return nil, nil, err
	}
	kind := into.GetObjectKind()
	gvk := kind.GroupVersionKind()
	gvks, _, err := Scheme.ObjectKinds(into)
	if err != nil {
		return nil, &gvk, err
	}
	if gvk != v1.SchemeGroupVersion.WithKind(gvks[0].Kind) {
		return nil, &gvk, fmt.Errorf("the document is a %s, not a %s", gvk, gvks[0].Kind)
	}
	kind.SetGroupVersionKind(schema.GroupVersionKind{})
	Scheme.Default(into)
	return into, &gvk, nil
}
