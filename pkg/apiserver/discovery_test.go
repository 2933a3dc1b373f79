package apiserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
)

func TestDiscovery(t *testing.T) {
	s := apiservertest.Start(t)

	t.Run("resources have the short names, categories and verbs that clients look for", func(t *testing.T) {
		var list metav1.APIResourceList
		do(t, s, "GET", groupPath, "").decode(t, &list)
		got := map[string]string{}
		for _, r := range list.APIResources {
			got[r.Name] = strings.Join([]string{
				r.Kind, r.SingularName, strings.Join(r.ShortNames, ","), strings.Join(r.Categories, ","), strings.Join(r.Verbs, ","),
			}, " ")
			if r.Namespaced {
				t.Errorf("%s is namespaced", r.Name)
			}
		}
		const all = "create,delete,deletecollection,get,list,patch,update,watch"
		want := map[string]string{
			"vpcs":                     "Vpc vpc vpc kubeovn " + all,
			"vpcs/status":              "Vpc    get,patch,update",
			"subnets":                  "Subnet subnet subnet kubeovn " + all,
			"subnets/status":           "Subnet    get,patch,update",
			"ips":                      "IP ip ip kubeovn " + all,
			"vips":                     "Vip vip vip kubeovn " + all,
			"provider-networks":        "ProviderNetwork provider-network pn kubeovn " + all,
			"provider-networks/status": "ProviderNetwork    get,patch,update",
			"vlans":                    "Vlan vlan vlan kubeovn " + all,
			"vlans/status":             "Vlan    get,patch,update",
			"chassis":                  "Chassis chassis  kubeovn " + all,
			"chassis/status":           "Chassis    get,patch,update",
			"podinterfaces":            "PodInterfaces podinterfaces   create",
		}
		for name, w := range want {
			if got[name] != w {
				t.Errorf("%s: got %q, want %q", name, got[name], w)
			}
		}
	})

	t.Run("the aggregated discovery document holds the group", func(t *testing.T) {
		r := do(t, s, "GET", "/apis", "", "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if !strings.Contains(r.Header.Get("Content-Type"), "as=APIGroupDiscoveryList") || !strings.Contains(r.body, `"kubeovn.io"`) {
			t.Errorf("%s: %s", r.Header.Get("Content-Type"), r.body)
		}
	})

	for name, test := range map[string]struct {
		accept, want string
		code         int
	}{
		"a client that prefers protobuf gets JSON": {
			"application/vnd.kubernetes.protobuf,application/json", "application/json", http.StatusOK},
		"metadata, which does have a protobuf form, is served as such": {
			"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1," +
				"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
			"application/vnd.kubernetes.protobuf", http.StatusOK},
		"a client that prefers CBOR gets JSON": {"application/cbor,application/json", "application/json", http.StatusOK},
		"YAML is served":                       {"application/yaml", "application/yaml", http.StatusOK},
		"protobuf alone is not acceptable": {
			"application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf", http.StatusNotAcceptable},
	} {
		t.Run(name, func(t *testing.T) {
			r := do(t, s, "GET", groupPath+"/vpcs", "", "Accept: "+test.accept)
			got, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
			if r.StatusCode != test.code || got != test.want {
				t.Errorf("got %d %s, want %d %s: %s", r.StatusCode, got, test.code, test.want, r.body)
			}
		})
	}

	t.Run("probes need no credentials, everything else does", func(t *testing.T) {
		anonymous := *s.Config
		anonymous.CertData, anonymous.KeyData = nil, nil
		for path, want := range map[string]int{
			"/livez": 200, "/readyz": 200, "/healthz": 200, "/readyz/nb": 200,
			"/metrics": 401, "/apis": 401, groupPath + "/vpcs": 401,
		} {
			if got := doAs(t, &anonymous, "GET", path, "").StatusCode; got != want {
				t.Errorf("%s: got %d, want %d", path, got, want)
			}
		}
	})

	t.Run("metrics tell about the storage", func(t *testing.T) {
		r := do(t, s, "GET", "/metrics", "")
		for _, name := range []string{
			"northbound_storage_commit_duration_seconds_bucket", "northbound_storage_commit_requests_bucket", "northbound_storage_connected 1",
			"northbound_storage_replica_lag_seconds_bucket", `northbound_storage_objects{resource="vpcs"}`, "northbound_storage_replanned_requests_total",
		} {
			if !strings.Contains(r.body, name) {
				t.Errorf("no %s", name)
			}
		}
	})
}

// schema is as much of an OpenAPI v3 schema as the test needs.
type schema struct {
	Description          string             `json:"description"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	AllOf                []*schema          `json:"allOf"`
	Ref                  string             `json:"$ref"`
}

// TestExplain: every field of every served kind has a text of its own for kubectl explain.
func TestExplain(t *testing.T) {
	s := apiservertest.Start(t)
	var doc struct {
		Components struct {
			Schemas map[string]*schema `json:"schemas"`
		} `json:"components"`
	}
	do(t, s, "GET", "/openapi/v3/apis/kubeovn.io/v1", "").decode(t, &doc)
	var missing []string
	visited := map[string]bool{}
	var visit func(path string, x *schema)
	visit = func(path string, x *schema) {
		if x == nil {
			return
		}
		for _, a := range append(x.AllOf, x) {
			if name, ok := strings.CutPrefix(a.Ref, "#/components/schemas/"); ok && strings.HasPrefix(name, "io.kubeovn.") && !visited[name] {
				visited[name] = true
				visit(path, doc.Components.Schemas[name])
			}
		}
		visit(path+"[]", x.Items)
		visit(path+"{}", x.AdditionalProperties)
		for name, p := range x.Properties {
			if p.Description == "" && name != "apiVersion" && name != "kind" {
				missing = append(missing, path+"."+name)
			}
			visit(path+"."+name, p)
		}
	}
	for _, kind := range []string{"Vpc", "Subnet", "IP", "Vip", "PodInterfaces"} {
		root := doc.Components.Schemas["io.kubeovn.v1."+kind]
		if root == nil || root.Description == "" {
			t.Errorf("%s is not described", kind)
			continue
		}
		visit(kind, root)
	}
	slices.Sort(missing)
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Errorf("fields without a text:\n%s", diff)
	}
	if r := do(t, s, "GET", "/openapi/v2", ""); r.StatusCode != http.StatusOK || !strings.Contains(r.body, `"io.kubeovn.v1.Vpc"`) {
		t.Errorf("OpenAPI v2: %d", r.StatusCode)
	}
}
