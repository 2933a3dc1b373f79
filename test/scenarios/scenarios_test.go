package scenarios

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

var update = flag.Bool("update", false, "write the answers and the rows of the transcripts anew")

const (
	// settling is how long an answer may differ from the expected one: statuses that count are written up to a second later.
	settling = time.Minute
	// settled is, for -update, how long nothing may have been changed before an answer is final.
	settled = 1500 * time.Millisecond
)

func TestMain(m *testing.M) {
	os.Setenv("KUBECTL_KUBERC", "false") // a user's preferences are not ours
	os.Exit(m.Run())
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("there are no transcripts")
	}
	workers := min(runtime.GOMAXPROCS(0), 4, len(files))
	servers := make(chan *server, workers)
	for range workers {
		servers <- newServer(t)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := <-servers
			defer func() { servers <- s }()
			if s.dirty {
				t.Skip("an earlier transcript left something behind on this server")
			}
			defer s.restore(t)()
			run(t, s, file)
		})
	}
}

// transcript is a run of one file.
type transcript struct {
	t       *testing.T
	server  *server
	names   namer
	folder  string   // of manifests
	before  database // the last command
	changed time.Time
}

func run(t *testing.T, s *server, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(archive.Comment), "#") {
		t.Error("a transcript begins with what a user sees in it, as a comment")
	}
	r := &transcript{t: t, server: s, folder: t.TempDir()}
	copySamples(t, filepath.Join(r.folder, "samples"))
	for _, section := range archive.Files {
		if isManifest(section.Name) {
			r.names.know(string(section.Data))
		} else {
			r.names.know(section.Name)
		}
	}
	for i, section := range archive.Files {
		want := string(section.Data)
		got := r.section(section.Name, want)
		if got != "" && !strings.HasSuffix(got, "\n") {
			got += "\n" // as every section of an archive
		}
		if *update {
			archive.Files[i].Data = []byte(got)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", section.Name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// copySamples copies artifacts/samples, without what is for a cluster: there is none.
func copySamples(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob("../../artifacts/samples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var ours []string
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			if strings.Contains(document, "apiVersion: kubeovn.io/v1") {
				ours = append(ours, document)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), []byte(strings.Join(ours, "\n---\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func isManifest(name string) bool {
	return strings.HasSuffix(name, ".yaml") && !strings.Contains(name, " ")
}

// section does what a section says and returns what it should contain.
func (r *transcript) section(name, want string) string {
	r.t.Helper()
	if isManifest(name) {
		if err := os.WriteFile(filepath.Join(r.folder, name), []byte(want), 0o644); err != nil {
			r.t.Fatal(err)
		}
		return want
	}
	if name == "rows" {
		return r.names.normal(difference(r.before, readDatabase(r.t, r.server.NBAddress)))
	}
	line, refused := strings.CutPrefix(name, "! ")
	words, err := split(line)
	if err != nil || len(words) < 2 {
		r.t.Fatalf("%q is neither a manifest nor a command: %v", name, err)
	}
	switch words[0] {
	case "kubectl":
		r.before = readDatabase(r.t, r.server.NBAddress)
		if reads(words[1]) && !refused {
			return r.read(words[1:], want)
		}
		got := r.command(words[1:], refused)
		r.changed = time.Now()
		if refused {
			if diff := difference(r.before, readDatabase(r.t, r.server.NBAddress)); diff != "" {
				r.t.Errorf("%s is refused but changed:\n%s", line, diff)
			}
		}
		return r.names.normal(got)
	case "ovn-nbctl":
		got := ovntest.Nbctl(r.t, r.server.NBAddress, words[1:]...)
		if words[1] == "show" {
			got = outline(got)
		}
		return r.names.normal(got)
	default:
		r.t.Fatalf("%q: there is no command %s", name, words[0])
		return ""
	}
}

// reads reports whether a command of kubectl changes nothing.
func reads(verb string) bool { return verb == "get" || verb == "describe" }

// command runs kubectl and checks whether it ends as it should.
func (r *transcript) command(args []string, refused bool) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	got, ok := r.server.kubectl.run(ctx, r.folder, args...)
	if ok == refused {
		r.t.Errorf("kubectl %s: succeeded is %t:\n%s", strings.Join(args, " "), ok, got)
	}
	return got
}

// read asks until the answer is the expected one.
func (r *transcript) read(args []string, want string) string {
	r.t.Helper()
	if *update {
		time.Sleep(time.Until(r.changed.Add(settled)))
	}
	for deadline := time.Now().Add(settling); ; {
		names := namer{r.names.given, slices.Clone(r.names.macs), slices.Clone(r.names.addresses)}
		got := names.tables(r.command(args, false)) // ends with a newline, as want does
		if got == want || *update || time.Now().After(deadline) {
			r.names = names
			return got
		}
		select {
		case <-r.t.Context().Done():
			r.t.Fatal(r.t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// split takes a command line apart as a shell does: at spaces outside of quotes.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inside = c, true
		case c == ' ':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteRune(c)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q: a quote is not closed", line)
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}
