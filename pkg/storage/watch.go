package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/util/flowcontrol"
	"k8s.io/utils/clock"
)

const (
	// watchBuffer decouples a watch from its reader; it holds no history: a reader that is slow for long finds fewer,
	// merged events, as after a reconnection.
	watchBuffer = 100
	// bookmarkBeforeEnd leaves a client whose watch is about to end with a revision to resume from.
	bookmarkBeforeEnd = 2 * time.Second
)

// watcher is a cursor into the shared history.
type watcher struct {
	s      *store
	key    string
	single bool // exactly this key instead of a prefix
	pred   storage.SelectionPredicate
	opts   storage.ListOptions

	rev      uint64 // everything up to here is delivered
	resets   int64  // of the history when the watch began
	progress uint64 // the last request for progress that was answered
	result   chan watch.Event
	cancel   context.CancelFunc
}

// Watch implements storage.Interface. Errors of the past (410) arrive as an event, as clients expect.
func (s *store) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	key, err := s.prepare(key, opts.Recursive)
	if err != nil {
		return nil, err
	}
	rev, err := s.versioner.ParseResourceVersion(opts.ResourceVersion)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid resource version: %v", err))
	}
	resets := s.e.hist.resets.Load()
	if asked := opts.SendInitialEvents; asked != nil && !*asked && rev == 0 {
		// From now on: what is written after this call returns is part of the watch.
		now, err := s.notOlderThan(ctx, opts.ResourceVersion)
		if err != nil {
			return nil, err
		}
		rev = now.rev
	} else if _, err := s.snapshot(); err != nil {
		return nil, err
	}
	w := &watcher{s: s, key: key, single: !opts.Recursive, pred: opts.Predicate, opts: opts, rev: rev,
		resets: resets, progress: s.e.progress.Load(), result: make(chan watch.Event, watchBuffer)}
	ctx, w.cancel = context.WithCancel(ctx)
	s.e.watches.Add(1)
	s.e.opts.Metrics.Watching(s.res.Name, 1)
	go w.run(ctx)
	return w, nil
}

// RequestWatchProgress implements storage.Interface: every watch with ProgressNotify sends a bookmark soon.
func (s *store) RequestWatchProgress(context.Context) error {
	s.e.progress.Add(1)
	s.e.queueMu.Lock()
	defer s.e.queueMu.Unlock()
	close(s.e.nudge)
	s.e.nudge = make(chan struct{})
	return nil
}

func (e *Engine) nudged() <-chan struct{} {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	return e.nudge
}

// ResultChan implements watch.Interface.
func (w *watcher) ResultChan() <-chan watch.Event { return w.result }

// Stop implements watch.Interface.
func (w *watcher) Stop() { w.cancel() }

func (w *watcher) run(ctx context.Context) {
	defer func() {
		w.cancel()
		close(w.result)
		w.s.e.watches.Add(-1)
		w.s.e.opts.Metrics.Watching(w.s.res.Name, -1)
	}()
	err := w.begin(ctx)
	if err == nil {
		flowcontrol.WatchInitialized(ctx)
		err = w.follow(ctx)
	}
	if err != nil && ctx.Err() == nil {
		w.send(ctx, watch.Event{Type: watch.Error, Object: errorStatus(err)})
	}
}

// begin delivers the initial events where they are asked for.
func (w *watcher) begin(ctx context.Context) error {
	asked := w.opts.SendInitialEvents
	if asked == nil && w.rev != 0 || asked != nil && !*asked {
		return nil // a watch of an unset revision begins with the present objects, unless it says otherwise
	}
	now, err := w.s.notOlderThan(ctx, w.opts.ResourceVersion)
	if err != nil {
		return err
	}
	w.rev = now.rev
	if err := w.deliverAll(ctx, now); err != nil {
		return err
	}
	if asked != nil && w.pred.AllowWatchBookmarks {
		mark, err := w.bookmark()
		if err != nil {
			return err
		}
		if err := storage.AnnotateInitialEventsEndBookmark(mark.Object); err != nil {
			return err
		}
		w.send(ctx, mark)
	}
	return nil
}

// deliverAll sends the present objects as added.
func (w *watcher) deliverAll(ctx context.Context, now *state) (err error) {
	add := func(e *entry) bool {
		obj, _, failure := w.s.object(ctx, e)
		if failure != nil {
			err = failure
			return false
		}
		ok, failure := w.matches(obj)
		if failure != nil {
			err = failure
			return false
		}
		return !ok || w.send(ctx, watch.Event{Type: watch.Added, Object: obj.DeepCopyObject()})
	}
	if w.single {
		if e := now.get(w.key); e != nil {
			add(e)
		}
		return err
	}
	now.ascend(w.key, w.key, add)
	return err
}

func (w *watcher) matches(obj Object) (bool, error) {
	if w.pred.Empty() {
		return true, nil
	}
	return w.pred.Matches(obj)
}

// follow delivers events until the watch ends.
func (w *watcher) follow(ctx context.Context) error {
	bookmarks := w.pred.AllowWatchBookmarks || w.opts.ProgressNotify
	var timer clock.Timer
	var due <-chan time.Time
	if bookmarks {
		timer = w.s.e.opts.Clock.NewTimer(w.interval(ctx))
		defer timer.Stop()
		due = timer.C()
	}
	for {
		nudge := w.s.e.nudged()
		changed, err := w.catchUp(ctx)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if n := w.s.e.progress.Load(); w.opts.ProgressNotify && n != w.progress {
			w.progress = n
			if err := w.sendBookmark(ctx); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-nudge:
		case <-due:
			if err := w.sendBookmark(ctx); err != nil {
				return err
			}
			timer.Reset(w.s.e.opts.BookmarkInterval)
		case <-ctx.Done():
			return nil
		case <-w.s.e.stopped:
			return nil
		}
	}
}

// interval is the time to the first bookmark.
func (w *watcher) interval(ctx context.Context) time.Duration {
	d := w.s.e.opts.BookmarkInterval
	if end, ok := ctx.Deadline(); ok {
		if left := end.Sub(w.s.e.opts.Clock.Now()) - bookmarkBeforeEnd; left < d {
			return max(left, 0)
		}
	}
	return d
}

// catchUp delivers all events after w.rev. It returns a channel that is closed when there are more.
func (w *watcher) catchUp(ctx context.Context) (<-chan struct{}, error) {
	events, now, changed, ok := w.s.e.hist.since(w.rev)
	if w.s.e.hist.resets.Load() != w.resets {
		return nil, apierrors.NewResourceExpired("The database has changed its history: list again.")
	}
	if !ok {
		state, err := w.s.snapshot()
		if err != nil {
			return nil, err
		}
		if w.rev < state.compacted {
			return nil, apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.")
		}
		events, now = w.rebuild(state), state.rev
	}
	for _, ev := range events {
		if !w.concerns(ev.cur.key) {
			continue
		}
		if err := w.deliver(ctx, ev); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
	w.rev = max(w.rev, now)
	return changed, nil
}

func (w *watcher) concerns(key string) bool {
	if w.single {
		return key == w.key
	}
	return strings.HasPrefix(key, w.key)
}

// rebuild makes the events since a revision from the objects and tombstones of a state: what happened before the process
// started, merged by object. What an object was before is not known: see deliver.
func (w *watcher) rebuild(s *state) []event {
	var events []event
	collect := func(e *entry) {
		if e.rev <= w.rev || !w.concerns(e.key) || (e.deleted && e.createRev > w.rev) {
			return
		}
		ev := event{rev: e.rev, cur: e}
		if e.createRev <= w.rev {
			ev.prev = unknown
		}
		events = append(events, ev)
	}
	s.ascend(w.s.prefix, w.s.prefix, func(e *entry) bool { collect(e); return true })
	s.tombs.AscendGreaterOrEqual(&entry{rev: w.rev + 1}, func(e *entry) bool { collect(e); return true })
	sortEvents(events)
	return events
}

// unknown stands for an earlier version that is not known.
var unknown = &entry{}

// deliver sends what an event means for this watch: an object enters or leaves the selection, or changes within it.
func (w *watcher) deliver(ctx context.Context, ev event) error {
	cur, _, err := w.s.object(ctx, ev.cur)
	if err != nil {
		if ev.cur.deleted && storage.IsCorruptObject(err) {
			err = &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonStoreReadError,
				Message: fmt.Sprintf("saw a DELETED event, but object data is corrupt: %v", err)}}
		}
		return err
	}
	is := false
	if !ev.cur.deleted {
		if is, err = w.matches(cur); err != nil {
			return err
		}
	}
	var last Object
	was := false
	switch {
	case ev.prev == unknown:
		// Perhaps it matched. A deletion of something that a client does not have is harmless, a missed one is not.
		last, was = cur, true
	case ev.prev != nil:
		if last, _, err = w.s.object(ctx, ev.prev); err != nil {
			return err
		}
		if was, err = w.matches(last); err != nil {
			return err
		}
	}
	switch {
	case is && was:
		w.send(ctx, watch.Event{Type: watch.Modified, Object: w.outgoing(ev.cur, cur)})
	case is:
		w.send(ctx, watch.Event{Type: watch.Added, Object: w.outgoing(ev.cur, cur)})
	case was && ev.cur.deleted:
		w.send(ctx, watch.Event{Type: watch.Deleted, Object: w.outgoing(ev.cur, cur)})
	case was:
		gone := last.DeepCopyObject()
		if err := w.s.versioner.UpdateObject(gone, ev.rev); err != nil {
			return err
		}
		w.send(ctx, watch.Event{Type: watch.Deleted, Object: gone})
	}
	return nil
}

// outgoing protects the stored object from the reader.
func (w *watcher) outgoing(e *entry, obj Object) runtime.Object {
	if w.s.share {
		return w.s.e.encodings.of(e)
	}
	return obj.DeepCopyObject()
}

func (w *watcher) send(ctx context.Context, ev watch.Event) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case w.result <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *watcher) bookmark() (watch.Event, error) {
	obj := w.s.newFunc()
	if err := w.s.versioner.UpdateObject(obj, w.rev); err != nil {
		return watch.Event{}, err
	}
	return watch.Event{Type: watch.Bookmark, Object: obj}, nil
}

func (w *watcher) sendBookmark(ctx context.Context) error {
	mark, err := w.bookmark()
	if err == nil {
		w.send(ctx, mark)
	}
	return err
}

func errorStatus(err error) runtime.Object {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		out := status.Status()
		return &out
	}
	out := apierrors.NewInternalError(err).Status()
	return &out
}
