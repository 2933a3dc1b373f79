package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// strays are rows with our tags that no document explains, as arguments of ovn-nbctl.
var strays = []struct {
	name string
	args []string
}{
	{"a port whose owner does not exist", []string{
		"lsp-add", "b", "ghost", "--", "set", "Logical_Switch_Port", "ghost", "external_ids={kubeovn.io/owner=Item/ghost,kubeovn.io/row=port}"}},
	{"a port whose owner does not exist, in two switches and a group", []string{
		"lsp-add", "b", "ghost", "--", "set", "Logical_Switch_Port", "ghost", "external_ids={kubeovn.io/owner=Item/ghost,kubeovn.io/row=port}",
		"--", "pg-set-ports", "b", "ghost", "--", "add", "Logical_Switch", "c", "ports", "@ghost"}},
	{"a second port of an owner", []string{
		"lsp-add", "b", "ghost", "--", "set", "Logical_Switch_Port", "ghost", "external_ids={kubeovn.io/owner=Item/i,kubeovn.io/row=port}"}},
	{"a port that its owner does not want", []string{
		"lsp-add", "c", "ghost", "--", "set", "Logical_Switch_Port", "ghost", "external_ids={kubeovn.io/owner=Item/i,kubeovn.io/row=other}"}},
	{"a switch whose owner does not exist, with a port of another that does not", []string{
		"ls-add", "gone", "--", "set", "Logical_Switch", "gone", "external_ids={kubeovn.io/owner=Box/gone,kubeovn.io/row=switch}",
		"--", "lsp-add", "gone", "ghost", "--", "set", "Logical_Switch_Port", "ghost", "external_ids={kubeovn.io/owner=Item/ghost,kubeovn.io/row=port}"}},
}

// makeStray makes the rows. "@ghost" is the UUID of the port of that name, which is made first then.
func makeStray(t *testing.T, nb string, args []string) {
	t.Helper()
	if args[len(args)-1] != "@ghost" {
		ovntest.Nbctl(t, nb, args...)
		return
	}
	last := len(args) - 5
	ovntest.Nbctl(t, nb, args[:last-1]...)
	uuid := strings.TrimSpace(ovntest.Nbctl(t, nb, "--bare", "--columns=_uuid", "find", "Logical_Switch_Port", "name=ghost"))
	ovntest.Nbctl(t, nb, append(args[last:len(args)-1:len(args)-1], uuid)...)
}

func TestRowsWithoutADocumentAreRemoved(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t)
	want := ovntest.Dump(t, nb, "Copp")
	for _, stray := range strays {
		before := e.metrics.drift("Logical_Switch_Port")
		makeStray(t, nb, stray.args)
		eventually(t, stray.name+" and is removed", func() bool { return ovntest.Dump(t, nb, "Copp") == want })
		if e.metrics.drift("Logical_Switch_Port") == before {
			t.Errorf("%s: not counted", stray.name)
		}
	}
}

// What such a row holds would be given out again: it is removed before the first write.
func TestRowsWithoutADocumentAreRemovedAtTheStart(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t)
	want := ovntest.Dump(t, nb, "Copp")
	for _, stray := range strays {
		e.Close()
		makeStray(t, nb, stray.args)
		e = startToys(t, nb)
		must(e.createItem(t.Context(), item("new", "b")))(t)
		if strings.Contains(stray.name, "does not exist") {
			if ports := ovntest.Nbctl(t, nb, "--bare", "--columns=name", "find", "Logical_Switch_Port", "name=ghost"); ports != "" {
				t.Errorf("%s: it is there when the first write is done", stray.name)
			}
		}
		must(e.deleteItem(t.Context(), "new"))(t)
		eventually(t, stray.name+" and is removed", func() bool { return ovntest.Dump(t, nb, "Copp") == want })
		if e.metrics.drift("Logical_Switch_Port") == 0 {
			t.Errorf("%s: not counted", stray.name)
		}
	}
}

func TestRowsWithoutADocumentAreOnlyReported(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t, func(o *storage.Options) { o.Drift = storage.DriftReport })
	makeStray(t, nb, strays[0].args)
	damaged := ovntest.Dump(t, nb, "Copp")
	eventually(t, "the row is counted", func() bool { return e.metrics.drift("Logical_Switch_Port") > 0 })
	e.Close()
	e = openToys(t, nb, func(o *storage.Options) { o.Drift = storage.DriftReport })
	eventually(t, "the row is counted again", func() bool { return e.metrics.drift("Logical_Switch_Port") > 0 })
	if diff := cmp.Diff(damaged, ovntest.Dump(t, nb, "Copp")); diff != "" {
		t.Errorf("removed: %s", diff)
	}
}

// An operator who has hung a row of ours into another one, too, does not keep its owner from being deleted.
func TestARowThatSomebodyElseHoldsCanBeDeleted(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	ovntest.Nbctl(t, nb, "ls-add", "theirs")
	for _, name := range []string{"b", "c"} {
		must(e.createBox(ctx, box(name, "red")))(t)
	}
	before := ovntest.Dump(t, nb, "Copp")
	must(e.createItem(ctx, item("i", "b")))(t)
	_, port := rowsOf(t, nb, "b")
	ovntest.Nbctl(t, nb, "add", "Logical_Switch", "theirs", "ports", port, "--", "add", "Logical_Switch", "c", "ports", port)
	must(e.deleteItem(ctx, "i"))(t)
	if diff := cmp.Diff(before, ovntest.Dump(t, nb, "Copp")); diff != "" {
		t.Error(diff)
	}
}

// An engine that was away while an object was deleted and its tombstone dropped does not take that for the work of a vandal.
func TestADeletionThatIsCompactedMeanwhile(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t, ovntest.Clustered()).NBAddress()
	p := newProxy(t, nb)
	away, writer := openToys(t, p.address), openToys(t, nb)
	ctx := t.Context()
	must(writer.createBox(ctx, box("b", "red")))(t)
	must(writer.createItem(ctx, item("i", "b")))(t)
	for n := range 50 { // the server tells a session what it missed only when that is small beside the database
		must(writer.createItem(ctx, item(fmt.Sprint("n", n), "b")))(t)
	}
	must(away.item(ctx, "i"))(t)
	p.onMessage(func(message) verdict { return cut })
	p.cutAll()
	must(writer.deleteItem(ctx, "i"))(t)
	noError(t, writer.Compact(ctx, writer.Stats().Revision))
	p.onMessage(nil)
	must(away.createBox(ctx, box("c", "red")))(t)
	if _, err := away.item(ctx, "i"); err == nil {
		t.Error("a deleted item is there again")
	}
	if _, err := writer.item(ctx, "i"); err == nil {
		t.Error("a deleted item is written again")
	}
}
