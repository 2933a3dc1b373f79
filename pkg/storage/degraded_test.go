package storage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// unavailable checks that an error is a 503 that says when to try again.
func unavailable(t *testing.T, what string, err error) {
	t.Helper()
	var status apierrors.APIStatus
	if !apierrors.IsServiceUnavailable(err) || !errors.As(err, &status) || status.Status().Details == nil || status.Status().Details.RetryAfterSeconds == 0 {
		t.Errorf("%s: %v", what, err)
	}
}

func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		paused bool
	}{{"killed", false}, {"paused", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nb := ovntest.NB(t)
			e := openToys(t, nb.NBAddress(), func(o *storage.Options) { o.WaitLimit = 2 * time.Second })
			ctx := t.Context()
			made := must(e.createBox(ctx, box("b", "red")))(t)
			w := watchFrom(t, e.boxes, "/boxes", made.ResourceVersion)
			if test.paused {
				noError(t, nb.PauseNB(ctx))
			} else {
				noError(t, nb.KillNB())
			}

			// Clients wait no longer than this, whenever they come.
			deadline, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if !test.paused {
				// The engine may have sent it before it has heard of the end.
				if _, err := e.createBox(deadline, box("early", "red")); !apierrors.IsTimeout(err) {
					unavailable(t, "a write", err)
				}
			}
			eventually(t, "the loss is noticed", func() bool { return e.Ready() != nil })
			_, err := e.createBox(deadline, box("late", "red"))
			unavailable(t, "a write", err)
			_, err = e.deleteBox(deadline, "b")
			unavailable(t, "a deletion", err)
			_, err = e.updateBox(deadline, "b", func(b *Box) { b.Spec.Count++ })
			unavailable(t, "an update", err)
			_, err = e.box(deadline, "b")
			unavailable(t, "a consistent read", err)
			unavailable(t, "a consistent list", e.boxes.GetList(deadline, "/boxes", apistorage.ListOptions{Recursive: true, Predicate: everything}, &BoxList{}))

			for _, version := range []string{"0", made.ResourceVersion} {
				got, list := &Box{}, &BoxList{}
				noError(t, e.boxes.Get(ctx, "/boxes/b", apistorage.GetOptions{ResourceVersion: version}, got))
				noError(t, e.boxes.GetList(ctx, "/boxes", apistorage.ListOptions{ResourceVersion: version, Recursive: true, Predicate: everything}, list))
				if got.Spec.Color != "red" || len(list.Items) != 1 {
					t.Errorf("at %s: %v, %v", version, got, list)
				}
			}
			if err := e.boxes.ReadinessCheck(); err == nil {
				t.Error("ready without a database")
			}

			if test.paused {
				noError(t, nb.ResumeNB())
			} else {
				noError(t, nb.RestartNB(ctx))
			}
			noError(t, e.WaitReady(ctx))
			must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count = 7 }))(t)
			if b := next(t, w).Object.(*Box); b.Spec.Count != 7 {
				t.Errorf("the watch goes on with %v", b)
			}
		})
	}
}

// Requests that wait for a silent server are bounded, and leave nothing behind.
func TestTheQueueIsBounded(t *testing.T) {
	nb := ovntest.NB(t)
	e := openToys(t, nb.NBAddress())
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	before := runtime.NumGoroutine()
	noError(t, nb.PauseNB(ctx))
	waiting, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	var mu sync.Mutex
	refused, other := 0, map[string]int{}
	callers := storage.MaxQueue + 500
	for n := range callers {
		work.Go(func() {
			_, err := e.createBox(waiting, box(fmt.Sprint("n", n), "red"))
			mu.Lock()
			defer mu.Unlock()
			if apierrors.IsTooManyRequests(err) {
				refused++
			} else {
				other[text(err)]++
			}
		})
	}
	eventually(t, "the surplus is refused", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return refused >= callers-storage.MaxQueue
	})
	cancel()
	work.Wait()
	if refused != callers-storage.MaxQueue {
		t.Errorf("%d of %d were refused; the others: %v", refused, callers, other)
	}
	noError(t, nb.ResumeNB())
	// What was given up is not written later, but for what was on its way.
	eventually(t, "the queue is empty", func() bool { return e.Queued() == 0 })
	must(e.createBox(ctx, box("after", "red")))(t)
	if got := e.Stats().Objects["boxes"]; got > 2+2*128 { // one batch sent, one planned
		t.Errorf("%d boxes were written although their callers have given up", got)
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+5 })
}

func TestAClosedEngineAnswers(t *testing.T) {
	t.Parallel()
	e, _ := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	w := watchFrom(t, e.boxes, "/boxes", rv(e.Stats().Revision))
	e.Close()
	_, err := e.createBox(ctx, box("c", "red"))
	unavailable(t, "a write", err)
	_, err = e.box(ctx, "b")
	unavailable(t, "a consistent read", err)
	if e.Ready() == nil || e.WaitReady(ctx) == nil {
		t.Error("a closed engine says that it is ready")
	}
	select {
	case ev, ok := <-w.ResultChan():
		if ok {
			t.Errorf("%v", ev)
		}
	case <-time.After(patience):
		t.Error("the watch goes on")
	}
	e.Close() // may be called twice
}

func TestAnEngineStartsBeforeItsDatabase(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t)
	noError(t, nb.KillNB())
	e := startToys(t, nb.NBAddress())
	if e.Ready() == nil || e.View() != nil {
		t.Error("ready without a database")
	}
	unavailable(t, "a read", e.boxes.Get(t.Context(), "/boxes/b", apistorage.GetOptions{ResourceVersion: "0"}, &Box{}))
	noError(t, nb.RestartNB(t.Context()))
	noError(t, e.WaitReady(t.Context()))
	must(e.createBox(t.Context(), box("b", "red")))(t)
}

// Sessions that come and go leave no goroutines behind.
func TestSessionsLeaveNothingBehind(t *testing.T) {
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address)
	ctx := t.Context()
	before := runtime.NumGoroutine()
	for n := range 6 {
		p.cutAll()
		must(e.createBox(ctx, box(fmt.Sprint("n", n), "red")))(t)
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+5 })
}
