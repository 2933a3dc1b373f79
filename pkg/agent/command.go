package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cli"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/repeats"
)

// options are the flags of the command.
type options struct {
	config Config
	logs   *logsapi.LoggingConfiguration

	kubeconfig string
	// How to reach the API of networks past the kube-apiserver.
	servers, kubeServers  []string
	serverCA, serverToken string
	serverCert, serverKey string
	nodeIPs, services     []string
	encap                 string
	clientQPS             float32
	clientBurst           int
	withoutKubernetes     bool
}

// NewCommand is the command northbound-agent. It keeps the node until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := &options{config: DefaultConfig(), logs: logs.NewOptions()}
	gates := featuregate.NewFeatureGate()
	cmd := &cobra.Command{
		Use:   "northbound-agent",
		Short: "Keep a node of the overlay as the API says",
		Long: `Runs on every node: sets up its Open vSwitch for OVN, its port in the Subnet "join", routes, translation of
outgoing traffic and bridges to physical networks, reports on the node as Chassis, and plugs pods for the CNI plugin.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			verflag.PrintAndExitIfRequested()
			if err := logsapi.AddFeatureGates(gates); err != nil {
				return err
			}
			if err := logsapi.ValidateAndApply(o.logs, gates); err != nil {
				return err
			}
			if err := o.complete(); err != nil {
				return err
			}
			klog.FromContext(ctx).Info("Starting", "version", version.Get().GitVersion, "node", o.config.NodeName)
			a, err := New(ctx, o.config)
			if err != nil {
				return err
			}
			return a.Run(ctx)
		},
	}
	cli.AddFlags(cmd, o.addFlags)
	return cmd
}

// addFlags adds the flags, with kube-ovn-cni's names and defaults where it has them.
func (o *options) addFlags(sections *cliflag.NamedFlagSets) {
	c := &o.config
	fs := sections.FlagSet("node")
	fs.StringVar(&c.NodeName, "node-name", os.Getenv("KUBE_NODE_NAME"), "Name of the node; $KUBE_NODE_NAME by default.")
	fs.StringSliceVar(&o.nodeIPs, "node-ip", nil, "Addresses of the node, for nodes without Kubernetes; otherwise they are the Node's.")
	fs.StringSliceVar(&c.Interfaces, "iface", nil, "Names, or regular expressions for names, of the interface for tunnels, in the order of preference; that with the node's address by default.")
	fs.IntVar(&c.MTU, "mtu", c.MTU, "MTU of pods; 0 for that of the interface for tunnels without what the encapsulation needs.")
	fs.StringVar(&c.StateDir, "state-dir", c.StateDir, "Folder for plans that survive a crash.")
	fs.StringVar(&c.HealthAddress, "health-address", c.HealthAddress, "Address of /livez, /healthz and /metrics; none when empty.")

	o.addAPIFlags(sections.FlagSet("api"))

	fs = sections.FlagSet("ovn")
	fs.StringVar(&c.OVSDB, "ovs-db", c.OVSDB, "Address of the node's Open_vSwitch database.")
	fs.StringVar(&c.OVNRunDir, "ovn-run-dir", c.OVNRunDir, "Folder with ovn-controller's control socket.")
	fs.StringVar(&c.OVNRemote, "ovn-remote", c.OVNRemote, "Address of the Southbound database, as tcp:192.0.2.1:6642; left as it is when empty.")
	fs.StringVar(&o.encap, "encap-type", string(c.EncapType), "Encapsulation of tunnels: geneve, vxlan or stt.")
	fs.StringVar(&c.Datapath, "datapath-type", c.Datapath, "Datapath of Open vSwitch: system (the kernel's) or netdev (userspace); found out when empty.")

	fs = sections.FlagSet("network")
	fs.StringVar(&c.NodeSwitch, "node-switch", c.NodeSwitch, "Subnet through which nodes reach pods.")
	fs.StringVar(&c.DefaultVpc, "cluster-router", c.DefaultVpc, "Vpc of the cluster itself.")
	fs.StringSliceVar(&o.services, "service-cluster-ip-range", []string{c.Services[0].String()}, "Prefixes of the cluster's Services.")

	fs = sections.FlagSet("cni")
	fs.StringVar(&c.Socket, "bind-socket", c.Socket, "Socket for the CNI plugin; none when empty.")
	fs.StringVar(&c.Conflist, "cni-conf-file", c.Conflist, "File that tells the container runtime of the CNI plugin, written when pods can be plugged; none when empty.")
	fs.StringVar(&c.Plugins, "cni-bin-dir", c.Plugins, "Folder in which the container runtime looks for plugins; with portmap in it, hostPort of pods is served.")
	fs.BoolVar(&c.EnableTProxy, "enable-tproxy", c.EnableTProxy, "Let the kubelet's probes reach pods in custom Vpcs.")
	fs.Uint16Var(&c.TProxyPort, "tproxy-port", c.TProxyPort, "Port of the node's loopback addresses to which such probes are redirected.")

	logsapi.AddFlags(o.logs, sections.FlagSet("logs"))
}

func (o *options) addAPIFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.kubeconfig, "kubeconfig", "", "How to reach Kubernetes; the service account of the pod when empty.")
	fs.BoolVar(&o.withoutKubernetes, "without-kubernetes", false, "The node belongs to no Kubernetes cluster; needs --northbound-server and --node-ip.")
	fs.StringSliceVar(&o.kubeServers, "kube-server", nil, "Addresses of kube-apiservers, tried in turn, in place of the one in the kubeconfig, as https://192.0.2.1:6443.")
	fs.StringSliceVar(&o.servers, "northbound-server", nil, "Addresses of northbound-apiservers, tried in turn, as https://192.0.2.1:6643; reached through the kube-apiserver when empty.")
	fs.StringVar(&o.serverCA, "northbound-ca-file", "", "Certificates that vouch for the northbound-apiservers.")
	fs.StringVar(&o.serverToken, "northbound-token-file", "", "Token for the northbound-apiservers; that for Kubernetes when empty.")
	fs.StringVar(&o.serverCert, "northbound-cert-file", "", "Client certificate for the northbound-apiservers; with --northbound-key-file.")
	fs.StringVar(&o.serverKey, "northbound-key-file", "", "Key of the client certificate.")
	fs.Float32Var(&o.clientQPS, "kube-api-qps", 100, "Requests to each API a second.")
	fs.IntVar(&o.clientBurst, "kube-api-burst", 200, "Requests to each API at once.")
}

// complete reads the flags into the configuration and makes the clients.
func (o *options) complete() error {
	c := &o.config
	c.EncapType = v1.EncapType(o.encap)
	for _, text := range o.nodeIPs {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("--node-ip: %w", err)
		}
		c.NodeIPs = append(c.NodeIPs, a)
	}
	c.Services = nil
	for _, text := range o.services {
		p, err := ipam.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("--service-cluster-ip-range: %w", err)
		}
		c.Services = append(c.Services, p)
	}
	return o.connect()
}

// connect makes the clients of Kubernetes and of the API of networks.
func (o *options) connect() error {
	var kube *rest.Config
	var err error
	switch {
	case o.withoutKubernetes && len(o.servers) == 0:
		return errors.New("--without-kubernetes needs --northbound-server")
	case o.withoutKubernetes:
		kube = &rest.Config{}
	default:
		if kube, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig); err != nil {
			return fmt.Errorf("--kubeconfig: %w", err)
		}
		if len(o.kubeServers) > 0 {
			if kube, err = Servers(kube, o.kubeServers); err != nil {
				return fmt.Errorf("--kube-server: %w", err)
			}
		}
	}
	kube.Wrap(repeats.New().Wait)
	kube.QPS, kube.Burst, kube.UserAgent = o.clientQPS, o.clientBurst, rest.DefaultKubernetesUserAgent()
	if !o.withoutKubernetes {
		if o.config.Kubernetes, err = kubernetes.NewForConfig(kube); err != nil {
			return fmt.Errorf("--kubeconfig: %w", err)
		}
	}
	northbound := kube
	if len(o.servers) > 0 {
		if northbound, err = o.direct(kube); err != nil {
			return err
		}
	}
	o.config.Northbound, err = versioned.NewForConfig(northbound)
	return err
}

// direct is the configuration for northbound-apiservers without a kube-apiserver between.
func (o *options) direct(kube *rest.Config) (*rest.Config, error) {
	config := &rest.Config{
		QPS: kube.QPS, Burst: kube.Burst, UserAgent: kube.UserAgent,
		BearerTokenFile: o.serverToken,
		TLSClientConfig: rest.TLSClientConfig{CAFile: o.serverCA, CertFile: o.serverCert, KeyFile: o.serverKey},
	}
	if o.serverToken == "" && o.serverCert == "" {
		// Who we are for Kubernetes, we are for the servers that it vouches for.
		config.BearerToken, config.BearerTokenFile = kube.BearerToken, kube.BearerTokenFile
		config.CertFile, config.KeyFile, config.CertData, config.KeyData = kube.CertFile, kube.KeyFile, kube.CertData, kube.KeyData
	}
	config, err := Servers(config, o.servers)
	if err != nil {
		return nil, fmt.Errorf("--northbound-server: %w", err)
	}
	config.Wrap(repeats.New().Wait)
	return config, nil
}
