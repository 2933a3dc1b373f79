//go:build aggregated

package aggregated

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLifeOfANetworkByKubectl(t *testing.T) {
	manifest, err := os.ReadFile("testdata/network.yaml")
	if err != nil {
		t.Fatal(err)
	}
	network := string(manifest)
	t.Cleanup(func() { remove(t, network) })

	contains(t, "apply", must(t, network, "apply", "-f", "-"),
		"vpc.kubeovn.io/life-vpc created", "subnet.kubeovn.io/life-subnet created", "ip.kubeovn.io/web.default created", "vip.kubeovn.io/life-vip created")
	contains(t, "a second apply", must(t, network, "apply", "-f", "-"),
		"vpc.kubeovn.io/life-vpc unchanged", "subnet.kubeovn.io/life-subnet unchanged", "ip.kubeovn.io/web.default unchanged", "vip.kubeovn.io/life-vip unchanged")

	contains(t, "get vpc", must(t, "", "get", "vpc", "life-vpc"), "NAME", "ENABLEEXTERNAL", "STANDBY", "SUBNETS", "life-subnet", "true")
	contains(t, "get subnet", must(t, "", "get", "subnet", "life-subnet"), "PROVIDER", "VPC", "PROTOCOL", "CIDR", "life-vpc", "10.0.1.0/24", "IPv4")
	contains(t, "get subnet -o wide", must(t, "", "get", "subnet", "life-subnet", "-o", "wide"), "10.0.1.0/24")
	contains(t, "get ip", must(t, "", "get", "ip", "web.default"), "V4IP", "MAC", "SUBNET", "10.0.1.11", "life-subnet")
	contains(t, "get vip", must(t, "", "get", "vip", "life-vip"), "V4IP", "SUBNET", "10.0.1.", "life-subnet")
	contains(t, "get by category", must(t, "", "get", "kubeovn", "-o", "name"), "vpc.kubeovn.io/life-vpc", "vip.kubeovn.io/life-vip")
	contains(t, "get by field", must(t, "", "get", "ip", "--field-selector=spec.subnet=life-subnet", "-o", "name"), "ip.kubeovn.io/web.default")
	contains(t, "describe vpc", must(t, "", "describe", "vpc", "life-vpc"), "Name:", "life-vpc", "172.16.0.0/16")
	contains(t, "describe subnet", must(t, "", "describe", "subnet", "life-subnet"), "Cidr Block:", "10.0.1.0/24")

	must(t, "", "wait", "--for=jsonpath={.status.standby}=true", "--timeout=10s", "vpc/life-vpc")
	must(t, "", "wait", "--for=condition=Ready", "--timeout=10s", "subnet/life-subnet")

	must(t, "", "patch", "vpc", "life-vpc", "--type=merge", "-p", `{"metadata":{"labels":{"tier":"gold"}}}`)
	must(t, "", "patch", "vpc", "life-vpc", "--type=json", "-p", `[{"op":"replace","path":"/spec/staticRoutes/0/nextHopIP","value":"10.0.1.253"}]`)
	contains(t, "the patched Vpc", must(t, "", "get", "vpc", "-l", "tier=gold", "-o", "yaml"), "life-vpc", "nextHopIP: 10.0.1.253")
	must(t, "", "label", "vip", "life-vip", "tier=gold")
	must(t, "", "annotate", "vip", "life-vip", "note=kept")

	// In the order of the file, which is the wrong one: each object but the last is still in use when it is deleted.
	must(t, network, "delete", "--wait=false", "-f", "-")
	must(t, "", "wait", "--for=delete", "--timeout=20s", "vpc/life-vpc", "subnet/life-subnet", "ip/web.default", "vip/life-vip")
	if out := must(t, "", "get", "vpc,subnet,ip,vip", "-o", "name"); strings.Contains(out, "life-") || strings.Contains(out, "web.default") {
		t.Errorf("after the deletion there is still:\n%s", out)
	}
}

func TestExplainKnowsEveryField(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"vpc", "logical router"},
		{"vpc.spec.staticRoutes.nextHopIP", "Required"},
		{"subnet.spec.cidrBlock", "prefix"},
		{"subnet.spec.mtu", "bytes"},
		{"ip.spec.ipAddress", "free address"},
		{"vip.spec.type", "switch_lb_vip"},
	} {
		out := must(t, "", "explain", c.field)
		contains(t, "explain "+c.field, out, "GROUP:", "kubeovn.io", "VERSION:", "v1", c.want)
	}
	// A field without an explanation is printed as such.
	for _, kind := range []string{"vpc", "subnet", "ip", "vip"} {
		if out := must(t, "", "explain", kind+".spec", "--recursive=false"); strings.Contains(out, "<no description>") {
			t.Errorf("explain %s.spec has fields without a description:\n%s", kind, out)
		}
	}
}

func TestGetWatchShowsChangesAsTheyHappen(t *testing.T) {
	apply(t, vpc("watched-before"))
	command := kubectlCommand(t.Context(), cluster.AdminKubeconfig, "get", "vpc", "-w", "--output-watch-events", "--no-headers")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	expect := func(event, name string) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("kubectl ended before it showed %s of %s", event, name)
				}
				if f := strings.Fields(line); len(f) > 1 && f[0] == event && f[1] == name {
					return
				}
			case <-deadline:
				t.Fatalf("no %s of %s within a minute", event, name)
			}
		}
	}
	expect("ADDED", "watched-before")
	must(t, vpc("watched"), "apply", "-f", "-")
	expect("ADDED", "watched")
	must(t, "", "label", "vpc", "watched", "tier=gold")
	expect("MODIFIED", "watched")
	must(t, "", "delete", "vpc", "watched")
	expect("DELETED", "watched")
}

func TestServerSideApplyRefusesAnothersField(t *testing.T) {
	with := func(route string) string {
		return vpc("applied") + "spec:\n  staticRoutes:\n  - {cidr: " + route + ", nextHopIP: 10.9.0.254}\n"
	}
	t.Cleanup(func() { remove(t, vpc("applied")) })
	must(t, with("172.16.0.0/16"), "apply", "--server-side", "--field-manager=one", "-f", "-")
	contains(t, "the conflict", refused(t, with("172.17.0.0/16"), "apply", "--server-side", "--field-manager=two", "-f", "-"),
		`conflict with "one"`, ".spec.staticRoutes")
	must(t, with("172.17.0.0/16"), "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-")
	contains(t, "the forced field", must(t, "", "get", "vpc", "applied", "-o", "yaml"), "172.17.0.0/16")
}

func TestDryRunAnswersAndWritesNothing(t *testing.T) {
	apply(t, vpc("rehearsed")+"---\n"+subnet("rehearsed-subnet", "rehearsed", "10.0.2.0/24"))
	ip := "apiVersion: kubeovn.io/v1\nkind: IP\nmetadata: {name: rehearsed.default}\nspec: {subnet: rehearsed-subnet, podName: rehearsed, namespace: default}\n"
	contains(t, "the rehearsed IP", must(t, ip, "create", "--dry-run=server", "-o", "yaml", "-f", "-"), "v4IpAddress: 10.0.2.")
	contains(t, "the rehearsed conflict", refused(t, subnet("overlapping", "rehearsed", "10.0.2.128/25"), "apply", "--dry-run=server", "-f", "-"),
		"rehearsed-subnet")
	must(t, "", "delete", "subnet", "rehearsed-subnet", "--dry-run=server")
	contains(t, "the Subnet after a rehearsed deletion", must(t, "", "get", "subnet", "rehearsed-subnet", "-o", "jsonpath={.metadata.deletionTimestamp}/{.metadata.name}"),
		"/rehearsed-subnet")
	for _, name := range []string{"ip/rehearsed.default", "subnet/overlapping"} {
		contains(t, "get "+name, refused(t, "", "get", name), "NotFound")
	}
}

func TestConflictIsRefusedWithItsReason(t *testing.T) {
	apply(t, vpc("crowded")+"---\n"+subnet("crowded-subnet", "crowded", "10.0.3.0/24"))
	contains(t, "the refusal", refused(t, subnet("crowded-too", "crowded", "10.0.3.128/25"), "apply", "-f", "-"),
		"cidrBlock", "10.0.3.128/25", "crowded-subnet", "10.0.3.0/24")
	contains(t, "get", refused(t, "", "get", "subnet", "crowded-too"), "NotFound")
}

func vpc(name string) string {
	return "apiVersion: kubeovn.io/v1\nkind: Vpc\nmetadata: {name: " + name + "}\n"
}

func subnet(name, vpc, cidr string) string {
	return "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: " + name + "}\nspec: {vpc: " + vpc + ", cidrBlock: " + cidr + "}\n"
}
