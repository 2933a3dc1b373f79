package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/utils/clock"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// DriftMode says what happens to a realized row that somebody else changed or deleted.
type DriftMode string

const (
	// DriftRepair: the row is made again what its owner wants.
	DriftRepair DriftMode = "repair"
	// DriftReport: the difference is counted and logged; the next write that concerns the owner repairs it.
	DriftReport DriftMode = "report"
)

// Options configure an Engine.
type Options struct {
	// NB is the Northbound database. LeaderOnly and Undecoded are set by the engine.
	NB ovsdb.Options
	// Group is the API group of error messages, "kubeovn.io".
	Group string
	// Resources are the kinds that the engine stores.
	Resources []*Resource
	// Tables are the Northbound tables and columns in which kinds realize their objects. Tables and columns that the
	// connected database does not have are left out; see View.HasColumn.
	Tables map[string][]string
	// Attachments are columns, by table, that hold rows which live on when they are taken out, as a switch its load balancers. A row
	// that somebody takes out of one of them is put back, as other drift is repaired.
	Attachments map[string]string
	// Codec encodes and decodes documents.
	Codec runtime.Codec
	// Transformer, when set, transforms the stored form (encryption at rest); documents then stay in memory in that form
	// and every read transforms and decodes them anew.
	Transformer value.Transformer
	Drift       DriftMode
	// HistoryWindow is how long deleted objects stay as tombstones, so that watches resume across restarts. Default 5 min.
	HistoryWindow time.Duration
	// BookmarkInterval is the time between bookmarks of an idle watch. Default 1 min.
	BookmarkInterval time.Duration
	// WaitLimit is how long a request waits for a lost database before it is answered 503. Default 2 s.
	WaitLimit time.Duration
	Metrics   Metrics
	Clock     clock.WithTicker

	// bareToken leaves the nonce out of the token: for the test that shows what then goes wrong.
	bareToken bool
}

const (
	maxBatch = 128  // requests in one transaction
	maxQueue = 8192 // requests without an answer; more are refused
)

// Engine stores objects of several kinds in one Northbound database. All methods are safe for concurrent use.
type Engine struct {
	opts   Options
	byName map[string]*Resource
	byKind map[string]*Resource
	nonce  string

	hist   *history
	clones sync.Mutex // see state.clone

	queueMu sync.Mutex
	queue   []*request
	readers []chan error // callers of barrier that no echo is under way for
	down    time.Time    // since when there is no session; zero: there is one
	closed  bool
	wake    chan struct{}

	encodings encodings

	waiting atomic.Int64 // requests that have no answer yet, wherever they are
	watches atomic.Int64
	corrupt atomic.Int64
	// unaudited is how many objects' rows have not been compared with the database's since it was loaded.
	unaudited atomic.Int64
	progress  atomic.Uint64 // counts requests for watch progress
	nudge     chan struct{} // closed and replaced when progress is requested

	cancel  context.CancelFunc
	stopped chan struct{}

	r *replica // of the engine's goroutine alone
}

// Open starts an engine. It returns at once; see WaitReady.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Codec == nil {
		return nil, errors.New("storage: Options.Codec is required")
	}
	o.NB.LeaderOnly, o.NB.Undecoded = true, true
	if o.Drift == "" {
		o.Drift = DriftRepair
	}
	if o.HistoryWindow == 0 {
		o.HistoryWindow = 5 * time.Minute
	}
	if o.BookmarkInterval == 0 {
		o.BookmarkInterval = time.Minute
	}
	if o.WaitLimit == 0 {
		o.WaitLimit = 2 * time.Second
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	nonce := make([]byte, 6)
	_, _ = rand.Read(nonce)
	e := &Engine{
		opts: o, nonce: hex.EncodeToString(nonce),
		byName: map[string]*Resource{}, byKind: map[string]*Resource{},
		wake: make(chan struct{}, 1), nudge: make(chan struct{}), stopped: make(chan struct{}),
		down: o.Clock.Now(),
	}
	if o.bareToken {
		e.nonce = "0"
	}
	for _, r := range o.Resources {
		if e.byName[r.Name] != nil || e.byKind[r.Kind] != nil {
			return nil, fmt.Errorf("storage: resource %s registered twice", r.Name)
		}
		e.byName[r.Name], e.byKind[r.Kind] = r, r
	}
	e.hist = newHistory(&e.clones)
	e.r = newReplica(e)
	ctx, e.cancel = context.WithCancel(ctx)
	go e.run(ctx)
	return e, nil
}

// Close ends the engine and waits for it. Requests under way fail; those already sent may or may not take place.
func (e *Engine) Close() {
	e.cancel()
	<-e.stopped
}

// Ready returns nil when there is a session with the database and the replica is loaded.
func (e *Engine) Ready() error {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	switch {
	case e.closed:
		return errors.New("storage is closed")
	case !e.down.IsZero():
		return errors.New("no session with the Northbound database")
	}
	return nil
}

// WaitReady blocks until Ready returns nil.
func (e *Engine) WaitReady(ctx context.Context) error {
	for {
		_, changed := e.hist.current()
		if e.Ready() == nil {
			return nil
		}
		select {
		case <-changed:
		case <-e.stopped:
			return errors.New("storage is closed")
		case <-ctx.Done():
			return fmt.Errorf("waiting for the Northbound database: %w", context.Cause(ctx))
		}
	}
}

// View returns the current snapshot, nil before the first load. It may be behind the database by what is under way.
func (e *Engine) View() View {
	s, _ := e.hist.current()
	if s == nil {
		return nil
	}
	return s
}

// unavailable is the answer while the database is away: 503 with Retry-After.
func unavailable() error {
	err := apierrors.NewServiceUnavailable("the OVN Northbound database is not available")
	err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
	return err
}

// submit plans and commits a request. An answer that no transaction has confirmed, as the refusal of what another process has just
// made possible, may rest on a state from before the request: the request is planned again on one that does not.
func (e *Engine) submit(r *request) error {
	err := e.await(r)
	select {
	case <-r.done:
	default:
		return err // it is still under way, or never was
	}
	if !r.refused || r.confirmed || errors.Is(err, errStale) {
		return err
	}
	if err := e.barrier(r.ctx); err != nil {
		return err
	}
	return e.await(newRequest(r.ctx, r.writes...))
}

// await queues a request and waits for its end.
func (e *Engine) await(r *request) error {
	if err := e.enqueue(r); err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-r.ctx.Done():
		select {
		case <-r.done:
			return r.err
		default:
		}
		return unconfirmed()
	}
}

// unconfirmed is the answer to a write whose outcome is not known.
func unconfirmed() error {
	return apierrors.NewTimeoutError("the write was not confirmed in time; it may or may not have taken place", 1)
}

func (e *Engine) enqueue(r *request) error {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	if e.closed || (!e.down.IsZero() && e.opts.Clock.Since(e.down) > e.opts.WaitLimit) {
		return unavailable()
	}
	if e.waiting.Load() >= maxQueue {
		return apierrors.NewTooManyRequests("too many writes are waiting for the Northbound database", 1)
	}
	e.waiting.Add(1)
	r.waiting = &e.waiting
	e.queue = append(e.queue, r)
	e.wakeUp()
	return nil
}

func (e *Engine) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// barrier returns when the replica holds all that was committed before the call: a linearizable read may follow. One echo
// serves all callers that came before it was sent.
func (e *Engine) barrier(ctx context.Context) error {
	e.queueMu.Lock()
	if e.closed || (!e.down.IsZero() && e.opts.Clock.Since(e.down) > e.opts.WaitLimit) {
		e.queueMu.Unlock()
		return unavailable()
	}
	done := make(chan error, 1)
	e.readers = append(e.readers, done)
	e.queueMu.Unlock()
	e.wakeUp()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return apierrors.NewTimeoutError("no answer from the Northbound database in time", 1)
	}
}

// take empties the queue into the caller's hands.
func (e *Engine) take() (reqs []*request, readers []chan error) {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	reqs, e.queue = e.queue, nil
	readers, e.readers = e.readers, nil
	return reqs, readers
}

// setConnected records the beginning or the loss of a session.
func (e *Engine) setConnected(up bool) {
	e.queueMu.Lock()
	if up {
		e.down = time.Time{}
	} else if e.down.IsZero() {
		e.down = e.opts.Clock.Now()
	}
	e.queueMu.Unlock()
	e.opts.Metrics.Connected(up)
}

// reached says that the database answers: who asks from now on waits for what it sends, also after it was away for long. Watchers
// may hear of that before it is all loaded, and read what they have heard of.
func (e *Engine) reached() {
	e.queueMu.Lock()
	if !e.down.IsZero() {
		e.down = e.opts.Clock.Now()
	}
	e.queueMu.Unlock()
}

// away reports whether the session is lost for longer than requests wait.
func (e *Engine) away() bool {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	return !e.down.IsZero() && e.opts.Clock.Since(e.down) > e.opts.WaitLimit
}

// refuse answers all that waits.
func (e *Engine) refuse(err error) {
	reqs, readers := e.take()
	for _, r := range reqs {
		r.finish(err)
	}
	for _, r := range readers {
		r <- err
	}
}

// Stats counts what the engine holds.
type Stats struct {
	Revision  uint64
	Objects   map[string]int // by resource
	Rows      int
	Corrupt   int // documents that cannot be decoded
	Unaudited int // objects whose rows have not been compared with the database's since it was loaded
	Watches   int
	Connected bool
}

// Stats returns the current counts.
func (e *Engine) Stats() Stats {
	out := Stats{Objects: map[string]int{}, Watches: int(e.watches.Load()), Corrupt: int(e.corrupt.Load()),
		Unaudited: int(e.unaudited.Load()), Connected: e.Ready() == nil}
	s, _ := e.hist.current()
	if s == nil {
		return out
	}
	out.Revision, out.Rows = s.rev, s.rows.Len()
	for _, name := range slices.Sorted(maps.Keys(e.byName)) {
		out.Objects[name] = s.count("/" + name + "/")
	}
	return out
}

// resourceOf finds the resource of a key.
func (e *Engine) resourceOf(key string) *Resource {
	if len(key) == 0 || key[0] != '/' {
		return nil
	}
	for i := 1; i < len(key); i++ {
		if key[i] == '/' {
			return e.byName[key[1:i]]
		}
	}
	return nil
}
