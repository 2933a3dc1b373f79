package agent

import (
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// slice is an EndpointSlice as an agent of the node n1 keeps it, with endpoints on some nodes.
func slice(t *testing.T, service string, ready bool, nodes ...string) *discoveryv1.EndpointSlice {
	t.Helper()
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
	for _, node := range nodes {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.16.0.5"}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"192.0.2.5"}}) // of no node
	kept, err := onNode("n1")(s)
	if err != nil {
		t.Fatal(err)
	}
	return kept.(*discoveryv1.EndpointSlice)
}

func TestChangesOfEndpointsElsewhereDoNotConcernANode(t *testing.T) {
	here := slice(t, "web", true, "n1", "n2")
	if len(here.Endpoints) != 1 || *here.Endpoints[0].NodeName != "n1" {
		t.Fatalf("the node keeps %+v", here.Endpoints)
	}
	for _, test := range []struct {
		what          string
		before, after any
		want          bool
	}{
		{"one more elsewhere", here, slice(t, "web", true, "n1", "n2", "n3"), false},
		{"not ready elsewhere", slice(t, "web", true, "n2"), slice(t, "web", false, "n2"), false},
		{"a new slice elsewhere", nil, slice(t, "web", true, "n2"), false},
		{"a slice elsewhere goes", slice(t, "web", true, "n2"), nil, false},
		{"not ready here", here, slice(t, "web", false, "n1", "n2"), true},
		{"one more here", slice(t, "web", true, "n2"), here, true},
		{"a new slice here", nil, here, true},
		{"a slice here goes", here, nil, true},
		{"another Service", here, slice(t, "other", true, "n1", "n2"), true},
	} {
		if got := concernsNode(test.before, test.after); got != test.want {
			t.Errorf("%s: concerns the node: %t, want %t", test.what, got, test.want)
		}
	}
}
