package scenarios

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

func TestACommandLineIsSplitAsInAShell(t *testing.T) {
	got, err := split(`kubectl patch vpc a -p '{"spec": {"b": ""}}'  --type="merge" ''`)
	want := []string{"kubectl", "patch", "vpc", "a", "-p", `{"spec": {"b": ""}}`, "--type=merge", ""}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := split(`kubectl get 'vpc`); err == nil {
		t.Error("a quote that is not closed is accepted")
	}
}

func TestTablesDoNotDependOnWhatDiffersFromRunToRun(t *testing.T) {
	n := new(namer)
	n.know("mac: 00:00:00:AB:CD:01, v4ip: 10.16.0.20")
	got := n.tables("Warning: late\n" +
		"NAME   V4IP         MAC                 AGE\n" +
		"a      10.16.0.2    00:00:00:01:02:03   4m5s\n" +
		"b      10.16.0.20   00:00:00:AB:CD:01   11s\n" +
		"c                   00:00:00:01:02:03   2d\n")
	want := "Warning: late\n" +
		"NAME   V4IP         MAC                 AGE\n" +
		"a      <address1>   <mac1>              <age>\n" +
		"b      10.16.0.20   00:00:00:AB:CD:01   <age>\n" +
		"c                   <mac1>              <age>\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADifferenceNamesRowsAndWhoseTheyAre(t *testing.T) {
	router, port, route := ovsdb.NewUUID(), ovsdb.NewUUID(), ovsdb.NewUUID()
	tags := func(owner string) ovsdb.Value {
		return ovsdb.Map(map[string]string{"vendor": "kube-ovn", "kubeovn.io/owner": owner, "kubeovn.io/row": "key"})
	}
	before := database{"Logical_Router": {router: {"name": ovsdb.String("r"), "options": ovsdb.Map(map[string]string{"a": "1", "b": "2"})}}}
	after := database{
		"Logical_Router": {router: {"name": ovsdb.String("r"), "options": ovsdb.Map(map[string]string{"a": "1", "b": "3"}),
			"ports": ovsdb.Refs(port), "static_routes": ovsdb.Refs(route), "enabled": ovsdb.Bool(false)}},
		"Logical_Router_Port": {port: {"name": ovsdb.String("r-s"), "networks": ovsdb.Strings("10.0.0.1/24", "fd00::1/64"), "external_ids": tags("Subnet/s")}},
		"Logical_Router_Static_Route": {route: {"ip_prefix": ovsdb.String("0.0.0.0/0"), "nexthop": ovsdb.String("10.0.0.9"),
			"external_ids": ovsdb.Map(map[string]string{"vendor": "somebody"})}},
	}
	want := `~ Logical_Router r
    enabled: false, was none
    options: - b=2
    options: + b=3
+ Logical_Router_Port r-s, of Logical_Router r, for Subnet/s
    networks: 10.0.0.1/24 fd00::1/64
+ Logical_Router_Static_Route 0.0.0.0/0 10.0.0.9, of Logical_Router r
    external_ids: vendor=somebody
`
	if diff := cmp.Diff(want, difference(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := difference(after, after); got != "" {
		t.Errorf("nothing changed, got:\n%s", got)
	}
	gone := "~ Logical_Router r\n    enabled: none, was false\n    options: - b=3\n    options: + b=2\n" +
		"- Logical_Router_Port r-s, of Logical_Router r, for Subnet/s\n- Logical_Router_Static_Route 0.0.0.0/0 10.0.0.9, of Logical_Router r\n"
	if diff := cmp.Diff(gone, difference(after, before)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
