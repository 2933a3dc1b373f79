package agent

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
)

// factory starts informers, and waits until they have ended.
type factory interface {
	Start(stop <-chan struct{})
	Shutdown()
}

// makeInformers makes the views of the API: all Subnets, Chassis and ProviderNetworks, and the node's own IP and Node.
func (a *Agent) makeInformers() {
	all := externalversions.NewSharedInformerFactory(a.config.Northbound, 0)
	own := externalversions.NewSharedInformerFactoryWithOptions(a.config.Northbound, 0, externalversions.WithTweakListOptions(only(v1.NodePort(a.config.NodeName))))
	a.all, a.factories = all, []factory{all, own}
	a.subnets = all.Kubeovn().V1().Subnets().Lister()
	a.chassis = all.Kubeovn().V1().Chassis().Lister()
	a.networks = all.Kubeovn().V1().ProviderNetworks().Lister()
	a.ips = own.Kubeovn().V1().IPs().Lister()
	a.watch(all.Kubeovn().V1().Subnets().Informer(), func() []*loop { return []*loop{a.portLoop, a.routesLoop, a.egressLoop, a.natLoop, a.probesLoop} })
	a.watch(all.Kubeovn().V1().Chassis().Informer(), func() []*loop { return []*loop{a.chassisLoop, a.natLoop} })
	a.watch(all.Kubeovn().V1().ProviderNetworks().Informer(), func() []*loop { return []*loop{a.providersLoop} })
	a.watch(own.Kubeovn().V1().IPs().Informer(), func() []*loop { return []*loop{a.portLoop} })
	pods := externalversions.NewSharedInformerFactoryWithOptions(a.config.Northbound, 0, externalversions.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = labels.Set{v1.LabelNode: a.config.NodeName}.String()
	}))
	a.factories = append(a.factories, pods)
	a.podIPs = pods.Kubeovn().V1().IPs().Lister()
	a.watch(pods.Kubeovn().V1().IPs().Informer(), func() []*loop { return []*loop{a.probesLoop} })
	a.watchChanges(pods.Kubeovn().V1().IPs().Informer(), a.isSteered, func() []*loop { return []*loop{a.egressLoop} })
	if a.config.Kubernetes == nil {
		return
	}
	cluster := informers.NewSharedInformerFactoryWithOptions(a.config.Kubernetes, 0, informers.WithTweakListOptions(only(a.config.NodeName)))
	a.factories = append(a.factories, cluster)
	nodes := cluster.Core().V1().Nodes().Informer()
	a.nodes = nodes.GetStore()
	a.watch(nodes, func() []*loop {
		return []*loop{a.settingsLoop, a.chassisLoop, a.portLoop, a.routesLoop, a.egressLoop, a.natLoop, a.providersLoop}
	})
	everywhere := informers.NewSharedInformerFactoryWithOptions(a.config.Kubernetes, 0, informers.WithTransform(withoutManagedFields))
	a.factories = append(a.factories, everywhere)
	a.services = everywhere.Core().V1().Services().Lister()
	a.watch(everywhere.Core().V1().Services().Informer(), func() []*loop { return []*loop{a.natLoop, a.reportsLoop} })
	a.watchEndpoints()
}

// withoutManagedFields leaves out of what is watched what nobody reads.
func withoutManagedFields(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

// only restricts a list to the object of a name.
func only(name string) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	}
}

// watch wakes loops when something changes in an informer.
func (a *Agent) watch(informer cache.SharedIndexInformer, loops func() []*loop) {
	a.watchChanges(informer, func(_, _ any) bool { return true }, loops)
}

// watchChanges wakes loops when an informer has a change that concerns them: what was, and what is now, nil for what was or is not.
func (a *Agent) watchChanges(informer cache.SharedIndexInformer, concerns func(before, after any) bool, loops func() []*loop) {
	changed := func(before, after any) {
		if concerns(before, after) {
			wake(loops()...)()
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { changed(nil, obj) }, UpdateFunc: changed, DeleteFunc: func(obj any) {
			if missed, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = missed.Obj
			}
			changed(obj, nil)
		},
	})
	if err != nil {
		panic(err) // Only of an informer that has ended.
	}
	a.informers = append(a.informers, informer)
}

// vpcOf is the Vpc of a Subnet, empty when it is not known.
func (a *Agent) vpcOf(subnet string) string {
	s, err := a.subnets.Get(subnet)
	if err != nil {
		return "" // It does not exist.
	}
	return s.Spec.Vpc
}

// node is the node's Node; nil when it is not known yet.
func (a *Agent) node() *corev1.Node {
	if a.nodes == nil {
		return a.config.staticNode()
	}
	obj, exists, err := a.nodes.GetByKey(a.config.NodeName)
	if err != nil || !exists {
		return nil
	}
	return obj.(*corev1.Node)
}

func (a *Agent) ownChassis() *v1.Chassis {
	c, err := a.chassis.Get(a.config.NodeName)
	if err != nil {
		return nil // It does not exist.
	}
	return c
}

func (a *Agent) ownIP() *v1.IP {
	ip, err := a.ips.Get(v1.NodePort(a.config.NodeName))
	if err != nil {
		return nil // It does not exist.
	}
	return ip
}

// ipsOfPods are the IPs of the pods on this node.
func (a *Agent) ipsOfPods() []*v1.IP {
	list, _ := a.podIPs.List(labels.Everything()) // A lister reads memory, and does not fail.
	return list
}

// fronts are where the node takes calls for Services.
func (a *Agent) fronts() []nat.Front {
	if a.services == nil {
		return nil
	}
	services, _ := a.services.List(labels.Everything()) // A lister reads memory, and does not fail.
	return frontsOf(services, nodeAddresses(a.node()), a.localBackEnds)
}

// providerNetworks are all ProviderNetworks.
func (a *Agent) providerNetworks() []*v1.ProviderNetwork {
	list, _ := a.networks.List(labels.Everything()) // A lister reads memory, and does not fail.
	return list
}

// network is what the API says of the default Vpc now.
func (a *Agent) network() network {
	subnets, _ := a.subnets.List(labels.Everything()) // A lister reads memory, and does not fail.
	chassis, _ := a.chassis.List(labels.Everything())
	return networkOf(subnets, chassis, a.config.DefaultVpc, a.config.NodeSwitch, a.config.NodeName)
}
