package apiserver

import (
	"context"

	"github.com/spf13/cobra"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/cli"
)

// NewCommand is the command northbound-apiserver. It serves until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	utilruntime.Must(logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate))
	o := NewOptions()
	cmd := &cobra.Command{
		Use:   "northbound-apiserver",
		Short: "Serve OVN networks as Kubernetes API objects",
		Long: `Serves the API group kubeovn.io with the OVN Northbound database as its storage: one write is one
transaction of the database, which holds the object, what it allocates and the rows that realize it.

In a cluster it stands behind the kube-apiserver's aggregation layer. With --standalone it needs no cluster;
without --nb-address it then runs a private ovsdb-server and ovn-northd.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			verflag.PrintAndExitIfRequested()
			if err := o.Run.ComponentGlobalsRegistry.Set(); err != nil {
				return err
			}
			if err := logsapi.ValidateAndApply(o.Logs, utilfeature.DefaultFeatureGate); err != nil {
				return err
			}
			if err := o.Complete(cmd.Flags().Changed); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return run(ctx, o)
		},
	}
	cli.AddFlags(cmd, o.AddFlags)
	return cmd
}

func run(ctx context.Context, o *Options) error {
	log := klog.FromContext(ctx)
	log.Info("Starting", "version", version.Get().GitVersion)
	s, err := NewServer(ctx, o)
	if err != nil {
		return err
	}
	if s.dir != nil {
		log.Info("Standalone", "kubeconfig", s.dir.File("admin.kubeconfig"), "nb", s.NBAddress)
	}
	return s.Run(ctx)
}
