package apiserver

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	flowcontrolrequest "k8s.io/apiserver/pkg/util/flowcontrol/request"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// restOptions gives every resource the engine as its storage, where a Kubernetes API server has etcd.
type restOptions struct {
	engine *storage.Engine
	// collectGarbage is set where a garbage collector runs beside the server. Without one, a deletion that asks for its
	// dependents to be deleted first would wait for ever.
	collectGarbage bool
	objects        flowcontrolrequest.StorageObjectCountTracker
}

var _ generic.RESTOptionsGetter = restOptions{}

// GetRESTOptions implements generic.RESTOptionsGetter.
func (g restOptions) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	codec := Codecs.LegacyCodec(v1.SchemeGroupVersion)
	return generic.RESTOptions{
		StorageConfig: &storagebackend.ConfigForResource{
			Config:        storagebackend.Config{Codec: codec, EncodeVersioner: v1.SchemeGroupVersion},
			GroupResource: resource,
		},
		Decorator:                 g.open,
		ResourcePrefix:            "/" + resource.Resource,
		EnableGarbageCollection:   g.collectGarbage,
		DeleteCollectionWorkers:   4,
		CountMetricPollPeriod:     objectCountPeriod,
		StorageObjectCountTracker: g.objects,
	}, nil
}

// open is the generic.StorageDecorator. Selectors are evaluated by the engine on decoded objects; it needs no indexers.
func (g restOptions) open(config *storagebackend.ConfigForResource, _ string, _ func(runtime.Object) (string, error),
	newObject, _ func() runtime.Object, _ apistorage.AttrFunc, _ apistorage.IndexerFuncs, _ *cache.Indexers,
) (apistorage.Interface, factory.DestroyFunc, error) {
	s, err := g.engine.Store(storage.StoreConfig{
		Resource:      config.GroupResource.Resource,
		NewFunc:       newObject,
		ShareEncoding: true,
	})
	return s, func() {}, err
}
