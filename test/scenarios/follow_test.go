package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// TestWhatIsCompletedFollowsTheManifest: a Subnet that became what its manifest says by a change is as one that was created so.
// The history of an object is not seen in what the server completes.
func TestWhatIsCompletedFollowsTheManifest(t *testing.T) {
	s := newServer(t)
	defer s.restore(t)()
	i := newIntent(t, s)
	i.write("vpcs.yaml", `
{apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: fresh}}
---
{apiVersion: kubeovn.io/v1, kind: Vpc, metadata: {name: changed}}
`)
	i.must("apply", "-f", "vpcs.yaml")
	completed := []string{ // all but cidrBlock is the server's
		`"cidrBlock":"10.3.3.0/24"`,
		`"cidrBlock":"10.3.3.0/24,fd34::/64"`,
		`"cidrBlock":"fd34::/64"`,
		`"cidrBlock":"10.4.4.0/24"`,
		`"cidrBlock":"10.3.0.0/16"`,
	}
	written := []string{
		`"cidrBlock":"10.3.3.0/24","gateway":"10.3.3.254"`,
		`"cidrBlock":"fd34::/64,10.3.3.0/24","gateway":"10.3.3.254"`,
		`"cidrBlock":"10.3.3.0/24,fd34::/64","gateway":"fd34::99,10.3.3.1"`,
		`"cidrBlock":"10.3.3.0/24","excludeIps":["10.3.3.9","10.3.3.4..10.3.3.6"]`,
		`"cidrBlock":"10.3.3.0/24","excludeIps":["10.3.3.1"],"gateway":"10.3.3.7"`,
		`"cidrBlock":"10.3.3.0/24","protocol":"IPv4","gateway":"10.3.3.1"`,
		`"protocol":"Mac"`,
	}
	apply := func(args ...string) func(string) {
		return func(spec string) {
			i.write("changed.yaml", subnetManifest("changed", spec))
			i.must(append(append([]string{}, args...), "-f", "changed.yaml")...)
		}
	}
	merge := func(spec string) {
		i.must("patch", "subnet", "net-changed", "--type=merge", "-p", `{"spec":{`+spec+`}}`)
	}
	for _, way := range []struct {
		name           string
		create, change func(spec string)
		specs          []string
	}{
		{"apply", apply(applies...), apply(applies...), slices.Concat(completed, written)},
		{"apply at the server", apply(anotherTool...), apply(anotherTool...), slices.Concat(completed, written)},
		{"apply, then at the server", apply(applies...), apply("apply", "--server-side"), completed},
		{"patch", apply("create"), merge, completed},
		{"patch of what was applied", apply(applies...), merge, completed},
		{"replace", apply("create"), apply(replaces...), completed},
	} {
		for _, from := range way.specs {
			for _, to := range way.specs {
				way.create(from)
				way.change(to)
				i.write("fresh.yaml", subnetManifest("fresh", to))
				i.must("create", "-f", "fresh.yaml")
				if diff := cmp.Diff(i.outcome("fresh"), i.outcome("changed")); diff != "" {
					t.Errorf("%s of {%s} to {%s}: (-created so +became so)\n%s", way.name, from, to, diff)
				}
				i.must("delete", "subnet", "net-fresh", "net-changed")
			}
		}
	}
}

func subnetManifest(vpc, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"kubeovn.io/v1","kind":"Subnet","metadata":{"name":"net-%s"},"spec":{"vpc":%q,%s}}`, vpc, vpc, spec)
}

// outcome is what became of a Subnet: what its spec says, its status as far as it is of its addresses, and its rows.
func (i intent) outcome(vpc string) map[string]any {
	var s v1.Subnet
	if err := json.Unmarshal([]byte(i.must("get", "subnet", "net-"+vpc, "-o", "json")), &s); err != nil {
		i.t.Fatal(err)
	}
	spec := s.Spec
	spec.Vpc = ""
	networks := ""
	if spec.CIDRBlock != "" {
		networks = ovntest.Nbctl(i.t, i.server.NBAddress, "get", "Logical_Router_Port", vpc+"-net-"+vpc, "networks")
	}
	return map[string]any{"spec": spec, "networks": strings.TrimSpace(networks)}
}

// TestAGatewayThatChangesLeavesTheExcludedAddresses: the old one comes out, the new one goes in, whoever changes it and however.
func TestAGatewayThatChangesLeavesTheExcludedAddresses(t *testing.T) {
	s := newServer(t)
	defer s.restore(t)()
	i := newIntent(t, s)
	for _, test := range []struct{ excluded, gateway, want string }{
		{"", "10.3.3.254", "[10.3.3.254]"},
		{`"10.3.3.7"`, "10.3.3.254", "[10.3.3.7]"},
		{`"10.3.3.7","10.3.3.1"`, "10.3.3.254", "[10.3.3.7]"}, // as servers wrote it before that extended what a user wrote
		{`"10.3.3.1..10.3.3.7"`, "10.3.3.254", "[10.3.3.1..10.3.3.7]"},
	} {
		i.write("net.yaml", `{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: net}, spec: {cidrBlock: 10.3.3.0/24, excludeIps: [`+test.excluded+`]}}`)
		i.must("create", "-f", "net.yaml")
		i.must("patch", "subnet", "net", "--type=merge", "-p", `{"spec":{"gateway":"`+test.gateway+`"}}`)
		got := i.must("get", "subnet", "net", "-o", "jsonpath={.spec.excludeIps[*]}")
		if want := strings.Trim(test.want, "[]"); got != want {
			t.Errorf("excludeIps [%s], gateway to %s: got %s, want %s", test.excluded, test.gateway, got, want)
		}
		i.must("delete", "subnet", "net")
	}
}

// TestAGrowingSubnetKeepsTheGatewayThatInterfacesSendTo, as a changed one would cut them off; a Subnet without interfaces follows.
func TestAGrowingSubnetKeepsTheGatewayThatInterfacesSendTo(t *testing.T) {
	s := newServer(t)
	defer s.restore(t)()
	i := newIntent(t, s)
	i.write("net.yaml", `
{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: net}, spec: {cidrBlock: 10.3.3.0/24}}
---
{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: a.b}, spec: {subnet: net}}
`)
	i.must("apply", "-f", "net.yaml")
	for _, way := range [][]string{applies, appliesAtHost} {
		i.write("grown.yaml", `{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: net}, spec: {cidrBlock: 10.3.0.0/16}}`)
		i.must(append(append([]string{}, way...), "-f", "grown.yaml")...)
		if got := i.must("get", "subnet", "net", "-o", "jsonpath={.spec.gateway} {.spec.excludeIps[*]}"); got != "10.3.3.1 10.3.3.1" {
			t.Errorf("%v: got gateway and excluded addresses %s", way, got)
		}
	}
}

// TestAManifestThatContradictsItselfIsRefused: what is applied at the server is the user's, also where it equals what the server once
// derived, and is refused and not rewritten.
func TestAManifestThatContradictsItselfIsRefused(t *testing.T) {
	s := newServer(t)
	defer s.restore(t)()
	i := newIntent(t, s)
	i.write("net.yaml", `{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: net}, spec: {cidrBlock: 10.3.3.0/24, protocol: IPv4, gateway: 10.3.3.1}}`)
	i.must(append(append([]string{}, anotherTool...), "-f", "net.yaml")...)
	for spec, want := range map[string]string{
		`cidrBlock: "10.3.3.0/24,fd34::/64", protocol: IPv4`: "spec.protocol",
		`cidrBlock: 10.4.4.0/24, gateway: 10.3.3.1`:          "spec.gateway",
	} {
		i.write("net.yaml", `{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: net}, spec: {`+spec+`}}`)
		for range 2 {
			output, ok := s.kubectl.run(t.Context(), i.folder, append(append([]string{}, anotherTool...), "-f", "net.yaml")...)
			if ok || !strings.Contains(output, want) {
				t.Errorf("{%s}: got %s, want a refusal of %s", spec, output, want)
			}
		}
	}
}
