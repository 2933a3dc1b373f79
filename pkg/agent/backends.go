package agent

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// byService is the index of EndpointSlices by "namespace/service".
const byService = "service"

// watchEndpoints makes the view of the EndpointSlices, for Services whose external traffic is for back ends on the node alone. Of each
// slice only the endpoints on this node are kept: changes elsewhere wake nobody.
func (a *Agent) watchEndpoints() {
	all := informers.NewSharedInformerFactoryWithOptions(a.config.Kubernetes, 0,
		informers.WithTransform(onNode(a.config.NodeName)),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = "!" + corev1.IsHeadlessService }))
	a.factories = append(a.factories, all)
	informer := all.Discovery().V1().EndpointSlices().Informer()
	a.endpoints = informer.GetIndexer()
	err := informer.AddIndexers(cache.Indexers{byService: func(obj any) ([]string, error) {
		return []string{kubeservice.ServiceOf(obj.(*discoveryv1.EndpointSlice))}, nil
	}})
	if err != nil {
		panic(err) // Only of an informer that runs.
	}
	a.watchChanges(informer, concernsNode, func() []*loop { return []*loop{a.natLoop, a.reportsLoop} })
}

// onNode leaves out of an EndpointSlice what is not on the node.
func onNode(node string) cache.TransformFunc {
	return func(obj any) (any, error) {
		if s, ok := obj.(*discoveryv1.EndpointSlice); ok {
			s.ManagedFields = nil
			s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e discoveryv1.Endpoint) bool { return e.NodeName == nil || *e.NodeName != node })
		}
		return obj, nil
	}
}

// concernsNode reports whether a change of a slice, of which only what is on the node is kept, is one for the node. One of the two is
// nil when the slice is new or gone.
func concernsNode(before, after any) bool {
	old, _ := before.(*discoveryv1.EndpointSlice)
	now, _ := after.(*discoveryv1.EndpointSlice)
	if old == nil || now == nil {
		return old != nil && len(old.Endpoints) > 0 || now != nil && len(now.Endpoints) > 0
	}
	return !apiequality.Semantic.DeepEqual(old.Endpoints, now.Endpoints) || !apiequality.Semantic.DeepEqual(old.Ports, now.Ports) ||
		kubeservice.ServiceOf(old) != kubeservice.ServiceOf(now)
}

// localBackEnds are the back ends of a Service's port on the node, as far as the node reaches them.
func (a *Agent) localBackEnds(s *corev1.Service, p *corev1.ServicePort) []kubeservice.BackEnd {
	list, _ := a.endpoints.ByIndex(byService, s.Namespace+"/"+s.Name) // The index exists.
	var out []kubeservice.BackEnd
	for _, obj := range list {
		out = append(out, kubeservice.BackEnds(obj.(*discoveryv1.EndpointSlice), p.Name, p.Protocol)...)
	}
	return slices.DeleteFunc(out, func(b kubeservice.BackEnd) bool { return b.Pod != "" && !a.inDefaultVpc(string(b.Pod), b.Addr()) })
}

// inDefaultVpc is false for the address of a pod in another Vpc: in the default one, it may be somebody else's.
func (a *Agent) inDefaultVpc(podUID string, address netip.Addr) bool {
	ips := a.ipsOfPods()
	at := slices.IndexFunc(ips, func(ip *v1.IP) bool {
		if ip.Spec.PodUID != podUID {
			return false
		}
		addrs, err := ipam.ParseAddrs(ip.Spec.Addresses())
		return err == nil && addrs.Has(address)
	})
	return at < 0 || a.vpcOf(ips[at].Spec.Subnet) == a.config.DefaultVpc // else it is of the node, or of another network
}
