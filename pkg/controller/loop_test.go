package controller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestALoopTriesAgainLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, at := time.Now(), []time.Duration{}
		l := newLoop("again", func(context.Context, string) error {
			at = append(at, time.Since(start))
			if len(at) < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.run(ctx, 2) }()
		l.add("a")
		time.Sleep(time.Hour)
		cancel()
		<-done
		want := []time.Duration{0, firstRetry, 3 * firstRetry, 7 * firstRetry}
		if len(at) != len(want) {
			t.Fatalf("synced at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("synced at %v, want %v", at, want)
			}
		}
	})
}

func TestALoopSyncsANameOnceAtATimeAndNotOnceAnAddition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, syncs := 0, 0
		l := newLoop("once", func(context.Context, string) error {
			if running++; running > 1 {
				t.Error("one name is synced twice at a time")
			}
			syncs++
			time.Sleep(time.Second)
			running--
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.run(ctx, 3) }()
		for range 100 {
			l.add("a")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		cancel()
		<-done
		if syncs != 2 {
			t.Errorf("synced %d times, want 2: at the first addition, and for all that came meanwhile", syncs)
		}
	})
}
