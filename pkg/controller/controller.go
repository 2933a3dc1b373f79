package controller

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
)

// Manager is the name under which the controller owns fields (server-side apply), and the component of its events.
const Manager = "northbound-controller"

// LabelManagedBy is on the objects of kubeovn.io that the controller makes: their value is Manager, and it alone changes
// and deletes them.
const LabelManagedBy = "app.kubernetes.io/managed-by"

// Clients reach the two APIs.
type Clients struct {
	Kubernetes kubernetes.Interface
	// Metadata reads VirtualMachines, whose types are not ours.
	Metadata   metadata.Interface
	Northbound versioned.Interface
}

// Controller is one run of all loops.
type Controller struct {
	clients  Clients
	settings Settings

	core       informers.SharedInformerFactory
	configMaps informers.SharedInformerFactory // of the namespace of the configuration only
	northbound externalversions.SharedInformerFactory
	recorder   events.EventRecorder
	ctx        context.Context // of Run
	loops      []*loop
	began      atomic.Pointer[time.Time]
	synced     atomic.Bool
}

// New returns a Controller that has not read anything yet.
func New(clients Clients, settings Settings) *Controller {
	return &Controller{
		clients:  clients,
		settings: settings,
		core:     informers.NewSharedInformerFactoryWithOptions(clients.Kubernetes, 0, informers.WithTransform(slim)),
		configMaps: informers.NewSharedInformerFactoryWithOptions(clients.Kubernetes, 0,
			informers.WithNamespace(settings.ConfigNamespace), informers.WithTransform(slim)),
		northbound: externalversions.NewSharedInformerFactory(clients.Northbound, 0),
	}
}

// Run reads what is there and works until ctx ends; it returns when all work has stopped. It may be called once.
func (c *Controller) Run(ctx context.Context) error {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: c.clients.Kubernetes.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	defer broadcaster.Shutdown()
	c.ctx = ctx
	c.began.Store(new(time.Now()))
	kinds := runtime.NewScheme() // of all that events are about
	if err := errors.Join(scheme.AddToScheme(kinds), v1.AddToScheme(kinds)); err != nil {
		return err
	}
	c.recorder = broadcaster.NewRecorder(kinds, Manager)

	for _, part := range []func(*Controller) (*loop, error){
		addressesLoop, carriersLoop, connectionsLoop, endpointsLoop, externalLoop, namespacesLoop, nodesLoop, nodeStateLoop, servicesLoop, vpcDNSLoop,
	} {
		l, err := part(c)
		if err != nil {
			return err
		}
		c.loops = append(c.loops, l)
	}
	if err := c.reportGateways(); err != nil {
		return err
	}
	c.core.StartWithContext(ctx)
	c.configMaps.StartWithContext(ctx)
	c.northbound.StartWithContext(ctx)
	defer func() {
		c.core.Shutdown()
		c.configMaps.Shutdown()
		c.northbound.Shutdown()
	}()
	for _, result := range []cache.SyncResult{
		c.core.WaitForCacheSyncWithContext(ctx), c.configMaps.WaitForCacheSyncWithContext(ctx), c.northbound.WaitForCacheSyncWithContext(ctx),
	} {
		if result.Err != nil {
			return nil // the end of ctx is the only reason to stop waiting
		}
	}
	c.synced.Store(true)
	klog.FromContext(ctx).Info("Everything is read; the loops start", "loops", len(c.loops))
	var wg sync.WaitGroup
	for _, l := range c.loops {
		wg.Go(func() { l.run(ctx, c.settings.Workers) })
	}
	wg.Wait()
	return nil
}

// onceStarted returns a function that makes start be called once, as soon as the controller runs; calls after the first do
// nothing. It is for what only some clusters need.
func (c *Controller) onceStarted(start func(ctx context.Context) error) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			if err := start(c.ctx); err != nil {
				utilruntime.HandleErrorWithContext(c.ctx, err, "Cannot watch")
			}
		})
	}
}
