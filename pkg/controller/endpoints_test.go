package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// endpointsOver is the loop's state with these objects in its caches.
func endpointsOver(t *testing.T, objs ...any) *endpoints {
	t.Helper()
	newIndexer := func(indexers cache.Indexers) cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, indexers)
	}
	subnets := newIndexer(nil)
	e := &endpoints{
		subnets:  listers.NewSubnetLister(subnets),
		slicesBy: newIndexer(cache.Indexers{byService: index(func(s *discoveryv1.EndpointSlice) []string { return []string{kubeservice.ServiceOf(s)} })}),
		podsBy:   newIndexer(cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		ipsBy:    newIndexer(cache.Indexers{byUID: index(func(ip *v1.IP) []string { return []string{ip.Spec.PodUID} })}),
	}
	for _, obj := range objs {
		store := cache.Indexer(nil)
		switch obj.(type) {
		case *v1.Subnet:
			store = subnets
		case *v1.IP:
			store = e.ipsBy
		case *corev1.Pod:
			store = e.podsBy
		case *discoveryv1.EndpointSlice:
			store = e.slicesBy
		}
		if err := store.Add(obj); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func slice(name string, family discoveryv1.AddressType, port int32, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: family,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: &port, Protocol: new(corev1.ProtocolTCP)}},
		Endpoints:   endpoints,
	}
}

// endpoint has the conditions ready, serving and terminating as "y", "n" or "-" for not said.
func endpoint(address, conditions string) discoveryv1.Endpoint {
	said := func(i int) *bool {
		if conditions[i] == '-' {
			return nil
		}
		return new(conditions[i] == 'y')
	}
	return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: said(0), Serving: said(1), Terminating: said(2)}}
}

func webRule() *v1.SwitchLBRule {
	return &v1.SwitchLBRule{
		ObjectMeta: metav1.ObjectMeta{Name: "svc.ns.web", Annotations: map[string]string{v1.AnnotationVpc: "ovn-cluster"}},
		Spec: v1.SwitchLBRuleSpec{Vip: "10.96.0.10,fd00:10:96::1", Namespace: "ns", Service: "web", Ports: []v1.SwitchLBRulePort{
			{Name: "http", Port: 80, TargetPort: 80, Protocol: "TCP"}, {Name: "dns", Port: 53, TargetPort: 53, Protocol: "UDP"}}},
		Status: v1.SwitchLBRuleStatus{Vpc: "ovn-cluster"},
	}
}

func TestWhichEndpointsOfAServiceGetTraffic(t *testing.T) {
	v4, v6 := discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
	headless := slice("a", v4, 80, endpoint("10.0.0.9", "yyn"))
	headless.Labels[corev1.IsHeadlessService] = ""
	for _, test := range []struct {
		name   string
		slices []any
		want   []string
	}{
		{"none", nil, nil},
		{"the ready ones, sorted, each once", []any{
			slice("a", v4, 8080, endpoint("10.0.0.10", "yyn"), endpoint("10.0.0.9", "yyn"), endpoint("10.0.0.8", "nnn")), slice("b", v4, 8080, endpoint("10.0.0.9", "yyn")),
		}, []string{"10.0.0.9:8080", "10.0.0.10:8080"}},
		{"those of which nothing is said", []any{slice("a", v4, 8080, endpoint("10.0.0.9", "---"))}, []string{"10.0.0.9:8080"}},
		{"each at its own port", []any{slice("a", v4, 8080, endpoint("10.0.0.9", "yyn")), slice("b", v4, 9090, endpoint("10.0.0.8", "yyn"))},
			[]string{"10.0.0.8:9090", "10.0.0.9:8080"}},
		{"not those that are going while others are ready", []any{slice("a", v4, 80, endpoint("10.0.0.8", "nyy"), endpoint("10.0.0.9", "yyn"))}, []string{"10.0.0.9:80"}},
		{"those that are going when no other is ready", []any{slice("a", v4, 80, endpoint("10.0.0.8", "nyy"), endpoint("10.0.0.9", "nny"))}, []string{"10.0.0.8:80"}},
		{"one that is not ready and not going", []any{slice("a", v4, 80, endpoint("10.0.0.8", "nyn"))}, nil},
		{"each family by itself", []any{slice("a", v4, 80, endpoint("10.0.0.8", "nyy")), slice("b", v6, 80, endpoint("fd00::8", "yyn"))},
			[]string{"10.0.0.8:80", "[fd00::8]:80"}},
		{"none that cannot be", []any{slice("a", v4, 80, endpoint("10.96.0.10", "yyn"), endpoint("127.0.0.1", "yyn"), endpoint("10.0.0.8", "yyn"))}, []string{"10.0.0.8:80"}},
		{"none that are of a headless Service", []any{headless}, nil},
		{"no names", []any{slice("a", discoveryv1.AddressTypeFQDN, 80, endpoint("example.org", "yyn"))}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []v1.SwitchLBRuleEndpoints
			if test.want != nil {
				want = []v1.SwitchLBRuleEndpoints{{Name: "http", Backends: test.want}}
			}
			if diff := cmp.Diff(want, endpointsOver(t, test.slices...).ofService(webRule())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABackEndIsOneOfTheRulesVpc(t *testing.T) {
	of := func(address, uid string) discoveryv1.Endpoint {
		e := endpoint(address, "yyn")
		e.TargetRef = &corev1.ObjectReference{Kind: "Pod", UID: types.UID(uid)}
		return e
	}
	ip := func(uid, subnet, address string) *v1.IP {
		return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: uid + "." + subnet}, Spec: v1.IPSpec{PodUID: uid, Subnet: subnet, IPAddress: address}}
	}
	e := endpointsOver(t,
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "ovn-default"}, Spec: v1.SubnetSpec{Vpc: "ovn-cluster"}},
		&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "tenant"}, Spec: v1.SubnetSpec{Vpc: "vpc1"}},
		ip("inside", "ovn-default", "10.0.0.1"), ip("outside", "tenant", "10.0.0.2"), ip("both", "ovn-default", "10.0.0.3"), ip("both", "tenant", "10.0.0.4"),
		slice("a", discoveryv1.AddressTypeIPv4, 80, of("10.0.0.1", "inside"), of("10.0.0.2", "outside"), of("10.0.0.3", "both"), of("10.0.0.4", "both"), of("192.0.2.1", "host"), endpoint("192.0.2.2", "yyn")))
	want := []v1.SwitchLBRuleEndpoints{{Name: "http", Backends: []string{"10.0.0.1:80", "10.0.0.3:80", "192.0.2.1:80", "192.0.2.2:80"}}}
	if diff := cmp.Diff(want, e.ofService(webRule())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThePodsThatARuleSelects(t *testing.T) {
	pod := func(name, app string, isReady, going bool, phase corev1.PodPhase, addresses ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app}}, Status: corev1.PodStatus{Phase: phase}}
		if going {
			p.DeletionTimestamp = new(metav1.Now())
		}
		if isReady {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		for _, a := range addresses {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a})
		}
		return p
	}
	rule := webRule()
	rule.Spec.Service, rule.Spec.Selector, rule.Spec.Ports = "", []string{"app:nginx"}, []v1.SwitchLBRulePort{{Name: "dns", Port: 8888, TargetPort: 80, Protocol: "TCP"}}
	e := endpointsOver(t,
		pod("ready", "nginx", true, false, corev1.PodRunning, "10.0.0.2", "fd00::2"), pod("unready", "nginx", false, false, corev1.PodRunning, "10.0.0.3"),
		pod("going", "nginx", true, true, corev1.PodRunning, "10.0.0.4"), pod("other", "apache", true, false, corev1.PodRunning, "10.0.0.5"),
		pod("done", "nginx", true, false, corev1.PodSucceeded, "10.0.0.6"))
	want := []v1.SwitchLBRuleEndpoints{{Name: "dns", Backends: []string{"10.0.0.2:80", "[fd00::2]:80"}}}
	if diff := cmp.Diff(want, e.bySelector(rule)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
