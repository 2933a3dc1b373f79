// Package apiservertest runs a real API server inside a test: standalone, on a free port of the loopback interface, with a
// private Northbound database (a real ovsdb-server) in a temporary folder. When the test ends, everything stops.
package apiservertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
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

	stop func()
}

// Start runs a server, without ovn-northd unless the options say otherwise, and waits until its database is loaded and
// the default network exists. Options may be changed before they are completed.
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
	return s
}

// StartUnready is Start without the waiting: for tests of what a server does while its database is away.
func StartUnready(t testing.TB, change ...func(*apiserver.Options)) *Server {
	t.Helper()
	o := apiserver.NewOptions()
	o.Standalone.Enabled = true
	o.Standalone.NoNorthd = true
	o.Standalone.DataDir = TempDir(t)
	for _, f := range change {
		f(o)
	}
	if err := o.Complete(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.Serving.SecureServing.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	o.Serving.SecureServing.BindPort = o.Serving.SecureServing.Listener.Addr().(*net.TCPAddr).Port
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	inner, err := apiserver.NewServer(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s := &Server{Engine: inner.Engine, NBAddress: inner.NBAddress, DataDir: o.Standalone.DataDir}
	ended := make(chan error, 1)
	go func() { ended <- inner.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err, open := <-ended; open && err != nil {
			t.Errorf("server: %v", err)
		}
	}
	t.Cleanup(s.Stop)
	if s.Config, err = clientcmd.BuildConfigFromFlags("", s.DataDir+"/admin.kubeconfig"); err != nil {
		t.Fatal(err)
	}
	s.Config.QPS = -1
	if err := s.waitForHTTP(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Stop stops the server and waits for its end; tests that restart a server call it, all others need not.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
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
