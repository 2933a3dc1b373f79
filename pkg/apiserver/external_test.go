package apiserver_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// applySample creates the kubeovn.io objects of a file of artifacts/samples in the order of the file, and returns their paths.
func applySample(t *testing.T, s *apiservertest.Server, file string) []string {
	t.Helper()
	text, err := os.ReadFile("../../artifacts/samples/" + file)
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]string{"Vpc": "vpcs", "Subnet": "subnets", "ProviderNetwork": "provider-networks", "Vlan": "vlans"}
	var paths []string
	for _, document := range strings.Split(string(text), "\n---\n") {
		var meta metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
			t.Fatal(err)
		}
		if meta.APIVersion != "kubeovn.io/v1" {
			continue
		}
		path := groupPath + "/" + resources[meta.Kind]
		if r := do(t, s, "POST", path, document, "Content-Type: application/yaml"); r.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", meta.Name, r.body)
		}
		paths = append(paths, path+"/"+meta.Name)
	}
	return paths
}

func newChassis(name string) string {
	return fmt.Sprintf(`{"apiVersion":"kubeovn.io/v1","kind":"Chassis","metadata":{"name":%q},"spec":{"chassisID":"id-%s","encapIPs":["172.31.0.%d"],"externalGateway":true}}`,
		name, name, name[len(name)-1])
}

var varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|00:00:00(:[0-9A-F]{2}){3}`)

// What ovn-nbctl prints is what the users' guide shows.
func TestExternalNetworkOfTheGuide(t *testing.T) {
	s := apiservertest.Start(t, func(o *apiserver.Options) {
		o.Network.ExternalGatewaySwitch = "external204"
		o.Standalone.NoNorthd = false
	})
	before := dump(t, s.NBAddress, "Copp", "NB_Global")
	for _, name := range []string{"n1", "n2", "n3"} {
		if r := do(t, s, "POST", groupPath+"/chassis", newChassis(name)); r.StatusCode != http.StatusCreated {
			t.Fatal(r.body)
		}
	}
	paths := append(applySample(t, s, "ovn-external-network.yaml"), applySample(t, s, "ovn-vpc.yaml")...)

	// The order of ports and of gateways is no promise.
	lines := strings.Split(varying.ReplaceAllString(ovntest.Nbctl(t, s.NBAddress, "show", "vpc1"), "X"), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "ipv6-lla:") }) // since 25.03
	slices.Sort(lines)
	for i, line := range lines {
		if names, found := strings.CutPrefix(strings.TrimSpace(line), "gateway chassis: ["); found {
			members := strings.Fields(strings.TrimSuffix(names, "]"))
			slices.Sort(members)
			lines[i] = fmt.Sprint("        gateway chassis: ", members)
		}
	}
	want := `
        gateway chassis: [id-n1 id-n2 id-n3]
        mac: "X"
        mac: "X"
        networks: ["10.5.204.101/24"]
        networks: ["192.168.0.1/24"]
    port vpc1-external204
    port vpc1-vpc1-subnet1
router X (vpc1)`
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
	routes := strings.Join(strings.Fields(ovntest.Nbctl(t, s.NBAddress, "lr-route-list", "vpc1")), " ")
	if want := "IPv4 Routes Route Table <main>: 0.0.0.0/0 10.5.204.254 dst-ip"; routes != want {
		t.Errorf("routes %q, want %q", routes, want)
	}
	ovntest.Nbctl(t, s.NBAddress, "--wait=sb", "sync")
	if tag := strings.TrimSpace(ovntest.Nbctl(t, s.NBAddress, "get", "Logical_Switch_Port", "localnet.external204", "tag")); tag != "204" {
		t.Errorf("tag %s", tag)
	}

	if r := do(t, s, "POST", groupPath+"/chassis", newChassis("n4")); r.StatusCode != http.StatusCreated {
		t.Fatal(r.body)
	}
	if got := ovntest.Nbctl(t, s.NBAddress, "lrp-get-gateway-chassis", "vpc1-external204"); strings.Count(got, "vpc1-external204_id-n") != 4 {
		t.Errorf("gateways: %s", got)
	}
	watchNextHops(t, s)
	if r := do(t, s, "DELETE", groupPath+"/ovn-eips/vpc1-external204", ""); r.StatusCode != http.StatusOK || !strings.Contains(r.Header.Get("Warning"), "vpcs/vpc1") {
		t.Errorf("deletion of the port's address: %s %v", r.body, r.Header)
	}
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		paths = append(paths, groupPath+"/chassis/"+name)
	}
	for _, path := range paths {
		if r := do(t, s, "DELETE", path, ""); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if diff := cmp.Diff(before, dump(t, s.NBAddress, "Copp", "NB_Global")); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

// watchNextHops turns BFD on and off again for vpc1. northd must survive it: it does not when a session outlives its port.
func watchNextHops(t *testing.T, s *apiservertest.Server) {
	t.Helper()
	for _, step := range []struct{ method, path, body, routes string }{
		{"POST", "/ovn-eips", `{"apiVersion":"kubeovn.io/v1","kind":"OvnEip","metadata":{"name":"n1"},"spec":{"externalSubnet":"external204","type":"lsp","v4Ip":"10.5.204.150"}}`,
			"0.0.0.0/0 10.5.204.254 dst-ip"},
		{"PATCH", "/vpcs/vpc1", `{"spec":{"enableBfd":true}}`, "0.0.0.0/0 10.5.204.150 dst-ip bfd"},
		{"DELETE", "/ovn-eips/n1", "", "0.0.0.0/0 10.5.204.254 dst-ip"},
		{"PATCH", "/vpcs/vpc1", `{"spec":{"enableBfd":false}}`, "0.0.0.0/0 10.5.204.254 dst-ip"},
	} {
		r := do(t, s, step.method, groupPath+step.path, step.body, "Content-Type: "+map[string]string{"PATCH": "application/merge-patch+json"}[step.method])
		if r.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", step.method, step.path, r.body)
		}
		got := strings.Join(strings.Fields(ovntest.Nbctl(t, s.NBAddress, "--wait=sb", "lr-route-list", "vpc1")), " ")
		if want := "IPv4 Routes Route Table <main>: " + step.routes; got != want {
			t.Errorf("after %s %s: %q, want %q", step.method, step.path, got, want)
		}
	}
}

// A Subnet that a Vpc is connected with as an external one cannot become the Vpc's own: each would keep the other from vanishing.
func TestAnExternalSubnetDoesNotJoinTheVpcThatUsesIt(t *testing.T) {
	s := apiservertest.Start(t)
	newNatWorld(t, s)
	c := client(t, s)
	_, err := c.Subnets().Patch(t.Context(), "external", types.MergePatchType, []byte(`{"spec":{"vpc":"vpc1"}}`), metav1.PatchOptions{})
	if err == nil || !strings.Contains(err.Error(), "is connected with the subnet as an external one") {
		t.Errorf("got %v", err)
	}
}
