package match

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// corpusVariable is the number of generated expressions, 3000 by default; "make test-matches" sets it.
const corpusVariable = "NORTHBOUND_MATCHES"

// batch is the number of expressions in one transaction and one run of ovn-trace.
const batch = 10000

func southbound(t *testing.T) *ovntest.Southbound {
	s := ovntest.NewSouthbound(t)
	s.AddressSet(t, setName, "10.0.0.1", "10.0.1.0/24")
	s.PortGroup(t, groupName, "p1", "p2")
	return s
}

// isDangling reports whether the database of southbound does not have what the expression refers to.
func isDangling(r Reference) bool {
	return r.Group && r.Name != groupName || !r.Group && r.Name != setName
}

// TestCheckAgreesWithOVN asks OVN's own parser, in both directions.
func TestCheckAgreesWithOVN(t *testing.T) {
	n := 3000
	if text := os.Getenv(corpusVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", corpusVariable, err)
		}
	}
	corpus := append(enumerated(), generated(1, n)...)
	s := southbound(t)
	accepted, differences := 0, 0
	for part := range slices.Chunk(corpus, batch) {
		refused := s.Unread(t, part)
		for i, expression := range part {
			ours := Check(expression)
			if dangling := slices.IndexFunc(References(expression), isDangling); ours == nil && dangling >= 0 {
				ours = fmt.Errorf("%v does not exist", References(expression)[dangling])
			}
			theirs, isRefused := refused[i]
			if ours == nil {
				accepted++
			}
			if (ours != nil) == isRefused {
				continue
			}
			if differences++; differences < 50 {
				t.Errorf("%q: Check says %v, OVN refuses it: %t %s", expression, ours, isRefused, theirs)
			}
		}
	}
	t.Logf("%d expressions, %d accepted, %d differences", len(corpus), accepted, differences)
	if accepted < len(corpus)/5 || accepted > len(corpus)*4/5 {
		t.Errorf("%d of %d expressions are right: the corpus tests one side only", accepted, len(corpus))
	}
}

// TestNorthdPassesMatchesOn holds that OVN reads a match that Check accepts also within what ovn-northd makes of it: logical flows of
// rules with every action and direction, in switches with and without connection tracking, and of routing policies.
func TestNorthdPassesMatchesOn(t *testing.T) {
	nb := ovntest.NB(t, ovntest.Northd())
	var accepted []string
	for _, expression := range slices.Concat(forms, generated(2, 1500)) {
		if Check(expression) == nil && !slices.ContainsFunc(References(expression), isDangling) {
			accepted = append(accepted, expression)
		}
	}
	if len(accepted) < 500 {
		t.Errorf("only %d matches", len(accepted))
	}
	txn := ovsdb.NewTxn(ovn.NorthboundDatabase)
	tracked := insertSwitch(txn, "tracked", accepted, "allow", "allow-related", "drop", "reject", "allow-stateless")
	untracked := insertSwitch(txn, "untracked", accepted, "allow", "drop", "reject")
	// The group is known where it has a port.
	txn.Insert("Port_Group", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(groupName), "ports": ovsdb.Refs(tracked, untracked)})
	txn.Insert("Address_Set", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(setName), "addresses": ovsdb.Strings("10.0.0.1")})
	insertRouter(txn, accepted)
	if _, err := ovsdb.Transact(t.Context(), ovntest.Dial(t, nb.NBAddress()), txn); err != nil {
		t.Fatal(err)
	}
	ovntest.Nbctl(t, nb.NBAddress(), "--wait=sb", "sync")
	if flows := ovntest.Flows(t, nb.SBAddress()); len(flows) < 2*len(accepted) {
		t.Errorf("%d logical flows of %d matches", len(flows), len(accepted))
	}
	for _, complaint := range ovntest.UnreadFlows(t, nb.SBAddress()) {
		t.Error(complaint)
	}
}

// insertSwitch adds a switch with a port, which it returns, and a rule for each match, with the actions and directions in turn.
func insertSwitch(txn *ovsdb.Txn, name string, matches []string, actions ...string) (port ovsdb.UUID) {
	port = ovsdb.NewUUID()
	txn.Insert("Logical_Switch_Port", port, ovsdb.Row{"name": ovsdb.String(name), "addresses": ovsdb.Strings("unknown")})
	var acls []ovsdb.UUID
	for i, match := range matches {
		acls = append(acls, ovsdb.NewUUID())
		txn.Insert("ACL", acls[i], ovsdb.Row{
			"direction": ovsdb.String([]string{"from-lport", "to-lport"}[i%2]), "priority": ovsdb.Int(int64(i)),
			"match": ovsdb.String(Row(match)), "action": ovsdb.String(actions[i/2%len(actions)]),
		})
	}
	txn.Insert("Logical_Switch", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(name), "ports": ovsdb.Refs(port), "acls": ovsdb.Refs(acls...)})
	return port
}

// insertRouter adds a router with a policy for each match without groups, which have no port of a router.
func insertRouter(txn *ovsdb.Txn, matches []string) {
	var policies []ovsdb.UUID
	for i, match := range matches {
		if slices.ContainsFunc(References(match), func(r Reference) bool { return r.Group }) {
			continue
		}
		policy := ovsdb.NewUUID()
		txn.Insert("Logical_Router_Policy", policy, ovsdb.Row{
			"priority": ovsdb.Int(int64(i)), "match": ovsdb.String(Row(match)), "action": ovsdb.String([]string{"allow", "drop"}[i%2]),
		})
		policies = append(policies, policy)
	}
	txn.Insert("Logical_Router", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("router"), "policies": ovsdb.Refs(policies...)})
}

// TestSymbolsAreOVNs holds each entry of the table of symbols to OVN: that there is the field, its width and its level.
func TestSymbolsAreOVNs(t *testing.T) {
	s := southbound(t)
	type probe struct {
		expression string
		read       bool
	}
	var probes []probe
	add := func(read bool, format string, args ...any) {
		probes = append(probes, probe{fmt.Sprintf(format, args...), read})
	}
	for _, name := range slices.Sorted(maps.Keys(symbols)) {
		f := symbols[name]
		if f.width == 0 {
			add(true, `%s == "p1"`, name)
			add(false, `%s == 1`, name)
			add(false, `%s != "p1"`, name)
			continue
		}
		add(true, "%s[0..%d] == 1", name, f.width-1)
		add(false, "%s[0..%d] == 1", name, f.width)
		add(f.level == ordinal, "%s < 1", name)
		add(f.level != nominal, "!(%s == 1)", name)
		add(f.level != nominal || f.predicate, "%s != 0", name)
	}
	expressions := make([]string, len(probes))
	for i, p := range probes {
		expressions[i] = p.expression
	}
	refused := s.Unread(t, expressions)
	for i, p := range probes {
		if complaint, isRefused := refused[i]; isRefused == p.read {
			t.Errorf("%s: OVN reads it: %t %s; by the table it does: %t", p.expression, !isRefused, complaint, p.read)
		}
	}
}
