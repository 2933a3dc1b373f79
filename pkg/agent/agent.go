package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/agent/cniserver"
	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/probe"
	"github.com/northbound-ovn/northbound/pkg/agent/uplink"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
)

// Agent keeps a node as the API says. See New and Run.
type Agent struct {
	config     Config
	host       *host.Host
	vs         *vswitch.Switch
	controller ovnController

	subnets   listers.SubnetLister
	chassis   listers.ChassisLister
	ips       listers.IPLister
	networks  listers.ProviderNetworkLister
	nodes     cache.Store               // nil without Kubernetes
	services  corelisters.ServiceLister // nil without Kubernetes
	endpoints cache.Indexer             // EndpointSlices, of which only what is on this node is kept; nil without Kubernetes
	podIPs    listers.IPLister          // of the pods on this node
	informers []cache.SharedIndexInformer
	all       externalversions.SharedInformerFactory
	factories []factory
	// broadcaster carries events, which events takes; nil without Kubernetes.
	broadcaster record.EventBroadcaster
	events      record.EventRecorder

	port      *nodePort
	providers *providers
	reports   *reports // nil without Kubernetes
	// probes is nil unless the kubelet's probes are to reach custom Vpcs.
	probes     *probes
	probesLoop *loop
	loops      []*loop
	// The loops by name, for who wakes them.
	settingsLoop, chassisLoop, portLoop, routesLoop, egressLoop, natLoop, providersLoop, sysctlLoop, reportsLoop *loop
}

// New opens the node's namespace and its Open vSwitch. The context ends what it opens.
func New(ctx context.Context, config Config) (*Agent, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	registerMetrics()
	a := &Agent{config: config, controller: ovnController{config.OVNRunDir}}
	var err error
	if a.host, err = host.Open(config.NetworkNamespace); err != nil {
		return nil, err
	}
	if a.vs, err = vswitch.Open(ctx, config.OVSDB); err != nil {
		return nil, errors.Join(err, a.host.Close())
	}
	if config.Kubernetes != nil {
		a.broadcaster = record.NewBroadcaster()
		a.events = a.broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: fieldManager, Host: config.NodeName})
	}
	a.makeInformers()
	if err := a.makeProbes(); err != nil {
		return nil, errors.Join(err, a.host.Close())
	}
	a.makeLoops()
	return a, nil
}

// makeProbes makes the way of the kubelet's probes into custom Vpcs.
func (a *Agent) makeProbes() error {
	if !a.config.EnableTProxy || a.config.Kubernetes == nil {
		return nil
	}
	proxy, err := probe.Listen(a.host, a.config.TProxyPort)
	if err != nil {
		return err
	}
	pods := informers.NewSharedInformerFactoryWithOptions(a.config.Kubernetes, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", a.config.NodeName).String()
	}))
	a.factories = append(a.factories, pods)
	a.probes = &probes{
		vs: a.vs, proxy: proxy, pods: pods.Core().V1().Pods().Informer().GetStore(), vpc: a.vpcOf, defaultVpc: a.config.DefaultVpc,
		ips: a.ipsOfPods,
		elsewhere: func() []netip.Prefix {
			n := a.network()
			return slices.Concat(n.pods, n.join.All(), a.config.Services)
		},
		changed: func() { a.natLoop.Wake() },
	}
	a.probes.events = a.events
	a.watch(pods.Core().V1().Pods().Informer(), func() []*loop { return []*loop{a.probesLoop} })
	return nil
}

// sendEvents sends events until the context ends.
func (a *Agent) sendEvents(ctx context.Context, wg *sync.WaitGroup) {
	if a.broadcaster == nil {
		return
	}
	a.broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: a.config.Kubernetes.CoreV1().Events("")})
	wg.Go(func() {
		<-ctx.Done()
		a.broadcaster.Shutdown()
	})
}

// runProbes serves the kubelet's probes until the context ends.
func (a *Agent) runProbes(ctx context.Context, wg *sync.WaitGroup) {
	if a.probes == nil {
		return
	}
	wg.Go(func() { a.probes.proxy.Run(ctx) })
	wg.Go(func() {
		every(ctx, time.Second, func() {
			if a.probes.polled.Load() {
				a.probesLoop.Wake()
			}
		})
	})
}

// makeLoops makes the owners of the node's concerns.
func (a *Agent) makeLoops() {
	c := a.config
	settings := &settings{
		host: a.host, vs: a.vs, node: a.node, nodeName: c.NodeName, interfaces: c.Interfaces, remote: c.OVNRemote, encap: c.EncapType, datapath: c.Datapath,
		chassis: a.ownChassis,
	}
	a.settingsLoop = a.loop("settings", settings.sync)
	a.chassisLoop = a.loop("chassis", a.whileThereIsANode((&chassis{
		vs: a.vs, client: c.Northbound, node: a.node, nodeName: c.NodeName, known: a.ownChassis, now: time.Now, alive: a.alive, labels: c.labels(),
		connected: func(ctx context.Context) error {
			err := a.controller.connected(ctx)
			observeController(err)
			return err
		},
		unkept: a.unkept,
	}).sync))
	a.port = &nodePort{
		host: a.host, vs: a.vs, client: c.Northbound, node: a.node, nodeName: c.NodeName, nodeSwitch: c.NodeSwitch, interfaces: c.Interfaces,
		encap: c.EncapType, mtu: c.MTU, ip: a.ownIP, network: a.network, alive: a.alive, labels: c.labels(),
	}
	a.portLoop = a.loop("node-port", a.whileThereIsANode(a.port.sync))
	own := routes{host: a.host, node: a.node, network: a.network, services: c.Services}
	a.routesLoop = a.loop("routes", a.whileThereIsANode(own.sync))
	a.egressLoop = a.loop("egress", a.whileThereIsANode((&egress{routes: own, pods: a.podAddresses}).sync))
	translation := &translation{host: a.host, network: a.network, services: c.Services, fronts: a.fronts, probes: a.probes}
	a.natLoop = a.loop("nat", a.whileThereIsANode(translation.sync))
	if a.probes != nil {
		a.probesLoop = a.loop("probes", a.probes.sync)
	}
	a.providers = &providers{
		vs: a.vs, uplinks: &uplink.Uplinks{Host: a.host, Switch: a.vs, Dir: filepath.Join(c.StateDir, "uplinks")}, client: c.Northbound,
		node: a.node, nodeName: c.NodeName, networks: a.providerNetworks, datapath: settings.datapathOf,
		labelled: c.Kubernetes != nil,
	}
	a.providersLoop = a.loop("providers", a.whileThereIsANode(a.providers.sync))
	a.sysctlLoop = a.loop("sysctls", (&sysctls{host: a.host}).sync)
	if a.services != nil {
		a.reports = &reports{host: a.host, services: a.services, local: a.localBackEnds}
		a.reportsLoop = a.loop("service-health", a.reports.sync)
	}
}

func (a *Agent) loop(name string, sync func(context.Context) error) *loop {
	l := newLoop(name, sync)
	a.loops = append(a.loops, l)
	return l
}

// Run keeps the node until the context ends. It returns an error when it cannot begin; what fails later is tried again.
// What it made stays when it ends: pods go on without it.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
		if a.reports != nil {
			a.reports.close()
		}
		a.vs.Close()
		if err := a.host.Close(); err != nil {
			klog.FromContext(ctx).Error(err, "Close the network namespace")
		}
	}()
	if err := a.serveHealth(ctx); err != nil {
		return err
	}
	for _, f := range a.factories {
		f.Start(ctx.Done())
		wg.Go(func() {
			<-ctx.Done()
			f.Shutdown()
		})
	}
	wg.Go(func() { a.settingsLoop.Run(ctx) }) // Needs no API but for the node's address.
	wg.Go(func() { a.sysctlLoop.Run(ctx) })
	for _, informer := range a.informers {
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return nil
		}
	}
	klog.FromContext(ctx).Info("The API is known; keeping the node", "node", a.config.NodeName)
	for _, l := range a.loops {
		if l != a.settingsLoop && l != a.sysctlLoop {
			wg.Go(func() { l.Run(ctx) })
		}
	}
	a.sendEvents(ctx, &wg)
	a.follow(ctx, &wg)
	a.runProbes(ctx, &wg)
	return a.serveCNI(ctx)
}

// serveCNI serves the CNI plugin until the context ends.
func (a *Agent) serveCNI(ctx context.Context) error {
	if !a.servesCNI() {
		<-ctx.Done()
		return nil
	}
	return cniserver.New(cniserver.Config{
		NodeName: a.config.NodeName,
		Socket:   a.config.Socket,
		Host:     a.host,
		Switch:   a.vs,
		Bridge:   integrationBridge,
		Client:   a.config.Northbound, Informers: a.all,
		Pods:     cniserver.NewPods(ctx, a.config.Kubernetes, a.config.NodeName),
		MTU:      func() int { return int(a.port.current.Load()) },
		Ready:    a.canPlug,
		Conflist: cniserver.Conflist{Path: a.config.Conflist, Plugins: a.config.Plugins},
		Events:   a.events,
	}).Run(ctx)
}

func (a *Agent) servesCNI() bool { return a.config.Socket != "" && a.config.Kubernetes != nil }

// canPlug says what keeps pods from being plugged.
func (a *Agent) canPlug(ctx context.Context) error {
	for _, l := range []*loop{a.settingsLoop, a.portLoop, a.routesLoop, a.natLoop} {
		if err := l.succeeded(); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return a.controller.connected(ctx)
}

// follow wakes loops when the node changes.
func (a *Agent) follow(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() {
		repeat(ctx, func() error {
			return a.host.Watch(ctx, wake(a.settingsLoop, a.portLoop, a.routesLoop, a.egressLoop, a.providersLoop, a.sysctlLoop))
		})
	})
	wg.Go(func() {
		repeat(ctx, func() error { return (&translation{host: a.host}).watch(ctx, wake(a.natLoop, a.providersLoop)) })
	})
	wg.Go(func() { a.controller.watch(ctx, wake(a.chassisLoop)) })
	wg.Go(func() {
		notify := wake(a.settingsLoop, a.portLoop, a.chassisLoop, a.providersLoop, a.probesLoop)
		for ctx.Err() == nil {
			changed := a.vs.Snapshot().Changed()
			notify()
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
	wg.Go(func() { every(ctx, heartbeat, a.chassisLoop.Wake) })
	wg.Go(func() { every(ctx, lookAtSysctls, a.sysctlLoop.Wake) })
	wg.Go(func() { a.tellUnkept(ctx) })
	wg.Go(func() {
		every(ctx, time.Second, func() {
			if a.providers.waits() {
				a.providersLoop.Wake()
			}
		})
	})
}

func wake(loops ...*loop) func() {
	return func() {
		for _, l := range loops {
			if l != nil { // not every agent has all
				l.Wake()
			}
		}
	}
}

// repeat calls f again whenever it fails, until the context ends.
func repeat(ctx context.Context, f func() error) {
	for ctx.Err() == nil {
		if err := f(); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Info("Subscribing again", "reason", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// every calls f after each period, until the context ends.
func every(ctx context.Context, period time.Duration, f func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// Ready waits until every concern of the node has been as it should be.
func (a *Agent) Ready(ctx context.Context) error {
	for {
		var errs []error
		for _, l := range a.loops {
			if err := l.Err(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.name, err))
			}
		}
		if len(errs) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
