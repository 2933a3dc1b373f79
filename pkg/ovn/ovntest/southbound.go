package ovntest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Southbound is a Southbound database that no program works on, with one logical switch. ovn-trace(8) reads the logical flows that a
// test puts into it with the parser that ovn-controller has, and tells which of them it cannot read.
type Southbound struct {
	address  string
	session  *ovsdb.Session
	datapath ovsdb.UUID
}

// tunnelKey is the key of the logical switch's datapath. The names of its port groups begin with it.
const tunnelKey = 1

// NewSouthbound starts a Southbound database for a test. It is gone when the test ends.
func NewSouthbound(t testing.TB) *Southbound {
	t.Helper()
	dir := Dir(t)
	in, err := ovn.Find(os.Getenv(ovn.VersionEnv))
	check(t, err)
	schema, err := in.SBSchema()
	check(t, err)
	file, socket := filepath.Join(dir, "sb.db"), filepath.Join(dir, "sb.sock")
	command := func(program string, args ...string) *exec.Cmd {
		cmd, err := in.Command(context.WithoutCancel(t.Context()), program, args...)
		check(t, err)
		cmd.Env = ovn.Environment(dir)
		return cmd
	}
	if out, err := command("ovsdb-tool", "create", file, schema).CombinedOutput(); err != nil {
		t.Fatalf("ovsdb-tool: %v: %s", err, out)
	}
	server, err := Keep("ovsdb-server", func() (*exec.Cmd, error) {
		cmd := command("ovsdb-server", file, "--remote=punix:"+socket, "--no-chdir", "--unixctl="+filepath.Join(dir, "sb.ctl"), "-vconsole:off", "-vsyslog:off", "-vfile:off")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		return cmd, cmd.Start()
	})
	check(t, err)
	t.Cleanup(func() { check(t, server.Stop()) })
	s := &Southbound{address: "unix:" + socket, datapath: ovsdb.NewUUID()}
	s.session = dialSouthbound(t, s.address)
	txn := ovsdb.NewTxn(ovn.SouthboundDatabase)
	txn.Insert("Datapath_Binding", s.datapath, ovsdb.Row{"tunnel_key": ovsdb.Int(tunnelKey), "external_ids": ovsdb.Map(map[string]string{"name": "switch"})})
	s.transact(t, txn)
	return s
}

// dialSouthbound opens a session as soon as the server answers: nothing tells when it has opened its socket.
func dialSouthbound(t testing.TB, address string) *ovsdb.Session {
	t.Helper()
	options := patient(address)
	options.Database = ovn.SouthboundDatabase
	for deadline := time.Now().Add(time.Minute); ; {
		s, err := ovsdb.Dial(t.Context(), options)
		if err == nil {
			t.Cleanup(s.Close)
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Southbound) transact(t testing.TB, txn *ovsdb.Txn) {
	t.Helper()
	_, err := ovsdb.Transact(t.Context(), s.session, txn)
	check(t, err)
}

// AddressSet adds an address set, "$name" in matches.
func (s *Southbound) AddressSet(t testing.TB, name string, addresses ...string) {
	t.Helper()
	txn := ovsdb.NewTxn(ovn.SouthboundDatabase)
	txn.Insert("Address_Set", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(name), "addresses": ovsdb.Strings(addresses...)})
	s.transact(t, txn)
}

// PortGroup adds a port group, "@name" in matches.
func (s *Southbound) PortGroup(t testing.TB, name string, ports ...string) {
	t.Helper()
	txn := ovsdb.NewTxn(ovn.SouthboundDatabase)
	txn.Insert("Port_Group", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(fmt.Sprintf("%d_%s", tunnelKey, name)), "ports": ovsdb.Strings(ports...)})
	s.transact(t, txn)
}

// unread is how ovn-trace complains of one of the flows of Unread, which begin with their number.
var unread = regexp.MustCompile(`\|WARN\|/\*(\d+)\*/`)

// Unread returns the matches that OVN cannot read, by their index, with what it says of them.
func (s *Southbound) Unread(t testing.TB, matches []string) map[int]string {
	t.Helper()
	// One that is known to be wrong shows that ovn-trace has read the flows.
	all := append(append([]string(nil), matches...), "no.field == 1")
	txn := ovsdb.NewTxn(ovn.SouthboundDatabase)
	flows := make([]ovsdb.UUID, len(all))
	for i, match := range all {
		flows[i] = ovsdb.NewUUID()
		txn.Insert("Logical_Flow", flows[i], ovsdb.Row{
			"logical_datapath": ovsdb.Ref(s.datapath), "pipeline": ovsdb.String("ingress"), "table_id": ovsdb.Int(0), "priority": ovsdb.Int(1),
			"match": ovsdb.String(fmt.Sprintf("/*%d*/%s", i, match)), "actions": ovsdb.String("drop;"),
		})
	}
	s.transact(t, txn)
	defer func() {
		txn := ovsdb.NewTxn(ovn.SouthboundDatabase)
		for _, flow := range flows {
			txn.Delete("Logical_Flow", flow)
		}
		s.transact(t, txn)
	}()
	found := map[int]string{}
	complaints := traceComplaints(t, s.address)
	for _, c := range complaints {
		number := unread.FindStringSubmatch(c)
		if number == nil {
			t.Fatalf("ovn-trace complains of something else: %s", c)
		}
		i, _ := strconv.Atoi(number[1])
		found[i] = c[strings.LastIndex(c, "parsing expression failed")+len("parsing expression failed"):]
	}
	if _, ok := found[len(matches)]; !ok {
		t.Fatal("ovn-trace has not read the flows: it says nothing of the one that is wrong")
	}
	delete(found, len(matches))
	return found
}

// UnreadFlows returns what OVN complains of when it reads the logical flows of a Southbound database, for instance of one that
// ovn-northd has filled: nothing, when it can read the matches and actions of all of them.
func UnreadFlows(t testing.TB, address string) []string {
	t.Helper()
	return traceComplaints(t, address)
}

// Flow is a logical flow.
type Flow struct{ Match, Actions string }

// Flows returns the logical flows of a Southbound database.
func Flows(t testing.TB, address string) []Flow {
	t.Helper()
	var flows []Flow
	for _, row := range SouthboundRows(t, address, "Logical_Flow", "match", "actions") {
		flows = append(flows, Flow{row["match"].AsString(), row["actions"].AsString()})
	}
	return flows
}

// SouthboundRows returns columns of all rows of a table of a Southbound database.
func SouthboundRows(t testing.TB, address, table string, columns ...string) []ovsdb.Row {
	t.Helper()
	initial, err := dialSouthbound(t, address).Monitor(t.Context(), map[string][]string{table: columns}, "")
	check(t, err)
	var rows []ovsdb.Row
	for _, r := range initial.Update.Tables[table] {
		rows = append(rows, r.Row)
	}
	return rows
}

var logged = regexp.MustCompile(`(?m)^[0-9T:.-]+Z\|`)

// traceComplaints runs ovn-trace, which reads the whole database before it looks for the datapath, and returns what it logs.
func traceComplaints(t testing.TB, address string) []string {
	t.Helper()
	in, err := ovn.Find(os.Getenv(ovn.VersionEnv))
	check(t, err)
	cmd, err := in.Command(t.Context(), "ovn-trace", "--db="+address, "-vconsole:warn", "-vsyslog:off", "-vfile:off", "none", "ip4")
	check(t, err)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !strings.Contains(stderr.String(), "|WARN|") {
		t.Fatalf("ovn-trace: %v: %s%s", err, stdout.String(), stderr.String())
	}
	if !strings.Contains(stdout.String()+stderr.String(), "unknown datapath") {
		t.Fatalf("ovn-trace has not come to the datapath: %s%s", stdout.String(), stderr.String())
	}
	text := stderr.String()
	var complaints []string
	starts := logged.FindAllStringIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if c := strings.TrimSpace(text[start[0]:end]); !strings.Contains(c, "unknown datapath") && !strings.HasSuffix(c, ": unknown logical port") {
			complaints = append(complaints, c)
		}
	}
	return complaints
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
