package ovntest

import (
	"regexp"
	"strings"
	"testing"
)

const foreignRouter = "neutron-r1"

// AddForeignRows makes what another user of the same Northbound database would, unless it has been made before, and returns a
// function that fails the test when any row of another owner that was there then is gone or is not the same to the byte.
// Columns that ovn-northd writes do not count.
func AddForeignRows(t testing.TB, address string) (check func()) {
	t.Helper()
	if !strings.Contains(Dump(t, address), foreignRouter) {
		Nbctl(t, address, strings.Fields(`
			lr-add neutron-r1
			-- lrp-add neutron-r1 neutron-r1-n1 fa:16:3e:00:00:01 10.0.1.1/24
			-- lr-route-add neutron-r1 0.0.0.0/0 10.0.1.254
			-- lr-policy-add neutron-r1 100 ip4.src==10.0.1.0/24 drop
			-- lr-nat-add neutron-r1 snat 10.5.204.200 10.0.1.0/24
			-- lr-nat-add neutron-r1 dnat_and_snat 10.5.204.201 10.0.1.5
			-- ls-add neutron-n1
			-- lsp-add neutron-n1 neutron-p1
			-- lsp-set-addresses neutron-p1 unknown
			-- lsp-set-port-security neutron-p1 fa:16:3e:00:00:02
			-- acl-add neutron-n1 to-lport 1001 ip4 allow-related
			-- lb-add neutron-lb1 10.0.1.100:80 10.0.1.5:8080 tcp
			-- ls-lb-add neutron-n1 neutron-lb1
			-- lr-lb-add neutron-r1 neutron-lb1
			-- dhcp-options-create 10.0.1.0/24`)...)
	}
	before := foreignRows(t, address)
	return func() {
		t.Helper()
		after := foreignRows(t, address)
		for id, row := range before {
			if got := after[id]; got != row {
				t.Errorf("a row of another owner has changed: it was\n%s\nand is\n%s", row, got)
			}
		}
	}
}

var northdColumn = regexp.MustCompile(`(?m)^  up (true|false)\n`)

// foreignRows are the rows that are not the API server's, by table and UUID.
func foreignRows(t testing.TB, address string) map[string]string {
	t.Helper()
	rows := map[string]string{}
	var id string
	for line := range strings.Lines(Dump(t, address, "Copp", "NB_Global")) {
		if !strings.HasPrefix(line, " ") {
			id = line
		}
		rows[id] += line
	}
	for id, row := range rows {
		if strings.Contains(row, "kubeovn.io/") {
			delete(rows, id)
			continue
		}
		rows[id] = northdColumn.ReplaceAllString(row, "")
	}
	return rows
}
