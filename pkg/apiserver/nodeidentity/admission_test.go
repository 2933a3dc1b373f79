package nodeidentity_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/nodeidentity"
)

var (
	agent  = &user.DefaultInfo{Name: "system:northbound:node:n1", Groups: []string{"system:northbound:nodes"}}
	bound  = &user.DefaultInfo{Name: "system:serviceaccount:northbound-system:northbound-agent", Extra: map[string][]string{"authentication.kubernetes.io/node-name": {"n1"}}}
	others = []user.Info{
		&user.DefaultInfo{Name: "admin", Groups: []string{"system:masters"}},
		&user.DefaultInfo{Name: "system:northbound:node:n1"}, // a name alone says nothing
		&user.DefaultInfo{Name: "system:serviceaccount:northbound-system:northbound-controller", Extra: map[string][]string{"authentication.kubernetes.io/node-name": {"n1"}}},
	}
)

func ip(name, pod, node string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{PodName: pod, NodeName: node}}
}

func chassis(name string) *v1.Chassis {
	return &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func gateway(c *v1.Chassis) *v1.Chassis {
	c.Spec.ExternalGateway = true
	return c
}

func labelled(c *v1.Chassis) *v1.Chassis {
	c.Labels = map[string]string{"gateway": "yes"}
	return c
}

func providerNetwork(nodes ...string) *v1.ProviderNetwork {
	n := &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "physnet"}}
	for _, node := range nodes {
		name, status, _ := strings.Cut(node, "=")
		n.Status.Conditions = append(n.Status.Conditions, v1.ProviderNetworkCondition{Node: name, Type: "Ready", Status: metav1.ConditionStatus(status)})
	}
	return n
}

func TestAnAgentWritesWhatBelongsToItsNode(t *testing.T) {
	for _, test := range []struct {
		name          string
		operation     admission.Operation
		resource, sub string
		old, obj      runtime.Object
		refusal       string // "" when it may
	}{
		{"its Chassis", admission.Create, "chassis", "", nil, chassis("n1"), ""},
		{"the status of its Chassis", admission.Update, "chassis", "status", chassis("n1"), chassis("n1"), ""},
		{"another Chassis", admission.Create, "chassis", "", nil, chassis("n2"), "only the Chassis of its node"},
		{"the status of another Chassis", admission.Update, "chassis", "status", chassis("n2"), chassis("n2"), "only the Chassis of its node"},
		{"the end of another Chassis", admission.Delete, "chassis", "", chassis("n2"), nil, "only the Chassis of its node"},
		{"its Chassis, as a gateway", admission.Create, "chassis", "", nil, gateway(chassis("n1")), "may not say that it is a gateway"},
		{"its Chassis, to become a gateway", admission.Update, "chassis", "", chassis("n1"), gateway(chassis("n1")), "may not say that it is a gateway"},
		{"its Chassis, which is a gateway", admission.Update, "chassis", "", gateway(chassis("n1")), gateway(chassis("n1")), ""},
		{"its Chassis, with labels by which gateways are selected", admission.Update, "chassis", "", chassis("n1"), labelled(chassis("n1")), "may not say that it is a gateway"},
		{"an IP on it", admission.Create, "ips", "", nil, ip("a.ns", "a", "n1"), ""},
		{"its port", admission.Create, "ips", "", nil, ip("node-n1", "", "n1"), ""},
		{"the port of another node as its own", admission.Create, "ips", "", nil, ip("node-n2", "", "n1"), "only its own node's port node-n1"},
		{"an IP on another node", admission.Create, "ips", "", nil, ip("a.ns", "a", "n2"), `not of "n2"`},
		{"an IP on no node", admission.Create, "ips", "", nil, ip("a.ns", "a", ""), `not of ""`},
		{"an IP that is on no node yet", admission.Update, "ips", "", ip("a.ns", "a", ""), ip("a.ns", "a", "n1"), ""},
		{"an IP that leaves it", admission.Update, "ips", "", ip("a.ns", "a", "n1"), ip("a.ns", "a", ""), ""},
		{"an IP for another node", admission.Update, "ips", "", ip("a.ns", "a", "n1"), ip("a.ns", "a", "n2"), `not of "n2"`},
		{"an IP from another node", admission.Update, "ips", "", ip("a.ns", "a", "n2"), ip("a.ns", "a", "n1"), `this one is on "n2"`},
		{"the end of an IP on it", admission.Delete, "ips", "", ip("a.ns", "a", "n1"), nil, ""},
		{"the end of an IP on another node", admission.Delete, "ips", "", ip("a.ns", "a", "n2"), nil, `this one is on "n2"`},
		{"the end of a reserved IP", admission.Delete, "ips", "", ip("a.ns", "a", ""), nil, `this one is on ""`},
		{"interfaces of its pods", admission.Create, "podinterfaces", "", nil, &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{NodeName: "n1"}}, ""},
		{"interfaces of other nodes' pods", admission.Create, "podinterfaces", "", nil, &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{NodeName: "n2"}}, `not on "n2"`},
		{"what it says of a ProviderNetwork", admission.Update, "provider-networks", "status", providerNetwork("n2=True"), providerNetwork("n2=True", "n1=False"), ""},
		{"what another node says of a ProviderNetwork", admission.Update, "provider-networks", "status", providerNetwork("n2=True"), providerNetwork("n2=False"), "only what its own node says"},
		{"a ProviderNetwork itself", admission.Update, "provider-networks", "", providerNetwork(), providerNetwork(), "may write Chassis, IPs and PodInterfaces"},
		{"a Vpc", admission.Create, "vpcs", "", nil, &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "v"}}, "may write Chassis, IPs and PodInterfaces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := ""
			for _, o := range []runtime.Object{test.obj, test.old} {
				if o, ok := o.(metav1.Object); ok {
					name = o.GetName()
				}
			}
			validate := func(u user.Info) error {
				return nodeidentity.New(nodeidentity.ServiceAccount{Namespace: "northbound-system", Name: "northbound-agent"}).Validate(t.Context(),
					admission.NewAttributesRecord(test.obj, test.old, v1.SchemeGroupVersion.WithKind("X"), "", name, v1.SchemeGroupVersion.WithResource(test.resource), test.sub, test.operation, nil, false, u), nil)
			}
			for _, u := range []user.Info{agent, bound} {
				err := validate(u)
				if test.refusal == "" && err != nil || test.refusal != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), test.refusal)) {
					t.Errorf("%s: got %v, want %q", u.GetName(), err, test.refusal)
				}
			}
			for _, u := range others {
				if err := validate(u); err != nil {
					t.Errorf("%s is no agent: %v", u.GetName(), err)
				}
			}
		})
	}
}

func TestAnAgentOfNoNodeWritesNothing(t *testing.T) {
	for _, u := range []user.Info{
		&user.DefaultInfo{Name: "system:serviceaccount:northbound-system:northbound-agent"},
		&user.DefaultInfo{Name: "somebody", Groups: []string{"system:northbound:nodes"}},
	} {
		err := nodeidentity.New(nodeidentity.ServiceAccount{Namespace: "northbound-system", Name: "northbound-agent"}).Validate(t.Context(),
			admission.NewAttributesRecord(chassis("n1"), nil, v1.SchemeGroupVersion.WithKind("Chassis"), "", "n1", v1.SchemeGroupVersion.WithResource("chassis"), "", admission.Create, nil, false, u), nil)
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "agent of no node") {
			t.Errorf("%s: got %v", u.GetName(), err)
		}
	}
}

func TestParseServiceAccount(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "ns/name": true, "name": false, "ns/": false, "a/b/c": false} {
		if a, err := nodeidentity.ParseServiceAccount(text); (err == nil) != ok || ok && a.String() != text {
			t.Errorf("%q: got %v, %v", text, a, err)
		}
	}
}
