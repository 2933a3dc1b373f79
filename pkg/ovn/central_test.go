package ovn_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// patience bounds what must happen soon, on a machine that is busy.
const patience = 60 * time.Second

func start(t *testing.T, config ovn.Config) *ovn.Central {
	t.Helper()
	c, err := ovn.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pid waits for what a process writes into its pidfile.
func pid(t *testing.T, dir, name string) (pid int) {
	t.Helper()
	eventually(t, name+" has a pidfile", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, name+".pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	return pid
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("not true within %v: %s", patience, what)
		case <-poll.C:
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStartAndStop(t *testing.T) {
	for _, test := range []struct {
		name      string
		config    ovn.Config
		processes []string
	}{
		{"a standalone database", ovn.Config{}, []string{"nb"}},
		{"a clustered database", ovn.Config{Clustered: true}, []string{"nb"}},
		{"with northd", ovn.Config{Clustered: true, Northd: true}, []string{"nb", "sb", "northd"}},
		{"with a command prefix", ovn.Config{Prefix: []string{"env", "A=b"}}, []string{"nb"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.config.Dir = ovntest.Dir(t)
			c := start(t, test.config)
			if got := ovntest.Dial(t, c.NBAddress()).Clustered(); got != test.config.Clustered {
				t.Errorf("clustered is %v, want %v", got, test.config.Clustered)
			}
			ovntest.Nbctl(t, c.NBAddress(), "ls-add", "a")
			var pids []int
			for _, p := range test.processes {
				pids = append(pids, pid(t, test.config.Dir, p))
			}
			for range 2 {
				if err := c.Stop(); err != nil {
					t.Error(err)
				}
			}
			for i, p := range pids {
				if !gone(p) {
					t.Errorf("%s is left running", test.processes[i])
				}
			}
			select {
			case <-c.Done():
			default:
				t.Error("Done is not closed by Stop")
			}
			if err := c.Err(); err != nil {
				t.Errorf("Stop left error %v", err)
			}

			again := start(t, test.config)
			if got := ovntest.Nbctl(t, again.NBAddress(), "--bare", "--columns=name", "list", "Logical_Switch"); strings.TrimSpace(got) != "a" {
				t.Errorf("after a restart the switches are %q, want a", got)
			}
		})
	}
}

func TestNorthdTranslates(t *testing.T) {
	c := ovntest.NB(t, ovntest.Northd())
	sb, err := ovsdb.Dial(t.Context(), ovsdb.Options{Addresses: []string{c.SBAddress()}, Database: ovn.SouthboundDatabase})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	if _, err := sb.Monitor(t.Context(), map[string][]string{"Datapath_Binding": {"external_ids"}}, ""); err != nil {
		t.Fatal(err)
	}
	ovntest.Nbctl(t, c.NBAddress(), "ls-add", "a")
	select {
	case e := <-sb.Events():
		if got := e.Update.Tables["Datapath_Binding"][0].Row["external_ids"].AsMap()["name"]; got != "a" {
			t.Errorf("got datapath %q, want a", got)
		}
	case <-time.After(patience):
		t.Error("no datapath")
	}
}

func TestAProcessThatDiesIsReported(t *testing.T) {
	dir := ovntest.Dir(t)
	c := start(t, ovn.Config{Dir: dir})
	if err := syscall.Kill(pid(t, dir, "nb"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("Done is not closed")
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "nb ended: signal: killed") {
		t.Errorf("got error %v", err)
	}
}

func TestSupervisedProcessesAreRestarted(t *testing.T) {
	dir := ovntest.Dir(t)
	c := start(t, ovn.Config{Dir: dir, Northd: true, Supervise: true})
	for _, p := range []string{"nb", "sb", "northd"} {
		old := pid(t, dir, p)
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, p+" runs again", func() bool { return pid(t, dir, p) != old })
	}
	eventually(t, "the database answers", func() bool {
		s, err := ovsdb.Dial(t.Context(), ovsdb.Options{Addresses: []string{c.NBAddress()}})
		if err != nil {
			return false
		}
		s.Close()
		return true
	})
	select {
	case <-c.Done():
		t.Errorf("Done is closed: %v", c.Err())
	default:
	}
}

func TestNorthdGroupsItsWorkUnlessAnOperatorDecided(t *testing.T) {
	dir := ovntest.Dir(t)
	const option = "options:northd-backoff-interval-ms"
	ask := func(c *ovn.Central) string {
		return strings.TrimSpace(ovntest.Nbctl(t, c.NBAddress(), "get", "NB_Global", ".", option))
	}
	c := start(t, ovn.Config{Dir: dir, Northd: true})
	if got := ask(c); got != `"100"` {
		t.Errorf("at first it is %s", got)
	}
	ovntest.Nbctl(t, c.NBAddress(), "set", "NB_Global", ".", option+"=7")
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := ask(start(t, ovn.Config{Dir: dir, Northd: true})); got != `"7"` {
		t.Errorf("after a restart the operator's value is %s", got)
	}
}

func TestKillAndRestartOfTheDatabase(t *testing.T) {
	c := ovntest.NB(t)
	ovntest.Nbctl(t, c.NBAddress(), "ls-add", "a")
	before := ovntest.Dump(t, c.NBAddress())
	if err := c.KillNB(); err != nil {
		t.Fatal(err)
	}
	if _, err := ovsdb.Dial(t.Context(), ovsdb.Options{Addresses: []string{c.NBAddress()}}); err == nil {
		t.Error("a killed database answers")
	}
	if err := c.PauseNB(t.Context()); err == nil {
		t.Error("a killed database can be paused")
	}
	for range 2 { // from dead, and from alive
		if err := c.RestartNB(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := ovntest.Dump(t, c.NBAddress()); after != before {
			t.Errorf("got\n%s\nwant\n%s", after, before)
		}
	}
	select {
	case <-c.Done():
		t.Error("Done is closed by what was asked for")
	default:
	}
}

func TestStartFails(t *testing.T) {
	used := ovntest.Dir(t)
	start(t, ovn.Config{Dir: used})
	for _, test := range []struct {
		name   string
		config ovn.Config
		want   string
	}{
		{"the server refuses its arguments", ovn.Config{Dir: ovntest.Dir(t), NBArgs: []string{"--nonsense"}}, "unrecognized option"},
		{"the directory is in use", ovn.Config{Dir: used}, "in use by another"},
		{"the path is too long for sockets", ovn.Config{Dir: filepath.Join(ovntest.Dir(t), strings.Repeat("a", 100))}, "at most 107 bytes"},
		{"the file is no database", ovn.Config{Dir: damaged(t)}, "nb did not start"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ovn.Start(t.Context(), test.config)
			if err == nil {
				t.Fatal(c.Stop())
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func damaged(t *testing.T) string {
	t.Helper()
	dir := ovntest.Dir(t)
	if err := os.WriteFile(filepath.Join(dir, "nb.db"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFind(t *testing.T) {
	for _, version := range []string{"1.0", "../ovn", "/"} {
		if in, err := ovn.Find(version); err == nil {
			t.Errorf("%q: got %v, want an error", version, in)
		}
	}
}

// An older database is converted, with what is in it; one that is newer than the installed schema is left alone.
func TestUpgrade(t *testing.T) {
	in, err := ovn.Find(os.Getenv(ovn.VersionEnv))
	if err != nil {
		t.Fatal(err)
	}
	path, err := in.NBSchema()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, version string
		clustered     bool
		converted     bool
	}{
		{"an older standalone database", "5.9.0", false, true},
		{"an older clustered database", "5.9.0", true, true},
		{"a newer database", "99.0.0", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var schema map[string]any
			if err := json.Unmarshal(b, &schema); err != nil {
				t.Fatal(err)
			}
			schema["version"] = test.version
			delete(schema, "cksum")
			tables := schema["tables"].(map[string]any)
			delete(tables, "Static_MAC_Binding")
			other, err := json.Marshal(schema)
			if err != nil {
				t.Fatal(err)
			}
			dir := ovntest.Dir(t)
			file := filepath.Join(dir, "other.ovsschema")
			if err := os.WriteFile(file, other, 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"create", filepath.Join(dir, "nb.db"), file}
			if test.clustered {
				args = []string{"create-cluster", filepath.Join(dir, "nb.db"), file, "unix:" + filepath.Join(dir, "nb.raft")}
			}
			cmd, err := in.Command(t.Context(), "ovsdb-tool", args...)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			c := start(t, ovn.Config{Dir: dir})
			if got := ovntest.Dial(t, c.NBAddress()).Schema().HasTable("Static_MAC_Binding"); got != test.converted {
				t.Errorf("has the table of the installed schema: %v, want %v", got, test.converted)
			}
		})
	}
}

// TestParent is not a test: it is the parent in TestNothingOutlivesTheParent.
func TestParent(t *testing.T) {
	dir := os.Getenv("NORTHBOUND_TEST_PARENT_DIR")
	if dir == "" {
		t.Skip("only as a child of another test")
	}
	start(t, ovn.Config{Dir: dir, Northd: true})
	fmt.Println("started")
	select {} // until it is killed
}

func TestNothingOutlivesTheParent(t *testing.T) {
	dir := ovntest.Dir(t)
	parent := exec.Command(os.Args[0], "-test.run=^TestParent$")
	parent.Env = append(os.Environ(), "NORTHBOUND_TEST_PARENT_DIR="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	killed := parent.Process.Kill()
	if err != nil || line != "started\n" {
		t.Fatalf("the parent says %q: %v", line, err)
	}
	if killed != nil {
		t.Fatal(killed)
	}
	for _, p := range []string{"nb", "sb", "northd"} {
		n := pid(t, dir, p)
		eventually(t, p+" has ended", func() bool { return gone(n) || isZombie(n) })
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended by itself")
	}
}

// isZombie reports whether a process has ended and only waits for whoever inherited it.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && strings.HasPrefix(rest, "Z")
}

func TestDump(t *testing.T) {
	c := ovntest.NB(t)
	ovntest.Nbctl(t, c.NBAddress(), "ls-add", "b", "--", "ls-add", "a")
	before := ovntest.Dump(t, c.NBAddress(), "Copp")
	if got := strings.Count(before, "Logical_Switch "); got != 2 {
		t.Errorf("got %d switches, want 2, in\n%s", got, before)
	}
	ovntest.Nbctl(t, c.NBAddress(), "create", "Copp", "name=x")
	if after := ovntest.Dump(t, c.NBAddress(), "Copp"); after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}
	if after := ovntest.Dump(t, c.NBAddress()); after == before {
		t.Error("a new row does not show")
	}
	ovntest.Nbctl(t, c.NBAddress(), "--all", "destroy", "Copp")
	if after := ovntest.Dump(t, c.NBAddress()); after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}
}

func BenchmarkStart(b *testing.B) {
	for _, bench := range []struct {
		name string
		opts []ovntest.Option
	}{{"standalone", nil}, {"clustered", []ovntest.Option{ovntest.Clustered()}}, {"northd", []ovntest.Option{ovntest.Clustered(), ovntest.Northd()}}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if err := ovntest.NB(b, bench.opts...).Stop(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
