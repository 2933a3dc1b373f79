package apiserver

import (
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/nodeidentity"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

const (
	defaultPort = 6443
	// minRequestTimeout bounds how long a watch lives (up to twice as long), and with it how long a client may see what it
	// lost the right to see.
	minRequestTimeout = 300
	// objectCountPeriod is how often the number of objects is read for the metrics and for the cost of lists.
	objectCountPeriod = 30 * time.Second
)

// Options is what the command line says.
type Options struct {
	Run     *genericoptions.ServerRunOptions
	Serving *genericoptions.RecommendedOptions // Etcd is nil
	Logs    *logs.Options

	Northbound NorthboundOptions
	Network    kubeovn.Config
	// NodeMonitorGracePeriod is how long the agent of a node may be silent before its Chassis is no longer ready.
	NodeMonitorGracePeriod time.Duration
	// NodeServiceAccount is the account of the nodes' agents.
	NodeServiceAccount nodeidentity.ServiceAccount

	Standalone StandaloneOptions
}

// NorthboundOptions says where the database is and what to do about it.
type NorthboundOptions struct {
	// Address is one or several OVSDB remotes, comma-separated, as ovn-nbctl's --db.
	Address                         string
	PrivateKey, Certificate, CACert string
	Drift                           string
}

// StandaloneOptions are for a server without a Kubernetes cluster around it.
type StandaloneOptions struct {
	Enabled    bool
	DataDir    string
	TokenFile  string
	PolicyFile string
	// NoNorthd keeps the private database without ovn-northd: what tests of the API need.
	NoNorthd bool
}

// NewOptions are the defaults.
func NewOptions() *Options {
	o := &Options{
		Run:        genericoptions.NewServerRunOptions(),
		Serving:    genericoptions.NewRecommendedOptions("", Codecs.LegacyCodec(v1.SchemeGroupVersion)),
		Logs:       logs.NewOptions(),
		Northbound: NorthboundOptions{Drift: string(storage.DriftRepair)},
		Network:    kubeovn.DefaultConfig(),

		NodeMonitorGracePeriod: 40 * time.Second,
		NodeServiceAccount:     nodeidentity.ServiceAccount{Namespace: "northbound-system", Name: "northbound-agent"},
		Standalone:             StandaloneOptions{DataDir: "/var/lib/northbound"},
	}
	o.Run.MinRequestTimeout = minRequestTimeout
	o.Serving.Etcd = nil
	o.Serving.EgressSelector = nil
	o.Serving.SecureServing.BindPort = defaultPort
	o.Serving.SecureServing.ServerCert.CertDirectory = ""
	o.Serving.SecureServing.ServerCert.PairName = "northbound-apiserver"
	o.Serving.Authorization.AlwaysAllowPaths = append(o.Serving.Authorization.AlwaysAllowPaths, nbReadyPath)
	return o
}

// AddFlags adds the flags, in the sections of --help.
func (o *Options) AddFlags(sections *cliflag.NamedFlagSets) {
	nb := sections.FlagSet("northbound")
	nb.StringVar(&o.Northbound.Address, "nb-address", o.Northbound.Address, "OVN Northbound database: one or several of unix:<path>, "+
		"tcp:<host>:<port> and ssl:<host>:<port>, comma-separated. With --standalone it may be empty: the server then runs a private one.")
	nb.StringVar(&o.Northbound.PrivateKey, "nb-private-key", o.Northbound.PrivateKey, "Private key for ssl: addresses, a PEM file.")
	nb.StringVar(&o.Northbound.Certificate, "nb-certificate", o.Northbound.Certificate, "Certificate for ssl: addresses, a PEM file.")
	nb.StringVar(&o.Northbound.CACert, "nb-ca-cert", o.Northbound.CACert, "Authority that signed the database servers' certificates, a PEM file.")
	nb.StringVar(&o.Northbound.Drift, "drift", o.Northbound.Drift, "What to do when somebody else changed a row that realizes an object: "+
		"repair (write it again) or report (count and log it).")
	addNetworkFlags(sections.FlagSet("network"), &o.Network)

	nodes := sections.FlagSet("nodes")
	nodes.DurationVar(&o.NodeMonitorGracePeriod, "node-monitor-grace-period", o.NodeMonitorGracePeriod, "How long the agent of a node may be silent "+
		"before its Chassis is no longer ready and gateways move to other nodes. Agents report every 10 seconds.")
	nodes.Var(parsed(&o.NodeServiceAccount, nodeidentity.ParseServiceAccount), "node-service-account", "Service account of the nodes' agents, namespace/name: "+
		"its tokens may write only what belongs to the node that they are bound to.")

	alone := sections.FlagSet("standalone")
	alone.BoolVar(&o.Standalone.Enabled, "standalone", o.Standalone.Enabled, "Serve without a Kubernetes cluster: with certificates, users and rules of the server's own.")
	alone.StringVar(&o.Standalone.DataDir, "data-dir", o.Standalone.DataDir, "Folder of a standalone server: certificates, admin.kubeconfig and the private database.")
	alone.StringVar(&o.Standalone.TokenFile, "token-auth-file", o.Standalone.TokenFile, "CSV file of bearer tokens for a standalone server: token,user,uid[,\"group1,group2\"].")
	alone.StringVar(&o.Standalone.PolicyFile, "authorization-policy-file", o.Standalone.PolicyFile, "YAML file of ClusterRoles and ClusterRoleBindings for a standalone server. "+
		"Without it only the group system:masters has rights.")

	o.Run.AddUniversalFlags(sections.FlagSet("generic"))
	s := o.Serving
	s.SecureServing.AddFlags(sections.FlagSet("secure serving"))
	s.Authentication.AddFlags(sections.FlagSet("authentication"))
	s.Authorization.AddFlags(sections.FlagSet("authorization"))
	s.Audit.AddFlags(sections.FlagSet("auditing"))
	s.Features.AddFlags(sections.FlagSet("features"))
	s.CoreAPI.AddFlags(sections.FlagSet("features"))
	s.Admission.AddFlags(sections.FlagSet("admission"))
	s.Traces.AddFlags(sections.FlagSet("traces"))
	logsapi.AddFlags(o.Logs, sections.FlagSet("logs"))
}

// Complete fills in what follows from other options. Call it once, before Validate.
func (o *Options) Complete(set func(flag string) bool) error {
	if !o.Standalone.Enabled {
		return o.Run.Complete()
	}
	s := o.Serving
	// What these do needs a Kubernetes API server to ask.
	s.Authentication, s.Authorization, s.CoreAPI, s.Admission = nil, nil, nil, nil
	s.Features.EnablePriorityAndFairness = false
	if !set("bind-address") {
		s.SecureServing.BindAddress = net.IPv4(127, 0, 0, 1)
	}
	return o.Run.Complete()
}

// Validate says what is wrong with the options, all of it.
func (o *Options) Validate() error {
	errs := append(o.Run.Validate(), o.validateServing()...)
	if d := storage.DriftMode(o.Northbound.Drift); d != storage.DriftRepair && d != storage.DriftReport {
		errs = append(errs, fmt.Errorf("--drift=%s: must be %s or %s", d, storage.DriftRepair, storage.DriftReport))
	}
	if o.Northbound.Address == "" && !o.Standalone.Enabled {
		errs = append(errs, errors.New("--nb-address is required without --standalone"))
	}
	if o.NodeMonitorGracePeriod < time.Second {
		errs = append(errs, fmt.Errorf("--node-monitor-grace-period=%s: must be at least a second", o.NodeMonitorGracePeriod))
	}
	tls := sets.New(o.Northbound.PrivateKey != "", o.Northbound.Certificate != "", o.Northbound.CACert != "")
	if tls.Len() > 1 {
		errs = append(errs, errors.New("--nb-private-key, --nb-certificate and --nb-ca-cert go together"))
	}
	if !o.Standalone.Enabled && (o.Standalone.TokenFile != "" || o.Standalone.PolicyFile != "") {
		errs = append(errs, errors.New("--token-auth-file and --authorization-policy-file are for --standalone; a cluster's users and rules come from its API server"))
	}
	if o.Standalone.Enabled && o.Standalone.DataDir == "" {
		errs = append(errs, errors.New("--standalone needs a --data-dir"))
	}
	return errors.Join(errs...)
}

func (o *Options) validateServing() []error {
	s := o.Serving
	var errs []error
	// Port 0 of a standalone server means any free one, which the generic option takes for "do not serve".
	if !o.Standalone.Enabled || s.SecureServing.BindPort != 0 {
		errs = append(errs, s.SecureServing.Validate()...)
	}
	errs = append(errs, s.Authentication.Validate()...)
	errs = append(errs, s.Authorization.Validate()...)
	errs = append(errs, s.Audit.Validate()...)
	errs = append(errs, s.Features.Validate()...)
	errs = append(errs, s.Admission.Validate()...)
	return append(errs, s.Traces.Validate()...)
}
