package agent

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/klog/v2"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
	// resync is how often a loop looks although nothing happened.
	resync = 5 * time.Minute
	// lookAtSysctls is how often the kernel's settings are looked at: nobody announces changes of /proc/sys.
	lookAtSysctls = time.Second
	// burst is how many calls may follow each other without a pause; more have callSpacing between them. Who undoes what a loop does, and
	// wakes it by that, cannot keep a processor busy; and many changes at once cost few looks.
	burst       = 20
	callSpacing = 200 * time.Millisecond
)

// loop keeps one concern of the node as it should be: it calls sync at the start, whenever it is woken, and after an error
// again, with growing pauses. Being woken several times meanwhile is being woken once, and ends a pause.
type loop struct {
	name string
	sync func(context.Context) error
	wake chan struct{}
	rate *rate.Limiter

	mu    sync.Mutex
	began time.Time // of a call that has not returned; zero between calls
	ended time.Time // of the last call
	err   error     // of the last call
	once  bool      // a call had no error
	since time.Time // of the first of the calls that have failed in a row; zero after one without an error
}

func newLoop(name string, sync func(context.Context) error) *loop {
	return &loop{name: name, sync: sync, wake: make(chan struct{}, 1), rate: rate.NewLimiter(rate.Every(callSpacing), burst)}
}

// Wake makes the loop look again; it does not block.
func (l *loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Err is the outcome of the last call of sync; an error before the first has returned.
func (l *loop) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.IsZero() {
		return errNotYet
	}
	return l.err
}

// succeeded says whether the concern has ever been as it should be; if not, why.
func (l *loop) succeeded() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.once:
		return nil
	case l.ended.IsZero():
		return errNotYet
	}
	return l.err
}

// failing returns the error of the last call if calls have failed for longer than a time.
func (l *loop) failing(longer time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil || time.Since(l.since) <= longer {
		return nil
	}
	return l.err
}

// stuck says for how long the call of sync that is under way has lasted; 0 when none is.
func (l *loop) stuck() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		return 0
	}
	return time.Since(l.began)
}

// Run runs the loop until the context ends.
func (l *loop) Run(ctx context.Context) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName(l.name))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pause := minPause; ; {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-timer.C:
		}
		if l.rate.Wait(ctx) != nil {
			return
		}
		if err := l.call(ctx); err != nil && ctx.Err() == nil {
			timer.Reset(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		timer.Reset(resync)
	}
}

// call calls sync once, and reports an error when it is another than before.
func (l *loop) call(ctx context.Context) error {
	l.mu.Lock()
	l.began = time.Now()
	l.mu.Unlock()
	err := l.sync(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	took := time.Since(l.began)
	if err != nil && ctx.Err() == nil && (l.err == nil || l.err.Error() != err.Error()) {
		klog.FromContext(ctx).Info("Not as it should be; trying again", "reason", err.Error())
	} else if err == nil && (l.err != nil || l.ended.IsZero()) {
		klog.FromContext(ctx).Info("As it should be")
	}
	l.began, l.ended, l.err, l.once = time.Time{}, time.Now(), err, l.once || err == nil
	switch {
	case err == nil:
		l.since = time.Time{}
	case l.since.IsZero():
		l.since = l.ended
	}
	observeSync(l.name, took, err)
	return err
}
