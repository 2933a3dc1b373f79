package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

func TestALoopDoesNotWaitLongForAServerThatIsAway(t *testing.T) {
	for name, err := range map[string]error{
		"a server without its database": fmt.Errorf("write: %w", apierrors.NewServiceUnavailable("the database is away")),
		"no server":                     &url.Error{Op: "Put", URL: "https://192.0.2.1", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				back, served := time.Now().Add(10*time.Minute), time.Time{}
				l := newLoop("away", func(context.Context, string) error {
					if time.Now().Before(back) {
						return err
					}
					served = time.Now()
					return nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); l.run(ctx, 2) }()
				l.add("a")
				time.Sleep(time.Hour)
				cancel()
				<-done
				if late := served.Sub(back); late < 0 || late > awayRetry {
					t.Errorf("served %v after the server came back", late)
				}
			})
		})
	}
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
