package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/repeats"
)

// How long a name waits after its first and after many failures in a row.
const (
	firstRetry = 10 * time.Millisecond
	lastRetry  = 30 * time.Second
	// awayRetry is how long it waits when an API server is away: what failed is nothing that waiting longer would mend.
	awayRetry = time.Second
)

// loop brings the things that its queue names into their desired state. A name is in the queue once, however often it is
// added, and is never synced by two workers at a time.
type loop struct {
	name  string
	queue workqueue.TypedRateLimitingInterface[string]
	// sync returns nil when the thing is as it should be; after an error it is called again, later and later.
	sync func(ctx context.Context, key string) error
}

func newLoop(name string, sync func(ctx context.Context, key string) error) *loop {
	return &loop{
		name: name,
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry),
			workqueue.TypedRateLimitingQueueConfig[string]{Name: name}),
		sync: sync,
	}
}

// add queues names.
func (l *loop) add(keys ...string) {
	for _, key := range keys {
		l.queue.Add(key)
	}
}

// run syncs until ctx ends, and returns when no sync is running any more.
func (l *loop) run(ctx context.Context, workers int) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName(l.name))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	wg.Wait()
}

func (l *loop) next(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	err := l.sync(ctx, key)
	var repeated *repeats.Error
	switch {
	case err == nil:
		l.queue.Forget(key)
		return true
	case apierrors.IsConflict(err):
		// The cache was behind: what it misses is on its way.
		klog.FromContext(ctx).V(4).Info("Again", "key", key, "reason", err)
	case ctx.Err() != nil:
		return false
	case errors.As(err, &repeated):
		l.queue.AddAfter(key, repeated.After)
		return true
	case away(err):
		syncErrors.WithLabelValues(l.name).Inc()
		klog.FromContext(ctx).V(1).Info("An API server is away; will try again", "key", key, "reason", err)
		l.queue.AddAfter(key, awayRetry)
		return true
	default:
		syncErrors.WithLabelValues(l.name).Inc()
		klog.FromContext(ctx).Error(err, "Cannot bring about the desired state; will try again", "key", key, "failures", l.queue.NumRequeues(key)+1)
	}
	l.queue.AddRateLimited(key)
	return true
}

// away reports whether a request failed for want of a server that could answer it.
func away(err error) bool {
	var unreachable net.Error
	return apierrors.IsServiceUnavailable(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		errors.As(err, &unreachable)
}

// watch calls changed for every object that comes, goes or changes: with (nil, obj), (obj, nil) and (old, obj).
func watch[T any](informer cache.SharedIndexInformer, changed func(old, obj T)) error {
	var none T
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { changed(none, obj.(T)) },
		UpdateFunc: func(old, obj any) { changed(old.(T), obj.(T)) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if old, ok := obj.(T); ok {
				changed(old, none)
			}
		},
	})
	return err
}

// byIndex returns the objects that an index has under a key. The index must exist.
func byIndex[T any](indexer cache.Indexer, index, key string) []T {
	objs, err := indexer.ByIndex(index, key)
	if err != nil {
		panic(fmt.Sprintf("index %s: %v", index, err)) // it was not added: a mistake of this package
	}
	out := make([]T, len(objs))
	for i, obj := range objs {
		out[i] = obj.(T)
	}
	return out
}

// index is an index of objects of one type.
func index[T any](keys func(T) []string) cache.IndexFunc {
	return func(obj any) ([]string, error) {
		if o, ok := obj.(T); ok {
			return keys(o), nil
		}
		return nil, nil
	}
}

// firstError is the first error that there is.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
