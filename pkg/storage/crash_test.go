package storage_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// crashLoad is what writers do while things break: each counts in a box of its own and creates items. What was acknowledged
// must be there, once; what ended with an error may be there, once.
type crashLoad struct {
	t       *testing.T
	engine  atomic.Pointer[toys] // the one that writers use
	acked   atomic.Int64
	stop    atomic.Bool
	work    sync.WaitGroup
	writers []*crashWriter
}

type crashWriter struct {
	box                   string
	counted, maybeCounted int
	items, maybeItems     []string
}

func startCrashLoad(t *testing.T, e *toys, writers int) *crashLoad {
	l := &crashLoad{t: t}
	l.engine.Store(e)
	for n := range writers {
		w := &crashWriter{box: fmt.Sprintf("w%d", n)}
		must(e.createBox(t.Context(), box(w.box, "red")))(t)
		l.writers = append(l.writers, w)
		l.work.Go(func() { l.run(t.Context(), w) })
	}
	t.Cleanup(func() { l.stop.Store(true); l.work.Wait() })
	return l
}

func (l *crashLoad) run(ctx context.Context, w *crashWriter) {
	for n := 0; !l.stop.Load() && ctx.Err() == nil; n++ {
		e := l.engine.Load()
		if _, err := e.updateBox(ctx, w.box, func(b *Box) { b.Spec.Count++ }); err == nil {
			w.counted++
			l.acked.Add(1)
		} else {
			w.maybeCounted++
		}
		name := fmt.Sprintf("%s-%d", w.box, n)
		if _, err := e.createItem(ctx, item(name, w.box)); err == nil {
			w.items = append(w.items, name)
			l.acked.Add(1)
		} else {
			w.maybeItems = append(w.maybeItems, name)
		}
		w.comeAndGo(ctx, l.t, e, n)
		if n%4 == 3 && len(w.items) > 1 {
			if _, err := e.deleteItem(ctx, w.items[0]); err != nil {
				w.maybeItems = append(w.maybeItems, w.items[0])
			} else {
				l.acked.Add(1)
			}
			w.items = w.items[1:]
		}
	}
}

// sharedItems are the names that all writers create and delete.
const sharedItems = 3

// comeAndGo creates an item under a name that all writers use, or deletes it. Whatever comes of it, the database itself has nothing
// to refuse.
func (w *crashWriter) comeAndGo(ctx context.Context, t *testing.T, e *toys, n int) {
	shared := fmt.Sprint("shared-", n%sharedItems)
	var err error
	if (n/sharedItems)%2 == 0 {
		_, err = e.createItem(ctx, item(shared, w.box))
	} else {
		_, err = e.deleteItem(ctx, shared)
	}
	if err != nil && strings.Contains(err.Error(), "refuses") {
		t.Errorf("%s: %v", shared, err)
	}
}

// progress waits until so many more writes were acknowledged.
func (l *crashLoad) progress(writes int64) {
	l.t.Helper()
	want := l.acked.Load() + writes
	eventually(l.t, "writes go on", func() bool { return l.acked.Load() >= want })
}

// finish ends the load and checks what is stored.
func (l *crashLoad) finish() {
	t := l.t
	t.Helper()
	l.stop.Store(true)
	l.work.Wait()
	e := l.engine.Load()
	stored := present(t.Context(), t, e.items, "/items")
	var acked, unknown int
	for _, w := range l.writers {
		got := must(e.box(t.Context(), w.box))(t).Spec.Count
		if got < w.counted || got > w.counted+w.maybeCounted {
			t.Errorf("%s: %d, acknowledged were %d, in doubt are %d", w.box, got, w.counted, w.maybeCounted)
		}
		for _, name := range w.items {
			if stored[name] == "" {
				t.Errorf("%s was acknowledged and is lost", name)
			}
			delete(stored, name)
		}
		for _, name := range w.maybeItems {
			delete(stored, name)
		}
		acked += w.counted
		unknown += w.maybeCounted + len(w.maybeItems)
	}
	for n := range sharedItems {
		shared := fmt.Sprint("shared-", n)
		if stored[shared] != "" {
			must(e.deleteItem(t.Context(), shared))(t)
		}
		must(e.createItem(t.Context(), item(shared, l.writers[0].box)))(t)
		must(e.deleteItem(t.Context(), shared))(t)
		delete(stored, shared)
	}
	for name := range stored {
		if !strings.HasPrefix(name, "mark-") {
			t.Errorf("%s is there and should not be", name)
		}
	}
	t.Logf("%d increments acknowledged, %d writes in doubt", acked, unknown)
}

func kills() int {
	if testing.Short() {
		return 3
	}
	return 10
}

func TestTheServerIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for _, database := range []struct {
		name    string
		options []ovntest.Option
	}{{"standalone", nil}, {"clustered", []ovntest.Option{ovntest.Clustered()}}} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel()
			nb := ovntest.NB(t, database.options...)
			e, other := openToys(t, nb.NBAddress()), openToys(t, nb.NBAddress())
			load := startCrashLoad(t, e, 16)
			followers := make([]*follower, 2)
			var watching sync.WaitGroup
			for n, engine := range []*toys{e, other} {
				followers[n] = newFollower(t)
				w := watchFrom(t, engine.items, "/items", "1")
				watching.Go(func() {
					if err := followers[n].follow(w, "the-end"); err != nil {
						t.Errorf("engine %d: %v", n, err)
					}
				})
			}
			for range kills() {
				load.progress(50)
				noError(t, nb.RestartNB(t.Context()))
			}
			load.progress(50)
			load.finish()
			must(e.createItem(t.Context(), item("the-end", "w0")))(t)
			watching.Wait()
			want := present(t.Context(), t, other.items, "/items")
			for n, f := range followers {
				if diff := cmp.Diff(want, f.objects); diff != "" {
					t.Errorf("the watch of engine %d: %s", n, diff)
				}
			}
		})
	}
}

// The engine that serves the writers is closed, another takes over, and watches go on where they were.
func TestEnginesComeAndGoUnderLoad(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	e := openToys(t, nb)
	load := startCrashLoad(t, e, 16)
	f := newFollower(t)
	f.last = 1
	for n := range kills() {
		w := watchFrom(t, load.engine.Load().items, "/items", rv(f.last))
		mark := fmt.Sprintf("mark-%d", n)
		must(load.engine.Load().createItem(t.Context(), item(mark, "w0")))(t)
		noError(t, f.follow(w, mark))
		w.Stop()
		load.progress(50)
		old := load.engine.Load()
		if n%2 == 0 {
			old.Close() // writers meet a closed engine for a while
		}
		load.engine.Store(openToys(t, nb))
		if n%2 == 1 {
			old.Close()
		}
	}
	load.finish()
	last := load.engine.Load()
	must(last.createItem(t.Context(), item("the-end", "w0")))(t)
	noError(t, f.follow(watchFrom(t, last.items, "/items", rv(f.last)), "the-end"))
	want := present(t.Context(), t, last.items, "/items")
	if diff := cmp.Diff(want, f.objects); diff != "" {
		t.Error(diff)
	}
}

// The environment variable tells a copy of the test binary that it is the writer that will be killed.
const childVariable = "NORTHBOUND_TEST_WRITER"

// TestWriterProcess is no test: it is what TestTheWriterIsKilled runs in a process of its own.
func TestWriterProcess(t *testing.T) {
	address, id, ok := strings.Cut(os.Getenv(childVariable), " ")
	if !ok {
		t.Skip("runs only as the child of another test")
	}
	e := openToys(t, address)
	var work sync.WaitGroup
	for n := range 8 {
		work.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", id, n, i)
				must(e.createItem(t.Context(), item(name, "b")))(t)
				counter := must(e.updateBox(t.Context(), fmt.Sprintf("c%d", n), func(b *Box) { b.Spec.Count++ }))(t)
				fmt.Printf("acknowledged %s %d %d\n", name, n, counter.Spec.Count)
			}
		})
	}
	work.Wait()
}

func TestTheWriterIsKilled(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t, ovntest.Clustered()).NBAddress()
	e := openToys(t, nb)
	must(e.createBox(t.Context(), box("b", "red")))(t)
	for n := range 8 {
		must(e.createBox(t.Context(), box(fmt.Sprintf("c%d", n), "red")))(t)
	}
	f := newFollower(t)
	w := watchFrom(t, e.items, "/items", "1")
	var counted [8]int
	names := map[string]bool{}
	rounds := (kills() + 1) / 2
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestWriterProcess$")
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", childVariable, nb, round))
		out, err := child.StdoutPipe()
		noError(t, err)
		noError(t, child.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			var name string
			var counter, count int
			if _, err := fmt.Sscanf(lines.Text(), "acknowledged %s %d %d", &name, &counter, &count); err != nil {
				continue
			}
			names[name] = true
			counted[counter] = max(counted[counter], count)
			if n++; n == 100 {
				noError(t, child.Process.Kill())
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
	}
	must(e.createItem(t.Context(), item("the-end", "b")))(t)
	noError(t, f.follow(w, "the-end"))
	stored := present(t.Context(), t, e.items, "/items")
	if diff := cmp.Diff(stored, f.objects); diff != "" {
		t.Errorf("the watch: %s", diff)
	}
	for name := range names {
		if stored[name] == "" {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	for n, want := range counted {
		// A process that is killed has at most one write of each of its writers in doubt.
		if got := must(e.box(t.Context(), fmt.Sprintf("c%d", n)))(t).Spec.Count; got < want || got > want+1 {
			t.Errorf("counter %d is %d, %d was acknowledged last", n, got, want)
		}
	}
	slots := map[int]bool{}
	for name := range stored {
		i := must(e.item(t.Context(), name))(t)
		if slots[i.Spec.Slot] {
			t.Errorf("slot %d is taken twice", i.Spec.Slot)
		}
		slots[i.Spec.Slot] = true
	}
}

// impatient makes sessions end soon when the server is silent. Who uses it waits long: on a slow machine they end without that, too.
func impatient(o *storage.Options) {
	o.NB = ovsdb.Options{Addresses: o.NB.Addresses, DialTimeout: time.Second, CallTimeout: time.Second, ProbeInterval: time.Second}
}

func TestALostReplyIsNoLostWrite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method string
		verdict      verdict
	}{
		{"the transaction does not arrive", "transact", cut},
		{"nobody hears of the transaction", "transact", passCut},
		{"its notification is lost", "update3", cut},
		{"its notification is the last that arrives", "update3", passCut},
		{"its reply is lost", "reply to transact", cut},
		{"its reply is the last that arrives", "reply to transact", passCut},
	} {
		for _, clustered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, clustered %v", test.name, clustered), func(t *testing.T) {
				t.Parallel()
				lostReply(t, test.method, test.verdict, clustered)
			})
		}
	}
}

func lostReply(t *testing.T, method string, v verdict, clustered bool) {
	var options []ovntest.Option
	if clustered {
		options = append(options, ovntest.Clustered())
	}
	p := newProxy(t, ovntest.NB(t, options...).NBAddress())
	e := openToys(t, p.address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(e.createBox(ctx, box("b", "red")))(t)
	f := newFollower(t)
	w := watchFrom(t, e.items, "/items", "1")
	const rounds = 3
	for n := range rounds {
		for _, write := range []func() error{
			func() error { _, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count++ }); return err },
			func() error { _, err := e.createItem(ctx, item(fmt.Sprint("lost", n), "b")); return err },
		} {
			var once sync.Once
			struck := make(chan struct{})
			p.onMessage(func(m message) (out verdict) {
				if m.Method == method {
					once.Do(func() { out = v; close(struck) })
				}
				return out
			})
			if err := write(); err != nil {
				t.Fatalf("round %d: %v", n, err)
			}
			<-struck // who creates may have its answer before
			p.onMessage(nil)
		}
		must(e.createItem(ctx, item(fmt.Sprint("i", n), "b")))(t)
	}
	noError(t, f.follow(w, fmt.Sprint("i", rounds-1)))
	other := openToys(t, p.address)
	if got := must(other.box(ctx, "b"))(t); got.Spec.Count != rounds || got.Status.Items != 2*rounds {
		t.Errorf("count %d, items %d, want %d and %d", got.Spec.Count, got.Status.Items, rounds, 2*rounds)
	}
	if diff := cmp.Diff(present(ctx, t, other.items, "/items"), present(ctx, t, e.items, "/items")); diff != "" {
		t.Error(diff)
	}
}

// The server is paused when a transaction arrives. The engine gives the session up and asks again, while the first question
// still lies in the server's socket.
func TestATransactionThatWaitsInThePausedServer(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name string
		wake func(context.Context, *ovn.Central) error
	}{
		{"which goes on", func(_ context.Context, nb *ovn.Central) error { return nb.ResumeNB() }},
		{"which is killed", func(ctx context.Context, nb *ovn.Central) error { return nb.RestartNB(ctx) }},
	} {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			nb := ovntest.NB(t)
			e := openToys(t, nb.NBAddress(), impatient)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			must(e.createBox(ctx, box("b", "red")))(t)
			for range 3 {
				noError(t, nb.PauseNB(ctx))
				result := make(chan error, 1)
				go func() {
					_, err := e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count++ })
					result <- err
				}()
				eventually(t, "the session is given up", func() bool { return e.Ready() != nil })
				noError(t, end.wake(ctx, nb))
				noError(t, <-result)
			}
			if got := must(e.box(ctx, "b"))(t).Spec.Count; got != 3 {
				t.Errorf("counted to %d", got)
			}
			if _, err := e.box(ctx, "none"); !apistorage.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
}
