package controller

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/cli"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/repeats"
)

// Leader election: a leader that cannot renew gives up after 10 s; another one takes over 15 s after the last renewal.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// leaseGrace is how long after the lease has expired a process that cannot renew it counts as healthy.
	leaseGrace = 20 * time.Second
)

// Options is what the command line says.
type Options struct {
	Kubeconfig string
	// NorthboundServer and NorthboundCA reach the API server of kubeovn.io without the aggregation layer.
	NorthboundServer string
	NorthboundCA     string
	// BindAddress is where /healthz, /readyz and /metrics are; empty for nowhere.
	BindAddress string

	LeaderElect    bool
	LeaseName      string
	LeaseNamespace string

	Settings Settings
	Logs     *logs.Options
}

// NewOptions are the defaults.
func NewOptions() *Options {
	return &Options{
		BindAddress: "127.0.0.1:10660", LeaderElect: true, LeaseName: Manager, LeaseNamespace: "northbound-system",
		Settings: DefaultSettings(), Logs: logs.NewOptions(),
	}
}

// AddFlags adds the flags, in the sections of --help.
func (o *Options) AddFlags(sections *cliflag.NamedFlagSets) {
	api := sections.FlagSet("clients")
	api.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "How to reach the Kubernetes API; the pod's service account when empty.")
	api.StringVar(&o.NorthboundServer, "northbound-server", o.NorthboundServer, "URL of the API server of kubeovn.io, for going past "+
		"the aggregation layer with the same credentials; through it when empty.")
	api.StringVar(&o.NorthboundCA, "northbound-certificate-authority", o.NorthboundCA, "Authority that signed the certificate of --northbound-server, a PEM file.")
	serving := sections.FlagSet("serving")
	serving.StringVar(&o.BindAddress, "bind-address", o.BindAddress, "Address and port of /healthz, /readyz and /metrics, in plain HTTP; nowhere when empty.")
	leader := sections.FlagSet("leader election")
	leader.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "Work only while holding the lease; needed when there are several replicas.")
	leader.StringVar(&o.LeaseName, "leader-elect-resource-name", o.LeaseName, "Name of the Lease.")
	leader.StringVar(&o.LeaseNamespace, "leader-elect-resource-namespace", o.LeaseNamespace, "Namespace of the Lease.")
	o.Settings.AddFlags(sections.FlagSet("network"))
	logsapi.AddFlags(o.Logs, sections.FlagSet("logs"))
}

// NewCommand is the command northbound-controller. It works until ctx ends, or until it loses the lease, which is an error.
func NewCommand(ctx context.Context) *cobra.Command {
	utilruntime.Must(logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate))
	o := NewOptions()
	cmd := &cobra.Command{
		Use:   "northbound-controller",
		Short: "Keep OVN networks in step with the pods, Services and namespaces of a cluster",
		Long: `Releases the addresses of pods that are gone, turns Services into load balancers, tells namespaces their Subnets, and
connects the default Vpc as the ConfigMap ovn-external-gw-config says. It is an ordinary client of the Kubernetes API and of
kubeovn.io; several replicas elect one that works.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			verflag.PrintAndExitIfRequested()
			if err := logsapi.ValidateAndApply(o.Logs, utilfeature.DefaultFeatureGate); err != nil {
				return err
			}
			if err := o.Settings.Validate(); err != nil {
				return err
			}
			return run(ctx, o)
		},
	}
	cli.AddFlags(cmd, o.AddFlags)
	return cmd
}

func run(ctx context.Context, o *Options) error {
	klog.FromContext(ctx).Info("Starting", "version", version.Get().GitVersion)
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return err
	}
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	config.QPS = -1 // the API servers know better how much they can take (priority and fairness)
	// What cannot be renewed must not wait behind other requests.
	leases, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	config.Wrap(repeats.New().Refuse)
	clients, err := o.clients(config)
	if err != nil {
		return err
	}
	c := New(clients, o.Settings)
	watchdog := leaderelection.NewLeaderHealthzAdaptor(leaseGrace)
	stop, err := serve(ctx, o.BindAddress, c, watchdog)
	if err != nil {
		return err
	}
	defer stop()
	if !o.LeaderElect {
		return ended(ctx, c.Run(ctx))
	}
	return o.lead(ctx, leases, watchdog, c.Run)
}

func (o *Options) clients(config *rest.Config) (Clients, error) {
	var c Clients
	var err error
	if c.Kubernetes, err = kubernetes.NewForConfig(config); err != nil {
		return c, err
	}
	if c.Metadata, err = metadata.NewForConfig(config); err != nil {
		return c, err
	}
	northbound := rest.CopyConfig(config)
	if o.NorthboundServer != "" {
		northbound.Host = o.NorthboundServer
		if o.NorthboundCA != "" {
			northbound.TLSClientConfig.CAData, northbound.TLSClientConfig.CAFile = nil, o.NorthboundCA
		}
	}
	c.Northbound, err = versioned.NewForConfig(northbound)
	return c, err
}

// errLeaseLost is the end of a process that could not renew its lease: another one works now, or will.
var errLeaseLost = errors.New("the lease is lost")

// lead waits for the lease, works while it is held, and gives it back when the work has stopped.
func (o *Options) lead(ctx context.Context, client kubernetes.Interface, watchdog *leaderelection.HealthzAdaptor, work func(context.Context) error) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, o.LeaseNamespace, o.LeaseName, client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	if err != nil {
		return err
	}
	// The election goes on while the work stops.
	electing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var leads atomic.Bool
	result := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: o.LeaseName, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, WatchDog: watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				leads.Store(true)
				working, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(held, cancel)()
				result <- work(working)
				stop()
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	watchdog.SetLeaderElection(elector)
	defer context.AfterFunc(ctx, func() {
		if !leads.Load() {
			stop()
		}
	})()
	elector.Run(electing)
	if ctx.Err() != nil && !leads.Load() {
		return nil
	}
	return ended(ctx, cmp.Or(<-result, errLeaseLost))
}

// ended is the error of work that ended, none when it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
