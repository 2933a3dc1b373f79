package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Ways to send a manifest: three managers, and a client that replaces.
var (
	applies       = []string{"apply"}
	appliesAtHost = []string{"apply", "--server-side"}
	anotherTool   = []string{"apply", "--server-side", "--field-manager=another-tool"}
	replaces      = []string{"replace"}
)

// TestAManifestMeetsWhatItWrote: whoever sends a manifest after whom, no manager is in the way of another, because the server leaves
// what a user wrote as it is: every field of the manifest reads as it was written, lists and their order too.
func TestAManifestMeetsWhatItWrote(t *testing.T) {
	s := newServer(t)
	for _, way := range [][][]string{
		{applies, appliesAtHost}, {applies, anotherTool}, {appliesAtHost, applies}, {appliesAtHost, anotherTool},
		{anotherTool, applies}, {applies, replaces}, {anotherTool, replaces},
	} {
		name := strings.Join(way[0], " ") + " and " + strings.Join(way[1], " ")
		t.Run("guides by "+name, func(t *testing.T) {
			i := newIntent(t, s)
			defer s.restore(t)()
			for _, command := range i.guides() {
				if command[0] == "patch" {
					i.must(command...)
				} else {
					i.send(command[1:], way[0], way[1], way[0])
				}
			}
		})
		t.Run("odd forms by "+name, func(t *testing.T) {
			i := newIntent(t, s)
			defer s.restore(t)()
			i.write("odd.yaml", oddForms)
			i.send([]string{"-f", "odd.yaml"}, way[0], way[1], way[0])
		})
	}
}

// TestEveryKindShowsItsAgeAndExplainsItsConditions with one object at least of every kind.
func TestEveryKindShowsItsAgeAndExplainsItsConditions(t *testing.T) {
	s := newServer(t)
	i := newIntent(t, s)
	defer s.restore(t)()
	i.write("odd.yaml", oddForms)
	i.must("apply", "-f", "odd.yaml")
	for _, resource := range s.resources {
		lines := strings.Split(strings.TrimSpace(i.must("get", resource.Resource+".kubeovn.io", "-o", "wide")), "\n")
		at := strings.Index(lines[0], "AGE")
		if at < 0 || len(lines) < 2 {
			t.Errorf("%s has no objects with an age: %s", resource.Resource, lines)
			continue
		}
		for _, line := range lines[1:] {
			if age := strings.Fields(line[min(at, len(line)):]); len(age) == 0 || !ages.MatchString(age[0]) {
				t.Errorf("%s: %q has the age %q", resource.Resource, line, age)
			}
		}
		list, err := s.client.Resource(resource).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
			for _, c := range conditions {
				if condition, ok := c.(map[string]any); !ok || condition["message"] == "" || condition["reason"] == "" {
					t.Errorf("%s %s does not explain its condition %v", o.GetKind(), o.GetName(), c)
				}
			}
		}
	}
}

// TestCountersAreExact in every form in which kubectl prints them.
func TestCountersAreExact(t *testing.T) {
	s := newServer(t)
	i := newIntent(t, s)
	defer s.restore(t)()
	for _, test := range []struct{ prefix, available string }{
		{"10.3.3.0/24", "253"},                // without network, broadcast and gateway
		{"fd34::/120", "254"},                 // without the subnet-router anycast address and the gateway: the last one counts
		{"fd34::/75", "9007199254740990"},     // the last that is a number
		{"fd34::/74", "18014398509481982"},    // beyond 2^53
		{"fd34::/64", "18446744073709551614"}, // beyond 2^63
		{"fc00::/8", "1329227995784915872903807060280344574"},
	} {
		i.write("net.yaml", subnetManifest("ovn-cluster", fmt.Sprintf(`"cidrBlock":%q`, test.prefix)))
		i.must("create", "-f", "net.yaml")
		field := "v4availableIPs"
		if strings.Contains(test.prefix, ":") {
			field = "v6availableIPs"
		}
		for _, output := range []string{"jsonpath={.status." + field + "}", "go-template={{.status." + field + "}}", "custom-columns=N:.status." + field} {
			if got := strings.TrimPrefix(strings.TrimSpace(i.must("get", "subnet", "net-ovn-cluster", "-o", output)), "N\n"); got != test.available {
				t.Errorf("%s, %s: got %s, want %s", test.prefix, output, got, test.available)
			}
		}
		for _, output := range []string{"json", "yaml", "wide"} {
			if got := i.must("get", "subnet", "net-ovn-cluster", "-o", output); !strings.Contains(got, test.available) {
				t.Errorf("%s, -o %s: %s is not in %s", test.prefix, output, test.available, got)
			}
		}
		i.must("delete", "subnet", "net-ovn-cluster")
	}
}

// intent sends manifests of a folder to a server.
type intent struct {
	t      *testing.T
	server *server
	folder string
}

func newIntent(t *testing.T, s *server) intent {
	if s.dirty {
		t.Skip("an earlier test left something behind on this server")
	}
	i := intent{t, s, t.TempDir()}
	copySamples(t, filepath.Join(i.folder, "samples"))
	return i
}

func (i intent) write(name, content string) {
	if err := os.WriteFile(filepath.Join(i.folder, name), []byte(content), 0o644); err != nil {
		i.t.Fatal(err)
	}
}

// guides are the commands of the transcript of all guides that write, in its order: the files of an apply, or a patch.
func (i intent) guides() [][]string {
	archive, err := txtar.ParseFile("guides.txtar")
	if err != nil {
		i.t.Fatal(err)
	}
	var out [][]string
	for _, section := range archive.Files {
		words, err := split(section.Name)
		switch {
		case isManifest(section.Name):
			i.write(section.Name, string(section.Data))
		case err == nil && len(words) > 2 && words[0] == "kubectl" && (words[1] == "apply" || words[1] == "patch"):
			out = append(out, words[1:])
		}
	}
	if len(out) < 20 {
		i.t.Fatalf("the transcript of the guides writes %d times", len(out))
	}
	return out
}

// must runs kubectl, which must succeed, and returns what it prints.
func (i intent) must(args ...string) string {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), time.Minute)
	defer cancel()
	output, ok := i.server.kubectl.run(ctx, i.folder, args...)
	if !ok {
		i.t.Fatalf("kubectl %s: %s", strings.Join(args, " "), output)
	}
	return output
}

// send sends files in several ways, and looks after each whether all is as the manifests say.
func (i intent) send(files []string, ways ...[]string) {
	i.t.Helper()
	manifests := i.manifests(files)
	for _, m := range manifests {
		// The guides' second rule of this name forwards to something else: it takes the place of the first.
		if m.GetKind() == "OvnDnatRule" {
			i.must("delete", "--ignore-not-found", "ovn-dnat-rules", m.GetName())
		}
	}
	for n, way := range ways {
		args := append(slices.Clone(way), files...)
		if slices.Contains(way, "--server-side") && slices.ContainsFunc(manifests, isDefaultNetwork) {
			args = append(args, "--force-conflicts")
		}
		i.must(args...)
		for _, m := range manifests {
			now := i.read(i.t.Context(), m)
			want, _, _ := unstructured.NestedMap(m.Object, "spec")
			got, _, _ := unstructured.NestedMap(now.Object, "spec")
			for _, diff := range differences("spec", want, got) {
				i.t.Errorf("%s %s after %v, the %d. time: %s", m.GetKind(), m.GetName(), way, n+1, diff)
			}
		}
	}
}

// isDefaultNetwork reports whether a manifest is of an object that the server itself created, and whose fields are the server's.
func isDefaultNetwork(m *unstructured.Unstructured) bool { return m.GetName() == "ovn-default" }

func (i intent) manifests(files []string) []*unstructured.Unstructured {
	i.t.Helper()
	var out []*unstructured.Unstructured
	for n, file := range files {
		if n == 0 || files[n-1] != "-f" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(i.folder, file))
		if err != nil {
			i.t.Fatal(err)
		}
		for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
			m := &unstructured.Unstructured{}
			if err := d.Decode(&m.Object); err != nil {
				break
			}
			if m.GetName() != "" {
				out = append(out, m)
			}
		}
	}
	return out
}

func (i intent) read(ctx context.Context, m *unstructured.Unstructured) *unstructured.Unstructured {
	i.t.Helper()
	mapper, err := i.server.kubectl.factory.ToRESTMapper()
	if err != nil {
		i.t.Fatal(err)
	}
	mapping, err := mapper.RESTMapping(m.GroupVersionKind().GroupKind(), m.GroupVersionKind().Version)
	if err != nil {
		i.t.Fatal(err)
	}
	o, err := i.server.client.Resource(mapping.Resource).Get(ctx, m.GetName(), metav1.GetOptions{})
	if err != nil {
		i.t.Fatal(err)
	}
	return o
}

// differences are the fields that are not as the manifest has them. Fields that it does not have may be completed, within maps; a
// list is as it was written. A field that has its zero value may be left out.
func differences(path string, want, got any) []string {
	if members, ok := want.(map[string]any); ok {
		var out []string
		now, _ := got.(map[string]any)
		for key, value := range members {
			out = append(out, differences(path+"."+key, value, now[key])...)
		}
		return out
	}
	if list, ok := want.([]any); ok {
		now, _ := got.([]any)
		if len(list) != len(now) {
			return []string{fmt.Sprintf("%s: %v, was written as %v", path, got, want)}
		}
		var out []string
		for n := range list {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, n), list[n], now[n])...)
		}
		return out
	}
	if fmt.Sprint(want) == fmt.Sprint(got) || got == nil && reflect.ValueOf(want).IsZero() {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v, was written as %v", path, got, want)}
}

// oddForms are objects of every kind in forms that users may write and the server must not make its own of.
const oddForms = `
{apiVersion: kubeovn.io/v1, kind: ProviderNetwork, metadata: {name: external204}, spec: {defaultInterface: eth1}}
---
{apiVersion: kubeovn.io/v1, kind: Vlan, metadata: {name: vlan204}, spec: {vlanId: 204, provider: external204}}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: external204}
spec: {cidrBlock: "2001:db8:204::/64,10.5.204.0/24", gateway: 10.5.204.254, vlan: vlan204, excludeIps: ["10.5.204.9..10.5.204.20", 10.5.204.3]}
---
apiVersion: kubeovn.io/v1
kind: Vpc
metadata: {name: odd}
spec:
  enableExternal: true
  staticRoutes: [{cidr: 0.0.0.0/0, nextHopIP: 10.1.1.9}, {cidr: 172.16.0.1, nextHopIP: 10.1.1.9}]
  policyRoutes: [{match: "ip4.src==10.1.1.0/24", action: allow}]
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: odd-a}
spec: {vpc: odd, cidrBlock: "fd11::/64,10.1.1.0/24", gateway: "fd11::9,10.1.1.1", vips: [10.1.1.40], acls: [{direction: to-lport, match: ip4, action: allow}]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: odd-b}
spec: {vpc: odd, cidrBlock: "10.1.2.0/24,fd12::/64", gateway: "fd12::1", excludeIps: [10.1.2.100], enableDHCP: true}
---
{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: odd-c}, spec: {cidrBlock: 10.77.0.0/24}}
---
apiVersion: kubeovn.io/v1
kind: IP
metadata: {name: a.odd}
spec: {subnet: odd-a, ipAddress: "fd11::77,10.1.1.77", macAddress: "0a:bb:cc:dd:ee:01"}
---
{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: b.odd}, spec: {subnet: odd-a, ipAddress: 10.1.1.78}}
---
{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: c.odd}, spec: {subnet: odd-b, v6IpAddress: "fd12::78"}}
---
{apiVersion: kubeovn.io/v1, kind: Vip, metadata: {name: odd}, spec: {subnet: odd-a, v4ip: 10.1.1.30, macAddress: "0a:bb:cc:dd:ee:03"}}
---
{apiVersion: kubeovn.io/v1, kind: OvnEip, metadata: {name: odd}, spec: {macAddress: "0a:bb:cc:dd:ee:04"}}
---
{apiVersion: kubeovn.io/v1, kind: OvnEip, metadata: {name: odd-fip}}
---
{apiVersion: kubeovn.io/v1, kind: OvnFip, metadata: {name: odd}, spec: {ovnEip: odd-fip, ipName: a.odd}}
---
{apiVersion: kubeovn.io/v1, kind: OvnSnatRule, metadata: {name: odd}, spec: {ovnEip: odd, vpc: odd, v4IpCidr: 10.1.2.0/25}}
---
apiVersion: kubeovn.io/v1
kind: OvnDnatRule
metadata: {name: odd}
spec: {ovnEip: odd, vpc: odd, v4Ip: 10.1.1.77, protocol: tcp, internalPort: "80", externalPort: "8080"}
---
apiVersion: kubeovn.io/v1
kind: SwitchLBRule
metadata: {name: odd, annotations: {ovn.kubernetes.io/vpc: odd}}
spec: {vip: "fd99::3,10.99.0.3", namespace: odd, endpoints: [10.1.1.78, "fd11::77"], ports: [{name: b, port: 90}, {name: a, port: 80, targetPort: 8080, protocol: UDP}]}
---
{apiVersion: kubeovn.io/v1, kind: VpcDns, metadata: {name: odd}, spec: {vpc: odd, subnet: odd-b}}
---
{apiVersion: kubeovn.io/v1, kind: Chassis, metadata: {name: odd}, spec: {chassisID: odd, encapIPs: [192.0.2.7]}}
---
{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: ovn-vpc-external-network}, spec: {provider: net.kube-system, cidrBlock: 192.168.77.0/24}}
---
{apiVersion: kubeovn.io/v1, kind: VpcNatGateway, metadata: {name: odd}, spec: {vpc: odd, subnet: odd-b, lanIp: 10.1.2.254, bfd: {enabled: true}}}
---
{apiVersion: kubeovn.io/v1, kind: IptablesEIP, metadata: {name: odd}, spec: {natGwDp: odd, macAddress: "0a:bb:cc:dd:ee:05"}}
---
{apiVersion: kubeovn.io/v1, kind: IptablesEIP, metadata: {name: odd-fip}, spec: {natGwDp: odd}}
---
{apiVersion: kubeovn.io/v1, kind: IptablesFIPRule, metadata: {name: odd}, spec: {eip: odd-fip, internalIp: 10.1.2.7}}
---
{apiVersion: kubeovn.io/v1, kind: IptablesSnatRule, metadata: {name: odd}, spec: {eip: odd, internalCIDR: 10.1.2.0/24}}
---
apiVersion: kubeovn.io/v1
kind: IptablesDnatRule
metadata: {name: odd}
spec: {eip: odd, internalIp: 10.1.2.7, protocol: tcp, internalPort: "80", externalPort: "8080"}
`
