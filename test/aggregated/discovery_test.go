//go:build aggregated

package aggregated

import (
	"slices"
	"testing"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/discovery"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// kinds are those of the user's documents that must be served, with what clients look them up by.
var kinds = []struct{ resource, kind, short string }{
	{"vpcs", "Vpc", "vpc"},
	{"subnets", "Subnet", "subnet"},
	{"ips", "IP", "ip"},
	{"vips", "Vip", "vip"},
}

var everyVerb = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

func TestDiscoveryOfTheVersion(t *testing.T) {
	client := discovery.NewDiscoveryClientForConfigOrDie(cluster.Admin)
	list, err := client.ServerResourcesForGroupVersion(controlplane.Northbound.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		i := slices.IndexFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == k.resource })
		if i < 0 {
			t.Errorf("%s are not served", k.resource)
			continue
		}
		r := list.APIResources[i]
		if r.Kind != k.kind || r.SingularName != k.short || r.Namespaced {
			t.Errorf("%s: got kind %q, singular %q, namespaced %v", k.resource, r.Kind, r.SingularName, r.Namespaced)
		}
		if !slices.Contains(r.Categories, "kubeovn") {
			t.Errorf("%s are in the categories %v, want kubeovn among them", k.resource, r.Categories)
		}
		// The garbage collector and the namespace controller skip what lacks a verb.
		if missing := sets.New(everyVerb...).Difference(sets.New(r.Verbs...)); missing.Len() > 0 {
			t.Errorf("%s lack the verbs %v", k.resource, sets.List(missing))
		}
	}
}

func TestAggregatedDiscoveryIsCurrent(t *testing.T) {
	client := discovery.NewDiscoveryClientForConfigOrDie(cluster.Admin).RESTClient()
	body, err := client.Get().AbsPath("/apis").
		SetHeader("Accept", discovery.AcceptV2).Do(t.Context()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	var groups apidiscoveryv2.APIGroupDiscoveryList
	if err := json.Unmarshal(body, &groups); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(groups.Items, func(g apidiscoveryv2.APIGroupDiscovery) bool {
		return g.Name == controlplane.Northbound.GroupVersion.Group
	})
	if i < 0 {
		t.Fatalf("%s is not in the aggregated discovery", controlplane.Northbound.GroupVersion.Group)
	}
	for _, version := range groups.Items[i].Versions {
		if version.Freshness != apidiscoveryv2.DiscoveryFreshnessCurrent {
			t.Errorf("%s is %s, want %s", version.Version, version.Freshness, apidiscoveryv2.DiscoveryFreshnessCurrent)
		}
		for _, k := range kinds {
			if !slices.ContainsFunc(version.Resources, func(r apidiscoveryv2.APIResourceDiscovery) bool { return r.Resource == k.resource }) {
				t.Errorf("%s are not in the aggregated discovery", k.resource)
			}
		}
	}
}

func TestKubectlListsTheResources(t *testing.T) {
	contains(t, "api-resources", must(t, "", "api-resources", "--api-group="+controlplane.Northbound.GroupVersion.Group, "-o", "wide"),
		"vpcs", "subnets", "ips", "vips", "kubeovn.io/v1", "Subnet")
	contains(t, "api-versions", must(t, "", "api-versions"), "kubeovn.io/v1\n")
}
