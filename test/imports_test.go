// Package test holds what concerns the repository as a whole.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/northbound-ovn/northbound/"

// mayImport is the direction of imports: a room (a folder and all below it that is not a room itself) may import itself,
// the rooms named here, and other modules.
//
//	cmd → apiserver | controller | agent | cni | kubectlko → registry → storage → storage/ovsdb
//
// apis, cli, ipam and repeats are leaves; podnet is what API server and agents must decide alike, kubeservice what controller and agents
// must. Controller, agent, CNI and plugin are ordinary clients of the API: they see the types and the generated clients, never
// what is behind them.
var mayImport = map[string][]string{
	"cmd":           {"pkg/apiserver", "pkg/controller", "pkg/agent", "pkg/cni", "pkg/kubectlko"},
	"pkg/apiserver": {"pkg/registry", "pkg/storage", "pkg/storage/ovsdb", "pkg/ovn", "pkg/podnet", "pkg/ipam", "pkg/apis", "pkg/generated", "pkg/cli"},
	"pkg/registry":  {"pkg/storage", "pkg/storage/ovsdb", "pkg/podnet", "pkg/ipam", "pkg/apis"},
	// Starts and supervises OVN's processes, and asks them whether they answer.
	"pkg/ovn":             {"pkg/storage/ovsdb"},
	"pkg/storage":         {"pkg/storage/ovsdb"},
	"pkg/storage/ovsdb":   {},
	"pkg/podnet":          {"pkg/ipam", "pkg/apis"},
	"pkg/kubeservice":     {"pkg/ipam"},
	"pkg/ipam":            {},
	"pkg/apis":            {},
	"pkg/cli":             {},
	"pkg/repeats":         {},
	"pkg/generated":       {"pkg/apis"},
	"pkg/generated/ovnnb": {},
	"pkg/controller":      {"pkg/podnet", "pkg/kubeservice", "pkg/ipam", "pkg/apis", "pkg/generated", "pkg/cli", "pkg/repeats"},
	// The node's Open vSwitch is a database, too.
	"pkg/agent":     {"pkg/cni", "pkg/podnet", "pkg/kubeservice", "pkg/ipam", "pkg/apis", "pkg/generated", "pkg/cli", "pkg/repeats", "pkg/storage/ovsdb"},
	"pkg/cni":       {"pkg/ipam", "pkg/apis", "pkg/generated"},
	"pkg/kubectlko": {"pkg/ipam", "pkg/apis", "pkg/generated"},
	"hack":          {},
	"test":          {},
}

// free are the rooms that may import all others. Nobody but they may import them.
var free = []string{"hack", "test"}

// room is the longest room that contains the package, and whether there is one. What is only for tests (packages named
// as apiservertest, and what is below them) belongs to the room of tests, wherever it is.
func room(pkg string) (string, bool) {
	path := strings.TrimPrefix(pkg, module)
	for folder := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(folder, "test") {
			return "test", true
		}
	}
	for {
		if _, ok := mayImport[path]; ok {
			return path, true
		}
		slash := strings.LastIndexByte(path, '/')
		if slash < 0 {
			return "", false
		}
		path = path[:slash]
	}
}

// violation says why one package may not import another, or is empty.
func violation(from, to string) string {
	if !strings.HasPrefix(to, module) {
		return ""
	}
	fromRoom, ok := room(from)
	if !ok {
		return from + " is in no room: say in mayImport what it may import"
	}
	toRoom, ok := room(to)
	if !ok {
		return to + " is in no room: say in mayImport what it may import"
	}
	if fromRoom == toRoom || slices.Contains(free, fromRoom) || slices.Contains(mayImport[fromRoom], toRoom) {
		return ""
	}
	return from + " imports " + to + ": " + fromRoom + " may not import " + toRoom
}

func TestImportsPointDownwards(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	command.Dir = ".."
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	packages, edges := 0, 0
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		for _, imported := range pkg.Imports {
			edges++
			if wrong := violation(pkg.ImportPath, imported); wrong != "" {
				t.Error(wrong)
			}
		}
	}
	if packages < 20 || edges < 100 {
		t.Errorf("only %d packages and %d imports were seen", packages, edges)
	}
}

func TestViolation(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		refused  bool
	}{
		{name: "a command starts the server", from: "cmd/northbound-apiserver", to: "pkg/apiserver/standalone"},
		{name: "a command does not reach the store", from: "cmd/northbound-apiserver", to: "pkg/storage", refused: true},
		{name: "the server wires kinds", from: "pkg/apiserver", to: "pkg/registry/kubeovn/vpc"},
		{name: "the server wires the store", from: "pkg/apiserver", to: "pkg/storage"},
		{name: "the server knows no agent", from: "pkg/apiserver", to: "pkg/agent", refused: true},
		{name: "a kind uses the engine", from: "pkg/registry/kubeovn/subnet", to: "pkg/storage"},
		{name: "a kind uses another", from: "pkg/registry/kubeovn/subnet", to: "pkg/registry/kubeovn/vpc"},
		{name: "a kind does not know the server", from: "pkg/registry/kubeovn/subnet", to: "pkg/apiserver", refused: true},
		{name: "a kind is no client of its own server", from: "pkg/registry/kubeovn/vip", to: "pkg/generated/clientset/versioned", refused: true},
		{name: "the engine knows no kind", from: "pkg/storage", to: "pkg/registry/kubeovn", refused: true},
		{name: "the engine knows no type", from: "pkg/storage", to: "pkg/apis/kubeovn/v1", refused: true},
		{name: "the engine uses the session", from: "pkg/storage", to: "pkg/storage/ovsdb"},
		{name: "the session does not know the engine", from: "pkg/storage/ovsdb", to: "pkg/storage", refused: true},
		{name: "below the session it is the same room", from: "pkg/storage/ovsdb/internal/frame", to: "pkg/storage/ovsdb"},
		{name: "types are a leaf", from: "pkg/apis/kubeovn/v1", to: "pkg/ipam", refused: true},
		{name: "arithmetic is a leaf", from: "pkg/ipam", to: "pkg/apis/kubeovn/v1", refused: true},
		{name: "clients are generated from types", from: "pkg/generated/clientset/versioned", to: "pkg/apis/kubeovn/v1"},
		{name: "the controller is a client", from: "pkg/controller/pods", to: "pkg/generated/listers/kubeovn/v1"},
		{name: "the controller does not see the store", from: "pkg/controller/pods", to: "pkg/storage", refused: true},
		{name: "the agent does not see kinds", from: "pkg/agent", to: "pkg/registry/kubeovn/ip", refused: true},
		{name: "the CNI does not see the agent", from: "pkg/cni", to: "pkg/agent", refused: true},
		{name: "the plugin does not see the session", from: "pkg/kubectlko", to: "pkg/storage/ovsdb", refused: true},
		{name: "what is for tests sees everything", from: "pkg/registry/kubeovn/kindtest", to: "pkg/apiserver"},
		{name: "what is for tests is for tests only", from: "pkg/apiserver", to: "pkg/ovn/ovntest", refused: true},
		{name: "nobody imports tests", from: "pkg/agent", to: "test/dataplane", refused: true},
		{name: "tests see everything", from: "test/bench", to: "pkg/storage/ovsdb"},
		{name: "a new room needs a rule", from: "pkg/novelty", to: "pkg/apis/kubeovn/v1", refused: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := violation(module+test.from, module+test.to)
			if (got != "") != test.refused {
				t.Errorf("got %q, want a violation: %t", got, test.refused)
			}
		})
	}
	if got := violation(module+"pkg/apis/kubeovn/v1", "k8s.io/apimachinery/pkg/runtime"); got != "" {
		t.Errorf("another module is refused: %q", got)
	}
}
