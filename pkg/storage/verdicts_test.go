package storage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apistorage "k8s.io/apiserver/pkg/storage"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Text that a column cannot hold would end the session: it is refused before it is sent, and nobody else notices.
func TestTextThatNoColumnHoldsIsABadRequest(t *testing.T) {
	t.Parallel()
	p := newProxy(t, ovntest.NB(t).NBAddress())
	e := openToys(t, p.address)
	ctx := t.Context()
	for _, test := range []struct{ name, color string }{{"nul", "a\x00b"}, {"not-utf8", "a\xff"}, {"half-of-a-pair", "\xed\xa0\x80"}} {
		if _, err := e.createBox(ctx, box(test.name, test.color)); !apierrors.IsBadRequest(err) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// In a document these are escapes, or what the JSON encoder makes of them.
	must(e.createBox(ctx, box("b", "red")))(t)
	i := item("i", "b")
	i.Spec.Note = "a\x00b\u2028é😀\""
	must(e.createItem(ctx, i))(t)
	other := openToys(t, p.address)
	if got := must(other.item(ctx, "i"))(t); got.Spec.Note != i.Spec.Note {
		t.Errorf("%q has become %q", i.Spec.Note, got.Spec.Note)
	}

	// The guilty one of many is refused alone, also where so many wait that their transaction is made before its time.
	for _, many := range []int{10, 60} {
		held, release := hold(p, "transact")
		var work sync.WaitGroup
		work.Go(func() { must(e.createBox(ctx, box(fmt.Sprint("held", many), "red")))(t) })
		<-held
		errs := make([]error, many)
		for n := range errs {
			work.Go(func() {
				_, errs[n] = e.createBox(ctx, box(fmt.Sprint("n", n, "-", many), strings.Repeat("\x00", n%10/9)))
			})
		}
		eventually(t, "all wait", func() bool { return e.Queued() > len(errs) })
		release()
		work.Wait()
		for n, err := range errs {
			if guilty := n%10 == 9; guilty != (err != nil) || guilty && !apierrors.IsBadRequest(err) {
				t.Errorf("request %d of %d: %v", n, many, err)
			}
		}
	}
}

// A port of somebody else has the name that one of a hundred items would need.
func TestWhatTheDatabaseRefusesIsRefusedAlone(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	ovntest.Nbctl(t, nb, "ls-add", "theirs", "--", "lsp-add", "theirs", "i13")
	// The name of a port has no index in every schema that names of CoPPs have: a document's name is such a one, too.
	ovntest.Nbctl(t, nb, "create", "Copp", "name=items/i17")
	p := newProxy(t, nb)
	e := openToys(t, p.address)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	held, release := hold(p, "transact")
	var work sync.WaitGroup
	work.Go(func() { must(e.createBox(ctx, box("held", "red")))(t) })
	<-held
	errs := make([]error, 100)
	for n := range errs {
		work.Go(func() { _, errs[n] = e.createItem(ctx, item(fmt.Sprint("i", n), "b")) })
	}
	eventually(t, "all wait", func() bool { return e.Queued() > len(errs) })
	release()
	work.Wait()
	for n, err := range errs {
		if guilty := n == 13 || n == 17; guilty != (err != nil) || guilty && !apierrors.IsConflict(err) {
			t.Errorf("request %d: %v", n, err)
		}
	}
	slots := map[int]string{}
	list := &ItemList{}
	noError(t, e.items.GetList(ctx, "/items", apistorage.ListOptions{Recursive: true, Predicate: everything}, list))
	for _, i := range list.Items {
		if other := slots[i.Spec.Slot]; other != "" {
			t.Errorf("%s and %s have slot %d", other, i.Name, i.Spec.Slot)
		}
		slots[i.Spec.Slot] = i.Name
	}
	if len(list.Items) != 98 || len(slots) != 98 {
		t.Errorf("%d items", len(list.Items))
	}
}

// expire makes an object whose time ends so many seconds from now.
func expire(ctx context.Context, t *testing.T, e *toys, name string, ttl uint64) {
	t.Helper()
	noError(t, e.boxes.Create(ctx, "/boxes/"+name, box(name, "red"), nil, ttl))
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	ctx := t.Context()
	// No time passes but when a test waits for that.
	clock := clocktesting.NewFakeClock(time.Now())
	openToys := func(t *testing.T) *toys {
		return openToys(t, nb, func(o *storage.Options) { o.Clock = clock })
	}
	gone := func(e *toys, name string) func() bool {
		return func() bool {
			clock.Step(time.Second)
			_, err := e.box(ctx, name)
			return apistorage.IsNotFound(err)
		}
	}
	t.Run("an object whose time ends while no engine runs goes when one starts", func(t *testing.T) {
		e := openToys(t)
		expire(ctx, t, e, "short", 1)
		e.Close()
		clock.Step(2 * time.Second)
		e = openToys(t)
		eventually(t, "the object expires", gone(e, "short"))
	})
	t.Run("an update leaves the time as it is, also for other engines", func(t *testing.T) {
		e, other := openToys(t), openToys(t)
		expire(ctx, t, e, "kept", 2)
		must(e.updateBox(ctx, "kept", func(b *Box) { b.Spec.Count++ }))(t)
		e.Close()
		must(other.updateBox(ctx, "kept", func(b *Box) { b.Spec.Count++ }))(t)
		eventually(t, "the object expires", gone(other, "kept"))
	})
	t.Run("an object whose time is over and that is in use waits as any other", func(t *testing.T) {
		e := openToys(t)
		expire(ctx, t, e, "used", 1)
		must(e.createItem(ctx, item("user", "used")))(t)
		eventually(t, "the object is marked", func() bool {
			clock.Step(time.Second)
			b, err := e.box(ctx, "used")
			return err == nil && b.DeletionTimestamp != nil && !b.DeletionTimestamp.IsZero()
		})
		must(e.deleteItem(ctx, "user"))(t)
		if !gone(e, "used")() {
			t.Error("it stays")
		}
	})
}

func TestRegistrations(t *testing.T) {
	if _, err := storage.Open(t.Context(), storage.Options{Codec: toyCodec, Resources: []*storage.Resource{boxes, boxes}}); err == nil {
		t.Error("a resource was registered twice")
	}
	if _, err := storage.Open(t.Context(), storage.Options{}); err == nil {
		t.Error("an engine without a codec was opened")
	}
}
