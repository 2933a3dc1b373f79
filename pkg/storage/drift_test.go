package storage_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/features"
	apistorage "k8s.io/apiserver/pkg/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// damages are what an operator may do to our rows, as arguments of ovn-nbctl, and the table that then differs.
var damages = []struct {
	name, table string
	args        []string
}{
	{"a column is changed", "Logical_Switch_Port", []string{"lsp-set-addresses", "i", "unknown"}},
	{"a map is changed", "Logical_Switch", []string{"set", "Logical_Switch", "b", "other_config:color=green"}},
	{"the tags are removed", "Logical_Switch", []string{"clear", "Logical_Switch", "b", "external_ids"}},
	{"a port is deleted", "Logical_Switch_Port", []string{"lsp-del", "i"}},
	{"a switch is deleted with its ports", "Logical_Switch", []string{"ls-del", "b"}},
	{"a port is taken out of its group", "Port_Group", []string{"clear", "Port_Group", "b", "ports"}},
	{"a group is deleted", "Port_Group", []string{"pg-del", "b"}},
	{"groups and a switch are deleted", "Port_Group", []string{"pg-del", "b", "--", "pg-del", "c", "--", "ls-del", "b"}},
	{"everything is deleted", "Logical_Switch_Port", []string{"ls-del", "b", "--", "ls-del", "c"}},
}

// newDriftingToys makes rows to damage.
func newDriftingToys(t *testing.T, change ...func(*storage.Options)) (*toys, string) {
	e, nb := newToys(t, change...)
	ctx := t.Context()
	ovntest.Nbctl(t, nb, "init") // makes the row that ovn-nbctl wants in NB_Global
	for _, name := range []string{"b", "c"} {
		grouped := box(name, "red")
		grouped.Spec.Grouped = true
		must(e.createBox(ctx, grouped))(t)
	}
	must(e.createItem(ctx, item("i", "b")))(t)
	must(e.createItem(ctx, item("j", "b")))(t)
	return e, nb
}

func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t)
	want := ovntest.Dump(t, nb, "Copp")
	for _, damage := range damages {
		before, revision := e.metrics.drift(damage.table), e.Stats().Revision
		ovntest.Nbctl(t, nb, damage.args...)
		eventually(t, damage.name+" and repaired", func() bool { return ovntest.Dump(t, nb, "Copp") == want })
		if e.metrics.drift(damage.table) == before {
			t.Errorf("%s: not counted", damage.name)
		}
		if got := e.Stats().Revision; got != revision {
			t.Errorf("%s: the repair of rows has changed documents: revision %d, was %d", damage.name, got, revision)
		}
	}
}

func TestDriftIsOnlyReported(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t, func(o *storage.Options) { o.Drift = storage.DriftReport })
	want := ovntest.Dump(t, nb, "Copp")
	before := e.metrics.drift("Logical_Switch")
	ovntest.Nbctl(t, nb, "set", "Logical_Switch", "b", "other_config:color=green")
	damaged := ovntest.Dump(t, nb, "Copp")
	eventually(t, "the difference is counted", func() bool { return e.metrics.drift("Logical_Switch") > before })
	// Whatever else the engine does: the difference stays.
	must(e.updateBox(t.Context(), "c", func(b *Box) { b.Spec.Count++ }))(t)
	if diff := cmp.Diff(damaged, ovntest.Dump(t, nb, "Copp")); diff != "" {
		t.Errorf("repaired: %s", diff)
	}
	// The next write that concerns the owner repairs it.
	must(e.updateBox(t.Context(), "b", func(b *Box) { b.Spec.Count++ }))(t)
	if diff := cmp.Diff(want, ovntest.Dump(t, nb, "Copp")); diff != "" {
		t.Errorf("not repaired by a write: %s", diff)
	}
}

func TestWhatChangedWhileNoEngineRanIsRepairedAtTheStart(t *testing.T) {
	t.Parallel()
	e, nb := newDriftingToys(t)
	want := ovntest.Dump(t, nb, "Copp")
	for _, damage := range damages {
		e.Close()
		ovntest.Nbctl(t, nb, damage.args...)
		e = openToys(t, nb)
		eventually(t, damage.name+" and repaired", func() bool { return ovntest.Dump(t, nb, "Copp") == want })
		if e.metrics.drift(damage.table) == 0 {
			t.Errorf("%s: not counted", damage.name)
		}
	}
}

// An operator's change that the server tells of together with another engine's write is noticed, too.
func TestDriftAmongWritesOfAnotherEngine(t *testing.T) {
	t.Parallel()
	nb := ovntest.NB(t).NBAddress()
	p := newProxy(t, nb)
	writer, auditor := openToys(t, nb, func(o *storage.Options) { o.Drift = storage.DriftReport }), openToys(t, p.address)
	ctx := t.Context()
	must(writer.createBox(ctx, box("b", "red")))(t)
	must(writer.createBox(ctx, box("c", "red")))(t)
	must(auditor.box(ctx, "c"))(t)
	ovntest.Nbctl(t, nb, "init")
	want := ovntest.Dump(t, nb, "Copp")
	// A transaction of the operator that touches a CoPP, too, looks like the writes of an engine.
	ovntest.Nbctl(t, nb, "set", "Logical_Switch", "b", "other_config:color=green", "--", "create", "Copp", "name=theirs")
	eventually(t, "the difference is repaired", func() bool { return ovntest.Dump(t, nb, "Copp") == want })
}

// document returns the row of a document.
func document(t *testing.T, nb, name string) string {
	t.Helper()
	return strings.TrimSpace(ovntest.Nbctl(t, nb, "--bare", "--columns=_uuid", "find", "Copp", "name="+name))
}

// A document that cannot be read is counted and can be deleted; nothing else suffers from it. Not parallel: of a feature gate.
func TestADocumentIsVandalised(t *testing.T) {
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AllowUnsafeMalformedObjectDeletion, true)
	nb := ovntest.NB(t)
	e := openToys(t, nb.NBAddress())
	ctx := t.Context()
	must(e.createBox(ctx, box("a", "red")))(t)
	must(e.createBox(ctx, box("b", "red")))(t)
	must(e.createItem(ctx, item("i", "b")))(t)
	e.Close()
	ovntest.Nbctl(t, nb.NBAddress(), "set", "Copp", document(t, nb.NBAddress(), "boxes/b"), `external_ids:kubeovn.io/doc="{broken"`)

	e = openToys(t, nb.NBAddress())
	from := e.Stats().Revision
	if got := e.Stats().Corrupt; got != 1 {
		t.Errorf("%d corrupt documents", got)
	}
	w := watchFrom(t, e.boxes, "/boxes", rv(from))
	must(e.updateBox(ctx, "a", func(b *Box) { b.Spec.Count = 1 }))(t)
	if ev := next(t, w); ev.Type != watch.Modified {
		t.Errorf("%s %v", ev.Type, ev.Object)
	}
	if _, err := e.box(ctx, "b"); !apistorage.IsCorruptObject(err) {
		t.Errorf("read: %v", err)
	}
	if _, err := e.deleteBox(ctx, "b"); err == nil {
		t.Error("deleted although it cannot be read")
	}
	if uuid, ports := rowsOf(t, nb.NBAddress(), "b"); uuid == "" || ports == "" {
		t.Error("the rows of a document that cannot be read are gone")
	}

	// Another session sees the same document again: no event, and the order of events holds.
	noError(t, nb.RestartNB(ctx))
	noError(t, e.WaitReady(ctx))
	must(e.updateBox(ctx, "a", func(b *Box) { b.Spec.Count = 2 }))(t)
	for count := range 2 {
		ev := next(t, watchFrom(t, e.boxes, "/boxes", rv(from+uint64(count))))
		if b, ok := ev.Object.(*Box); ev.Type != watch.Modified || !ok || b.Name != "a" || b.Spec.Count != count+1 {
			t.Errorf("after %d: %s %v", from+uint64(count), ev.Type, ev.Object)
		}
	}

	must(e.deleteItem(ctx, "i"))(t)
	noError(t, e.boxes.Delete(ctx, "/boxes/b", &Box{}, nil, apistorage.ValidateAllObjectFunc, nil,
		apistorage.DeleteOptions{ExpectTransformOrDecodeError: true}))
	if got := e.Stats().Corrupt; got != 0 {
		t.Errorf("%d corrupt documents after the deletion", got)
	}
	must(e.createBox(ctx, box("b", "red")))(t)
}

// A document that is damaged while an engine knows it is written again.
func TestADocumentIsVandalisedUnderARunningEngine(t *testing.T) {
	t.Parallel()
	e, nb := newToys(t)
	ctx := t.Context()
	must(e.createBox(ctx, box("b", "red")))(t)
	row := document(t, nb, "boxes/b")
	for _, damage := range []struct {
		name string
		args []string
	}{
		{"the document is overwritten", []string{"set", "Copp", row, `external_ids:kubeovn.io/doc="{broken"`}},
		{"its revision is removed", []string{"remove", "Copp", row, "external_ids", "kubeovn.io/rev"}},
		{"the row is deleted", []string{"destroy", "Copp", row}},
		{"the row is renamed", []string{"set", "Copp", row, "name=mine"}},
	} {
		ovntest.Nbctl(t, nb, damage.args...)
		must(e.updateBox(ctx, "b", func(b *Box) { b.Spec.Count++ }))(t)
		other := openToys(t, nb)
		if diff := cmp.Diff(must(e.box(ctx, "b"))(t), must(other.box(ctx, "b"))(t)); diff != "" {
			t.Errorf("%s: an acknowledged write is lost: %s", damage.name, diff)
		}
		other.Close()
	}
}
