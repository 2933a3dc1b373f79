package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKubectlReadsTheListsThatItWrites: kubectl writes several objects as one of the kind List of the core group, and looks up that kind
// when it reads them, as "apply" and "edit" do.
func TestKubectlReadsTheListsThatItWrites(t *testing.T) {
	s := newServer(t)
	defer s.restore(t)()
	i := newIntent(t, s)
	i.write("vpcs.yaml", `
{apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: a}}
---
{apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: b}}
`)
	i.must("apply", "-f", "vpcs.yaml")
	for _, way := range [][]string{applies, replaces, appliesAtHost} {
		args := append(append([]string{}, way...), "-f", "list.yaml")
		i.write("list.yaml", i.must("get", "vpc", "a", "b", "-o", "yaml"))
		if len(way) > 1 {
			i.write("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: a}}\n"+
				"- {apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: b}}\n")
		}
		if got := i.must(args...); strings.Count(got, "vpc.kubeovn.io/") != 2 {
			t.Errorf("%v: got %s", way, got)
		}
	}
	// An editor that is called again, because kubectl did not take what it wrote, ends with an error.
	i.write("editor", "#!/bin/sh\nset -e\nmkdir \"$0.called\"\nsed -i 's/^  metadata:$/&\\n    labels: {edited: here}/' \"$1\"\n")
	editor := filepath.Join(i.folder, "editor")
	if err := os.Chmod(editor, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBE_EDITOR", editor)
	if got := i.must("edit", "vpc", "a", "b"); strings.Count(got, "edited") != 2 {
		t.Errorf("edit: got %s", got)
	}
	if got := i.must("get", "vpc", "-l", "edited=here", "-o", "name"); strings.Count(got, "\n") != 2 {
		t.Errorf("after edit: got %s", got)
	}
}
