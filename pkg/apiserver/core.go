package apiserver

import (
	apidiscovery "k8s.io/api/apidiscovery/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/discovery"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// serveEmptyCore serves the discovery of the core group without any resource. Clients look there for the kind List, in which kubectl
// writes more than one object. Behind a kube-apiserver nobody asks: that one has the core group.
func (s *Server) serveEmptyCore(addresses discovery.Addresses) {
	const root = genericapiserver.DefaultLegacyAPIPrefix
	version := corev1.SchemeGroupVersion
	manager := s.Generic.AggregatedLegacyDiscoveryGroupManager
	manager.AddGroupVersion(version.Group, apidiscovery.APIVersionDiscovery{Version: version.Version, Freshness: apidiscovery.DiscoveryFreshnessCurrent})
	mux := s.Generic.Handler.NonGoRestfulMux
	mux.Handle(root, aggregated.WrapAggregatedDiscoveryToHandler(discovery.NewLegacyRootAPIHandler(addresses, Codecs, root), manager, manager))
	mux.Handle(root+"/"+version.Version, discovery.NewAPIVersionHandler(Codecs, version,
		discovery.APIResourceListerFunc(func() []metav1.APIResource { return []metav1.APIResource{} })))
}
