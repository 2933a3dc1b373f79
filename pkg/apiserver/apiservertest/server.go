// Package apiservertest runs a real API server inside a test: standalone, on a free port of the loopback interface, with a
// private Northbound database (a real ovsdb-server) in a temporary folder. When the test ends, everything stops.
package apiservertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Server is a running server.
type Server struct {
	// Config reaches it as a user of the group system:masters.
	Config *rest.Config
	Engine *storage.Engine
	// NBAddress is where its database is, as for ovn-nbctl --db.
	NBAddress string
	// DataDir is its data folder, with admin.kubeconfig.
	DataDir string

	stop  func() error
	check func() // of what the server must not touch, or nil
}

// Start runs a server, without ovn-northd unless the options say otherwise, and waits until its database is loaded and
// the default network exists. Options may be changed before they are completed. The database has rows of another owner, too,
// which must be as they were when the server stops.
func Start(t testing.TB, change ...func(*apiserver.Options)) *Server {
	t.Helper()
	s := StartUnready(t, change...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Engine.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.waitForDefaults(ctx); err != nil {
		t.Fatal(err)
	}
	s.check = ovntest.AddForeignRows(t, s.NBAddress)
	return s
}

// StartUnready is Start without the waiting: for tests of what a server does while its database is away.
func StartUnready(t testing.TB, change ...func(*apiserver.Options)) *Server {
	t.Helper()
	s, err := run(t.Context(), TempDir(t), change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s
}

// Run is Start for many tests together, as in TestMain: the caller names the data folder, stops the server and removes the folder.
func Run(ctx context.Context, dir string, change ...func(*apiserver.Options)) (*Server, error) {
	s, err := run(ctx, dir, change)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = s.Engine.WaitReady(ctx)
	if err == nil {
		err = s.waitForDefaults(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// run returns when the server answers.
func run(ctx context.Context, dir string, change []func(*apiserver.Options)) (*Server, error) {
	o := apiserver.NewOptions()
	o.Standalone.Enabled = true
	o.Standalone.NoNorthd = true
	o.Standalone.DataDir = dir
	for _, f := range change {
		f(o)
	}
	if err := o.Complete(func(string) bool { return false }); err != nil {
		return nil, err
	}
	var err error
	if o.Serving.SecureServing.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	o.Serving.SecureServing.BindPort = o.Serving.SecureServing.Listener.Addr().(*net.TCPAddr).Port
	if err := o.Validate(); err != nil {
		return nil, err
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	inner, err := apiserver.NewServer(lasting, o)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &Server{Engine: inner.Engine, NBAddress: inner.NBAddress, DataDir: o.Standalone.DataDir}
	ended := make(chan error, 1)
	go func() { ended <- inner.Run(lasting) }()
	s.stop = func() error {
		cancel()
		return <-ended
	}
	s.Config, err = clientcmd.BuildConfigFromFlags("", s.DataDir+"/admin.kubeconfig")
	if err == nil {
		s.Config.QPS = -1
		err = s.waitForHTTP(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Stop stops the server and waits for its end; tests that restart a server call it, all others need not.
func (s *Server) Stop() error {
	if s.stop == nil {
		return nil
	}
	if s.check != nil {
		s.check()
	}
	stop := s.stop
	s.stop = nil
	return stop()
}

// TempDir is a folder whose path is short enough for unix sockets in it, which t.TempDir's often is not.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (s *Server) waitForHTTP(ctx context.Context) error {
	client, err := rest.UnversionedRESTClientFor(unversioned(s.Config))
	if err != nil {
		return err
	}
	return poll(ctx, "the server does not answer", func(ctx context.Context) error {
		return client.Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func (s *Server) waitForDefaults(ctx context.Context) error {
	return poll(ctx, "the default network does not exist", func(context.Context) error {
		view := s.Engine.View()
		if view == nil || view.Get("subnets", "join") == nil {
			return fmt.Errorf("no subnet join")
		}
		return nil
	})
}

// poll asks until there is no error or a minute has passed.
func poll(ctx context.Context, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func unversioned(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.APIPath = "/"
	c.NegotiatedSerializer = apiserver.Codecs.WithoutConversion()
	return c
}
