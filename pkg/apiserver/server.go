package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	genericapiserver "k8s.io/apiserver/pkg/server"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/nodeidentity"
	"github.com/northbound-ovn/northbound/pkg/apiserver/standalone"
	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// nbReadyPath answers 200 while the server has a session with the database and its replica is loaded, else 503 and why.
// It is no part of /readyz: a server without its database must stay in the Service's endpoints, because it still answers
// discovery, which the whole cluster needs.
const nbReadyPath = "/readyz/nb"

// Server is an API server and what it runs on.
type Server struct {
	Engine  *storage.Engine
	Generic *genericapiserver.GenericAPIServer
	// NBAddress is where its database is.
	NBAddress string

	uncount func() // removes the engine from /metrics

	// Only in standalone mode.
	dir *standalone.Dir
	ovn *ovn.Central
}

// NewServer starts the private database, if there is to be one, and the engine, and prepares a server on the listener.
// It does not wait for the database. Run the server, or Close it.
func NewServer(ctx context.Context, o *Options) (_ *Server, err error) {
	s := &Server{NBAddress: o.Northbound.Address}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if o.Standalone.Enabled {
		if s.dir, err = standalone.OpenDir(o.Standalone.DataDir); err != nil {
			return nil, err
		}
		if s.NBAddress == "" {
			// Stopped by Close, after the last request: not by the signal that ends the server.
			s.ovn, err = ovn.Start(context.WithoutCancel(ctx), ovn.Config{
				Dir: s.dir.Path, Clustered: true, Northd: !o.Standalone.NoNorthd, Supervise: true,
			})
			if err != nil {
				return nil, fmt.Errorf("private database: %w", err)
			}
			s.NBAddress = s.ovn.NBAddress()
		}
	}
	if s.Engine, err = o.openEngine(context.WithoutCancel(ctx), s.NBAddress); err != nil {
		return nil, err
	}
	s.uncount = countObjects(s.Engine)
	config, err := o.genericConfig(s.dir)
	if err != nil {
		return nil, err
	}
	config.AdmissionControl = o.admission(config.AdmissionControl)
	config.AddPostStartHookOrDie("northbound-default-objects", defaultObjects(s.Engine, o.Network))
	config.AddPostStartHookOrDie("northbound-heartbeats", watchHeartbeats(s.Engine, o.NodeMonitorGracePeriod))
	completed := config.Complete()
	s.Generic, err = completed.New("northbound-apiserver", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	if o.Standalone.Enabled {
		s.serveEmptyCore(completed.DiscoveryAddresses)
	}
	s.Generic.Handler.NonGoRestfulMux.HandleFunc(nbReadyPath, s.serveReady)
	pods, err := newPodAdmission(s.Engine, config)
	if err != nil {
		return nil, err
	}
	s.Generic.Handler.NonGoRestfulMux.Handle(podAdmissionPath, pods)
	return s, s.install(o, restOptions{
		engine:         s.Engine,
		collectGarbage: !o.Standalone.Enabled,
		objects:        config.StorageObjectCountTracker,
	})
}

// admission is that of Kubernetes, which a standalone server does not have, and what agents of nodes may do.
func (o *Options) admission(kubernetes admission.Interface) admission.Interface {
	nodes := nodeidentity.New(o.NodeServiceAccount)
	if kubernetes == nil {
		return nodes
	}
	return admission.NewChainHandler(kubernetes, nodes)
}

func (o *Options) openEngine(ctx context.Context, address string) (*storage.Engine, error) {
	options, err := o.engineOptions(address)
	if err != nil {
		return nil, err
	}
	options.Metrics = registerMetrics()
	return storage.Open(ctx, options)
}

// engineOptions are those of an engine of all kinds on the database at an address.
func (o *Options) engineOptions(address string) (storage.Options, error) {
	session, err := o.Northbound.session(address)
	return storage.Options{
		NB:          session,
		Group:       v1.GroupName,
		Resources:   engineResources(o.Network),
		Tables:      nbTables,
		Attachments: nbAttachments,
		Codec:       documents{},
		Drift:       storage.DriftMode(o.Northbound.Drift),
	}, err
}

// install adds kubeovn.io/v1 to the server.
func (s *Server) install(o *Options, getter restOptions) error {
	served, err := newStorage(getter, s.Engine, o.Network)
	if err != nil {
		return err
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(v1.GroupName, Scheme, metav1.ParameterCodec, Codecs)
	group.NegotiatedSerializer = textOnly{Codecs}
	group.VersionedResourcesStorageMap[v1.SchemeGroupVersion.Version] = served
	return s.Generic.InstallAPIGroup(&group)
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.Engine.Ready(); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Run serves until ctx ends or the private database cannot be kept running, and closes the server.
// It returns nil when ctx has ended and everything has stopped in order.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.ovn != nil {
		ended := s.ovn.Done()
		go func() {
			select {
			case <-ended:
				cancel(errPrivateDatabase)
			case <-ctx.Done():
			}
		}()
	}
	err := s.Generic.PrepareRun().RunWithContext(ctx)
	if errors.Is(context.Cause(ctx), errPrivateDatabase) {
		err = errors.Join(errPrivateDatabase, err)
	}
	return errors.Join(err, s.Close())
}

var errPrivateDatabase = errors.New("the private database has ended")

// Close stops the engine and the private database and gives the data folder free. A server that has been run is closed.
func (s *Server) Close() error {
	var errs []error
	if s.uncount != nil {
		s.uncount()
	}
	if s.Engine != nil {
		s.Engine.Close()
	}
	if s.ovn != nil {
		errs = append(errs, s.ovn.Stop())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	s.Engine, s.uncount, s.ovn, s.dir = nil, nil, nil, nil
	return errors.Join(errs...)
}
