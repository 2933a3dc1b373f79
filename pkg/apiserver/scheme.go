package apiserver

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

var (
	// Scheme knows the types of kubeovn.io/v1, as that version and as the internal one, and what the API machinery itself
	// exchanges.
	Scheme = newScheme()
	// Codecs encode and decode the types of Scheme. Lists are written item by item, not through one buffer.
	Codecs = serializer.NewCodecFactory(Scheme, serializer.WithStreamingCollectionEncodingToJSON())
)

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(v1.AddToScheme(s))
	utilruntime.Must(v1.AddInternalToScheme(s))
	utilruntime.Must(s.SetVersionPriority(v1.SchemeGroupVersion))
	unversioned := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(s, unversioned)
	s.AddUnversionedTypes(unversioned,
		&metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return s
}

// textOnly offers JSON and YAML. The types have no protobuf form; a serializer that offers it makes the server answer 406
// to clients that prefer protobuf and accept JSON, among them the garbage collector and the namespace controller
// (kubernetes/kubernetes#86666). What is not offered is not negotiated, and they get JSON.
type textOnly struct {
	runtime.NegotiatedSerializer
}

// SupportedMediaTypes implements runtime.NegotiatedSerializer.
func (t textOnly) SupportedMediaTypes() []runtime.SerializerInfo {
	var text []runtime.SerializerInfo
	for _, info := range t.NegotiatedSerializer.SupportedMediaTypes() {
		if info.MediaType == runtime.ContentTypeJSON || info.MediaType == runtime.ContentTypeYAML {
			text = append(text, info)
		}
	}
	return text
}
