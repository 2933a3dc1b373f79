package apiserver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
)

// TestRestart: a second server on the folder of a first has its objects, its authority and its revisions.
func TestRestart(t *testing.T) {
	dir := apiservertest.TempDir(t)
	in := func(o *apiserver.Options) { o.Standalone.DataDir = dir }
	s := apiservertest.Start(t, in)
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"))
	before, err := client(t, s).Subnets().Get(t.Context(), "net1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	copied := s.Config
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	s = apiservertest.Start(t, in)
	after, err := client(t, s).Subnets().Get(t.Context(), "net1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the object changed (-before +after):\n%s", diff)
	}
	// The port is another, the certificates are not.
	host := s.Config.Host
	s.Config = copied
	s.Config.Host = host
	if r := do(t, s, "GET", groupPath+"/vpcs/vpc1", ""); r.StatusCode != 200 {
		t.Errorf("with the kubeconfig of before: %d %s", r.StatusCode, r.body)
	}
}

func TestTokensAndRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	s := apiservertest.Start(t, func(o *apiserver.Options) {
		o.Standalone.TokenFile = write("tokens.csv", "secret,alice,1,\"readers\"\nother,bob,2\n")
		o.Standalone.PolicyFile = write("policy.yaml", `
kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: view}
rules: [{apiGroups: [kubeovn.io], resources: ["*"], verbs: [get, list, watch]}]
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: view}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: readers}]
`)
	})
	const vpc = `{"apiVersion":"kubeovn.io/v1","kind":"Vpc","metadata":{"name":"mine"}}`
	for name, test := range map[string]struct {
		token, method, path, body string
		want                      int
	}{
		"a reader reads":              {"secret", "GET", groupPath + "/vpcs", "", 200},
		"a reader writes not":         {"secret", "POST", groupPath + "/vpcs", vpc, 403},
		"a user without rules":        {"other", "GET", groupPath + "/vpcs", "", 403},
		"a user without rules asks":   {"other", "GET", groupPath, "", 200},
		"a token that nobody has":     {"wrong", "GET", groupPath + "/vpcs", "", 401},
		"a token that is empty":       {"", "GET", groupPath + "/vpcs", "", 401},
		"a reader reads no metrics":   {"secret", "GET", "/metrics", "", 403},
		"a reader sees no other verb": {"secret", "DELETE", groupPath + "/vpcs/ovn-cluster", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			config := rest.AnonymousClientConfig(s.Config)
			config.BearerToken = test.token
			if r := doAs(t, config, test.method, test.path, test.body); r.StatusCode != test.want {
				t.Errorf("got %d, want %d: %s", r.StatusCode, test.want, r.body)
			}
		})
	}
}
