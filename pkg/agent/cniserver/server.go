package cniserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
)

const (
	// addPatience bounds an addition that has what it needs.
	addPatience = 60 * time.Second
	// heldPatience bounds the wait for what other pods hold; the plugin waits a little longer than for both, and kubelet for four
	// minutes.
	heldPatience = 150 * time.Second
	// installPatience bounds the wait for the flows of a port.
	installPatience = 30 * time.Second
	// switchPatience bounds the wait for an Open vSwitch that is away.
	switchPatience = 30 * time.Second
	// defaultAPIPatience is that for an API that is away: kubelet repeats what fails only 10 to 15 seconds later.
	defaultAPIPatience = 30 * time.Second
	// undoPatience bounds what must be tried although the request's time is over.
	undoPatience = 10 * time.Second
	// releasePatience bounds the release of addresses, which the controller does when it fails.
	releasePatience = 3 * time.Second
	// statusPatience bounds the questions that a status asks.
	statusPatience = 2 * time.Second
	// sweepInterval is the time between looks for ports whose sandbox has gone without a word.
	sweepInterval = time.Minute
	// maxBody bounds a request. A garbage collection names all attachments of a node.
	maxBody = 8 << 20
)

// Config says for which node the server works and with what.
type Config struct {
	// NodeName is the name of the node.
	NodeName string
	// Socket is the path of the socket; cni.DefaultSocket by default.
	Socket string
	// Host is the node's network namespace.
	Host *host.Host
	// Switch is the node's Open vSwitch.
	Switch *vswitch.Switch
	// Bridge is OVN's integration bridge; "br-int" by default.
	Bridge string
	// Client reaches the API. Its informers for Subnets, Vpcs and Vips may be the caller's; by default the server has its own.
	Client    versioned.Interface
	Informers externalversions.SharedInformerFactory
	// Pods are the pods of the node.
	Pods Pods
	// MTU is that of interfaces whose Subnet names none; 0, or none, leaves the kernel's.
	MTU func() int
	// APIPatience bounds the wait for an API that is away; half a minute by default.
	APIPatience time.Duration
	// Ready says what else keeps interfaces from being added, nil for nothing.
	Ready func(context.Context) error
	// Conflist is written when interfaces can be added for the first time; none when its path is empty.
	Conflist Conflist
	// Events tells of pods what concerns their users; nobody is told when it is nil.
	Events record.EventRecorder
}

// Server serves the CNI plugin on a node.
type Server struct {
	config  Config
	objects objects
	synced  []cache.InformerSynced
	keys    keyedMutex
	work    sync.WaitGroup // annotations and early allocations on their way
	life    context.Context
	// passed is called when an operation has passed a stage; tests kill the process there.
	passed func(stage string)
}

// New returns a server that does nothing before Run.
func New(config Config) *Server {
	if config.Socket == "" {
		config.Socket = cni.DefaultSocket
	}
	if config.Bridge == "" {
		config.Bridge = "br-int"
	}
	if config.Informers == nil {
		config.Informers = externalversions.NewSharedInformerFactory(config.Client, 0)
	}
	if config.MTU == nil {
		config.MTU = func() int { return 0 }
	}
	if config.APIPatience == 0 {
		config.APIPatience = defaultAPIPatience
	}
	if config.Ready == nil {
		config.Ready = func(context.Context) error { return nil }
	}
	s := &Server{config: config, passed: func(string) {}}
	all := config.Informers.Kubeovn().V1()
	s.objects = &cached{all.Subnets().Lister(), all.Vpcs().Lister(), all.Vips().Lister()}
	for _, informer := range []cache.SharedIndexInformer{all.Subnets().Informer(), all.Vpcs().Informer(), all.Vips().Informer()} {
		s.synced = append(s.synced, informer.HasSynced)
	}
	registerMetrics()
	return s
}

// Run serves until the context is done, and then lets the operations under way come to an end. It returns an error when the
// socket cannot be opened or served.
func (s *Server) Run(ctx context.Context) error {
	listener, err := listen(s.config.Socket)
	if err != nil {
		return err
	}
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	s.life = life
	s.config.Informers.Start(life.Done())

	var background sync.WaitGroup
	background.Go(func() { s.announce(life) })
	background.Go(func() { s.sweep(life) })
	background.Go(func() {
		if cache.WaitForCacheSync(life.Done(), s.synced...) {
			s.allocateEarly(life)
		}
	})
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: nil}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		stopping, done := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
		err = server.Shutdown(stopping)
		done()
	}
	cancel()
	background.Wait()
	s.work.Wait()
	return err
}

// listen opens the socket for root alone. One that a former process has left is replaced.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket for the CNI plugin: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, operation string, f func(context.Context, *cni.Request) (*cni.Response, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, operation, f) })
	}
	nothing := func(f func(context.Context, *cni.Request) error) func(context.Context, *cni.Request) (*cni.Response, error) {
		return func(ctx context.Context, r *cni.Request) (*cni.Response, error) { return &cni.Response{}, f(ctx, r) }
	}
	handle("POST "+cni.PathAdd, "add", s.add)
	handle("POST "+cni.PathDel, "del", nothing(s.del))
	handle("POST "+cni.PathCheck, "check", nothing(s.check))
	handle("POST "+cni.PathGC, "gc", nothing(s.gc))
	handle("GET "+cni.PathStatus, "status", nothing(func(ctx context.Context, _ *cni.Request) error { return s.status(ctx) }))
	return mux
}

// serve reads a request, carries it out and writes the answer. The context of the operation ends with the plugin: kubelet kills
// one that it does not wait for any more.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, operation string, f func(context.Context, *cni.Request) (*cni.Response, error)) {
	began := time.Now()
	logger := klog.FromContext(s.life).WithValues("operation", operation)
	ctx := klog.NewContext(r.Context(), logger)
	var request cni.Request
	var answer *cni.Response
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &request)
	}
	if err != nil {
		err = cni.Errorf(cni.CodeDecoding, "request: %v", err)
	} else {
		answer, err = f(ctx, &request)
	}
	observe(operation, began, err)
	code, content := http.StatusOK, any(answer)
	if err != nil {
		known := cni.Errorf(cni.CodeFailed, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		if coded := (*cni.Error)(nil); errors.As(err, &coded) {
			known.Code = coded.Code
		}
		code, content = http.StatusInternalServerError, known
		logger.Info("Failed", "pod", klog.KRef(request.PodNamespace, request.PodName), "containerID", request.ContainerID,
			"interface", request.IfName, "code", known.Code, "reason", known.Message)
	}
	text, err := json.Marshal(content)
	if err != nil {
		panic(err) // our own types
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = w.Write(text) // the plugin may be gone
}

// status says why interfaces cannot be added now, nil when they can.
func (s *Server) status(ctx context.Context) error {
	if err := s.unready(ctx); err != nil {
		return cni.Errorf(cni.CodeNotAvailable, "%v", err)
	}
	return nil
}

func (s *Server) unready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	now := s.config.Switch.Snapshot()
	if !now.Connected {
		return errors.New("the Open vSwitch database does not answer")
	}
	if now.Bridge(s.config.Bridge) == nil {
		return fmt.Errorf("there is no bridge %s: ovn-controller makes it", s.config.Bridge)
	}
	for _, synced := range s.synced {
		if !synced() {
			return errors.New("the Subnets, Vpcs and Vips of the API are not known yet")
		}
	}
	if err := s.apiAnswers(ctx); err != nil {
		return fmt.Errorf("the API does not answer: %w", err)
	}
	return s.config.Ready(ctx)
}

// keyedMutex lets one operation at a time work on a key.
type keyedMutex struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the key until the context is done.
func (k *keyedMutex) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		if k.held == nil {
			k.held = map[string]chan struct{}{}
		}
		other, taken := k.held[key]
		if !taken {
			mine := make(chan struct{})
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				delete(k.held, key)
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, cni.Errorf(cni.CodeTryAgain, "another operation on the sandbox has not ended: %v", context.Cause(ctx))
		}
	}
}
