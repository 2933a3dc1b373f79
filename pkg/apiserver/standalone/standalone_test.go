package standalone

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/util/cert"
)

const tenantPolicy = `
# net1 and what is in it
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: net1}
rules:
- {apiGroups: [kubeovn.io], resources: [subnets], resourceNames: [net1], verbs: [get]}
- {apiGroups: [kubeovn.io], resources: [ips, subnets/status], verbs: [get, create]}
- {nonResourceURLs: ["/metrics", "/debug/*"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: net1}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: net1}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: tenants}
- {kind: ServiceAccount, name: agent, namespace: kube-system}
`

func TestAuthorizer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(tenantPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthorizer(file)
	if err != nil {
		t.Fatal(err)
	}
	known := func(name string, groups ...string) user.Info {
		return &user.DefaultInfo{Name: name, Groups: append(groups, user.AllAuthenticated)}
	}
	alice, stranger := known("alice"), known("mallory")
	anonymous := &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
	on := func(u user.Info, verb, resource, subresource, name string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{User: u, Verb: verb, APIGroup: "kubeovn.io", Resource: resource, Subresource: subresource, Name: name, ResourceRequest: true}
	}
	at := func(u user.Info, path string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{User: u, Verb: "get", Path: path}
	}
	for name, test := range map[string]struct {
		attributes authorizer.AttributesRecord
		want       bool
	}{
		"masters may do everything":                        {on(known("root", "system:masters"), "delete", "vpcs", "", "x"), true},
		"a user may do what is granted":                    {on(alice, "create", "ips", "", ""), true},
		"so may a member of a group":                       {on(known("bob", "tenants"), "create", "ips", "", ""), true},
		"so may a service account":                         {on(known("system:serviceaccount:kube-system:agent"), "create", "ips", "", ""), true},
		"a service account of another namespace may not":   {on(known("system:serviceaccount:default:agent"), "create", "ips", "", ""), false},
		"others may not":                                   {on(stranger, "create", "ips", "", ""), false},
		"a verb that is not granted":                       {on(alice, "delete", "ips", "", "x"), false},
		"a name that is granted":                           {on(alice, "get", "subnets", "", "net1"), true},
		"another name":                                     {on(alice, "get", "subnets", "", "net2"), false},
		"no name, where names are listed":                  {on(alice, "get", "subnets", "", ""), false},
		"a subresource is not its resource":                {on(alice, "get", "ips", "status", "x"), false},
		"a subresource that is granted":                    {on(alice, "get", "subnets", "status", "any"), true},
		"a path that is granted":                           {at(alice, "/metrics"), true},
		"a path below one that is granted":                 {at(alice, "/debug/pprof/heap"), true},
		"a path that begins with one that is granted":      {at(alice, "/metrics/slis"), false},
		"discovery is for every known user":                {at(stranger, "/apis/kubeovn.io/v1"), true},
		"discovery is not for unknown ones":                {at(anonymous, "/apis"), false},
		"probes are for everybody":                         {at(anonymous, "/readyz/nb"), true},
		"single checks of a probe are not for strangers":   {at(anonymous, "/readyz/ping"), false},
		"writing to a probe's path is not what is allowed": {authorizer.AttributesRecord{User: stranger, Verb: "get", Path: "/readyz", ResourceRequest: true, Resource: "vpcs"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			decision, reason, err := a.Authorize(t.Context(), test.attributes)
			if err != nil {
				t.Fatal(err)
			}
			if got := decision == authorizer.DecisionAllow; got != test.want {
				t.Errorf("got %v (%s), want %v", got, reason, test.want)
			}
		})
	}
}

func TestPolicyFilesThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"a misspelt field":            {"resourceNames:", "resourceName:", `unknown field "resourceName"`},
		"a binding to a missing role": {"kind: ClusterRole, name: net1", "kind: ClusterRole, name: net2", `ClusterRole "net2", which is not in the file`},
		"another kind":                {"kind: ClusterRole\n", "kind: Role\n", `kind "Role"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(tenantPolicy, test.old, test.new, 1)
			if text == tenantPolicy {
				t.Fatal("the test changes nothing")
			}
			if _, err := parsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAuthoritySurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenPKI(dir)
	if err != nil {
		t.Fatal(err)
	}
	client, err := first.Client("alice", "tenants")
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenPKI(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.CA(), second.CA()) {
		t.Error("the authority changed")
	}
	serving, _, err := second.Serving([]string{"localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	certs, err := cert.CertsFromFile(serving)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(first.CA())
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"}); err != nil {
		t.Errorf("serving certificate: %v", err)
	}
	if certs, err = cert.ParseCertsPEM(client.Cert); err != nil {
		t.Fatal(err)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("client certificate: %v", err)
	}
	if subject := certs[0].Subject; subject.CommonName != "alice" || len(subject.Organization) != 1 || subject.Organization[0] != "tenants" {
		t.Errorf("subject is %v", subject)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key: %v, %v", info, err)
	}
}

func TestOneServerAFolder(t *testing.T) {
	path := t.TempDir()
	first, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := OpenDir(path); err == nil {
		second.Close()
		t.Error("a second server took the folder")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir(path)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again.Close()
}
