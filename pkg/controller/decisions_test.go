package controller

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestWhichOrdinalsAStatefulSetHas(t *testing.T) {
	for _, test := range []struct {
		name            string
		pod             string
		replicas, start *int32
		want            bool
	}{
		{"the first of one", "db-0", nil, nil, true},
		{"the second of one", "db-1", nil, nil, false},
		{"the last of three", "db-2", new(int32(3)), nil, true},
		{"one too many", "db-3", new(int32(3)), nil, false},
		{"none of none", "db-0", new(int32(0)), nil, false},
		{"before the start", "db-4", new(int32(3)), new(int32(5)), false},
		{"at the start", "db-5", new(int32(3)), new(int32(5)), true},
		{"behind the end", "db-8", new(int32(3)), new(int32(5)), false},
		{"a number with dashes before it", "my-own-db-1", new(int32(2)), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: test.replicas}}
			if test.start != nil {
				set.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: *test.start}
			}
			name, ordinal, ok := ordinalOf(test.pod)
			if !ok || !strings.HasSuffix(name, "db") {
				t.Fatalf("got set %q, %v", name, ok)
			}
			if got := hasOrdinal(set, ordinal); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for _, pod := range []string{"db", "db-", "db-x", "-1", "db-99999999999", ""} {
		if set, _, ok := ordinalOf(pod); ok {
			t.Errorf("pod %q is one of set %q", pod, set)
		}
	}
}

func TestAPodIsWatchedWithoutWhatNobodyReads(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "a", Namespace: "ns", UID: "1", Labels: map[string]string{"app": "a"},
			Annotations:   map[string]string{v1.AnnotationAAPs: "vip", "big": strings.Repeat("x", 1000)},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}, Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue, Message: "long"}}},
	}
	got, err := slim(pod)
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "ns", UID: "1", Labels: map[string]string{"app": "a"}, Annotations: map[string]string{v1.AnnotationAAPs: "vip"}},
		Spec:       corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASelectorIsAllOfItsEntries(t *testing.T) {
	labels := map[string]string{"app": "a", "tier": "web"}
	for _, test := range []struct {
		selector []string
		want     bool
	}{
		{[]string{"app: a"}, true}, {[]string{"app:a", "tier:web"}, true}, {[]string{"app:a", "tier:db"}, false},
		{[]string{"other:"}, false}, {nil, false},
	} {
		if got := matches(test.selector, labels); got != test.want {
			t.Errorf("%q: got %v", test.selector, got)
		}
	}
}

func TestTheVipsThatAnInterfaceCarries(t *testing.T) {
	vips := map[string]*v1.Vip{}
	add := func(name string, change func(*v1.Vip)) {
		vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: "s1", Namespace: "ns", Selector: []string{"app: a"}}}
		if change != nil {
			change(vip)
		}
		vips[name] = vip
	}
	add("right", nil)
	add("other-subnet", func(v *v1.Vip) { v.Spec.Subnet = "s2" })
	add("other-namespace", func(v *v1.Vip) { v.Spec.Namespace = "other" })
	add("other-labels", func(v *v1.Vip) { v.Spec.Selector = []string{"app: b"} })
	add("load-balancer", func(v *v1.Vip) { v.Spec.Type = v1.VipSwitchLB })
	add("of-all", func(v *v1.Vip) { v.Spec.Selector = nil })
	add("used", func(v *v1.Vip) { v.Spec.Selector, v.Labels = nil, map[string]string{v1.LabelIPReserved: "b.ns"} })
	add("own", nil)
	add("going", func(v *v1.Vip) { v.DeletionTimestamp = new(metav1.Now()) })
	add("going-and-carried", func(v *v1.Vip) { v.DeletionTimestamp = new(metav1.Now()) })
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Labels: map[string]string{"app": "a"}, Annotations: map[string]string{
		v1.AnnotationAAPs: "right, other-subnet,other-namespace,other-labels,load-balancer,of-all,used,own,going,going-and-carried,none,right,"}}}
	ip := &v1.IP{Spec: v1.IPSpec{Subnet: "s1", Vip: "own", Vips: []string{"going-and-carried", "unasked"}}}
	got := carriedBy(ip, pod, func(name string) *v1.Vip { return vips[name] })
	if diff := cmp.Diff([]string{"right", "of-all", "going-and-carried"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheRuleOfAService(t *testing.T) {
	service := func(change func(*corev1.Service)) *corev1.Service {
		s := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"},
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeClusterIP, ClusterIP: "fd00:10:96::1", ClusterIPs: []string{"fd00:10:96::1", "10.96.0.10"}, SessionAffinity: corev1.ServiceAffinityNone,
				Ports: []corev1.ServicePort{
					{Name: "http", Port: 80, TargetPort: intstr.FromString("web"), Protocol: corev1.ProtocolTCP},
					{Name: "dns", Port: 53, TargetPort: intstr.FromInt32(5353), Protocol: corev1.ProtocolUDP},
					{Name: "sctp", Port: 9, TargetPort: intstr.FromInt32(9), Protocol: corev1.ProtocolSCTP, NodePort: 30009},
				},
			},
		}
		if change != nil {
			change(s)
		}
		return s
	}
	want := v1.SwitchLBRuleSpec{
		Vip: "10.96.0.10,fd00:10:96::1", Namespace: "ns", Service: "web", SessionAffinity: "None",
		Ports: []v1.SwitchLBRulePort{
			{Name: "http", Port: 80, TargetPort: 80, Protocol: "TCP"},
			{Name: "dns", Port: 53, TargetPort: 5353, Protocol: "UDP"},
			{Name: "sctp", Port: 9, TargetPort: 9, Protocol: "SCTP"},
		},
	}
	rules := rulesOf(service(nil), "ovn-cluster")
	if len(rules) != 1 {
		t.Fatalf("got %d rules", len(rules))
	}
	rule := rules[0]
	if diff := cmp.Diff(want, rule.Spec); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rule.Name != "svc.ns.web" || rule.Annotations[v1.AnnotationVpc] != "ovn-cluster" {
		t.Errorf("got %v", rule.ObjectMeta)
	}
	for _, test := range []struct {
		name   string
		change func(*corev1.Service)
		want   bool
	}{
		{"of type NodePort has one", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, true},
		{"of type LoadBalancer has one", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer }, true},
		{"that is a name has none", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }, false},
		{"that is headless has none", func(s *corev1.Service) { s.Spec.ClusterIPs = []string{"None"} }, false},
		{"without an address yet has none", func(s *corev1.Service) { s.Spec.ClusterIPs = nil }, false},
		{"of another proxy has none", func(s *corev1.Service) {
			s.Labels = map[string]string{"service.kubernetes.io/service-proxy-name": "other"}
		}, false},
	} {
		t.Run("a Service "+test.name, func(t *testing.T) {
			if got := len(rulesOf(service(test.change), "ovn-cluster")) > 0; got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if rulesOf(nil, "ovn-cluster") != nil {
		t.Error("a Service that is gone has a rule")
	}
}

func TestAServiceHasARuleForEachOfItsAddresses(t *testing.T) {
	names := func(change func(*corev1.Service)) []string {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"}, Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIPs: []string{"10.96.0.10", "fd00:10:96::1"}, ExternalIPs: []string{"192.0.2.7", "2001:db8::", "192.0.2.7", "10.96.0.10"},
			Ports: []corev1.ServicePort{{Port: 80}},
		}, Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{
			{IP: "198.51.100.1"}, {Hostname: "example.org"}, {IP: "192.0.2.7"}, {IP: "198.51.100.2", IPMode: new(corev1.LoadBalancerIPModeProxy)},
		}}}}
		if change != nil {
			change(s)
		}
		var names []string
		for _, r := range rulesOf(s, "ovn-cluster") {
			names = append(names, r.Name+" "+r.Spec.Vip)
		}
		return names
	}
	const (
		cluster  = "svc.ns.web 10.96.0.10,fd00:10:96::1"
		external = "svc.ns.web.192.0.2.7 192.0.2.7"
		six      = "svc.ns.web.2001-0db8-0000-0000-0000-0000-0000-0000 2001:db8::"
		balanced = "svc.ns.web.198.51.100.1 198.51.100.1"
	)
	for _, test := range []struct {
		name   string
		change func(*corev1.Service)
		want   []string
	}{
		{"all that are addresses", nil, []string{cluster, external, six, balanced}},
		{"only those of its families", func(s *corev1.Service) { s.Spec.ClusterIPs = s.Spec.ClusterIPs[1:] }, []string{"svc.ns.web fd00:10:96::1", six}},
		{"not those of a former load balancer", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, []string{cluster, external, six}},
		{"not those that admit some only", func(s *corev1.Service) { s.Spec.LoadBalancerSourceRanges = []string{"10.0.0.0/8"} }, []string{cluster, external, six}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, names(test.change)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheConfigMapOfTheExternalGatewayIsReadOrRefused(t *testing.T) {
	guide := map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "pc-node-1,pc-node-2,pc-node-3", "type": "centralized",
		"external-gw-nic": "vlan", "external-gw-addr": "10.5.204.254/24",
	}
	g, err := readGateway(guide)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pc-node-1", "pc-node-2", "pc-node-3"}, g.nodes); diff != "" || g.distributed || g.nic != "vlan" || g.addr.V4.String() != "10.5.204.254/24" {
		t.Errorf("got %+v", g)
	}
	for _, test := range []struct{ name, key, value, want string }{
		{"another type", "type", "both", `type "both": must be "centralized" or "distributed"`},
		{"no nodes", "external-gw-nodes", " , ", "external-gw-nodes: the names of the gateway nodes are needed"},
		{"an address without a prefix", "external-gw-addr", "10.5.204.254", "external-gw-addr: "},
		{"a word for an address", "nic-ip", "ten", "nic-ip: "},
		{"the form of Kube-OVN", "nic-ip", "10.5.204.105/24", ""},
		{"distributed", "type", "distributed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := map[string]string{test.key: test.value}
			for key, value := range guide {
				if _, ok := data[key]; !ok {
					data[key] = value
				}
			}
			_, err := readGateway(data)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
