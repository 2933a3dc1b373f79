package podnet_test

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// objects are what a test says there is, ascending by name.
type objects struct {
	subnets []*v1.Subnet
	vpcs    []*v1.Vpc
	vips    []*v1.Vip
}

func named[T interface {
	comparable
	metav1.Object
}](all []T, name string) (T, bool) {
	for _, o := range all {
		if o.GetName() == name {
			return o, true
		}
	}
	var none T
	return none, false
}

func (o objects) Subnet(name string) (*v1.Subnet, bool) { return named(o.subnets, name) }
func (o objects) Vpc(name string) (*v1.Vpc, bool)       { return named(o.vpcs, name) }
func (o objects) Vip(name string) (*v1.Vip, bool)       { return named(o.vips, name) }
func (o objects) Subnets() iter.Seq[*v1.Subnet]         { return slices.Values(o.subnets) }
func (o objects) Vpcs() iter.Seq[*v1.Vpc]               { return slices.Values(o.vpcs) }

func subnet(name, vpc, cidr string, change ...func(*v1.SubnetSpec)) *v1.Subnet {
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr, Provider: "ovn"}}
	for _, c := range change {
		c(&s.Spec)
	}
	return s
}

func namespaces(names ...string) func(*v1.SubnetSpec) {
	return func(s *v1.SubnetSpec) { s.Namespaces = names }
}

func provider(name string) func(*v1.SubnetSpec) { return func(s *v1.SubnetSpec) { s.Provider = name } }

func vpc(name string, spec v1.VpcSpec) *v1.Vpc {
	return &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func vip(name string, spec v1.VipSpec) *v1.Vip {
	return &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

// world has the default Vpc, one with namespaces of its own, and further networks.
func world() objects {
	return objects{
		subnets: []*v1.Subnet{
			subnet("a1", "a", "10.1.1.0/24", namespaces("team-a")),
			subnet("a2", "a", "10.1.2.0/24,fd01:2::/64", namespaces("team-a"), func(s *v1.SubnetSpec) { s.Gateway, s.ExcludeIps = "10.1.2.1,fd01:2::1", []string{"10.1.2.1..10.1.2.9"} }),
			subnet("b-default", "b", "10.2.0.0/24"),
			subnet("cluster", "ovn-cluster", "10.16.0.0/16", func(s *v1.SubnetSpec) { s.Default, s.Gateway = true, "10.16.0.1" }),
			subnet("macvlan", "", "172.16.0.0/24", provider("macvlan.kube-system")),
			subnet("nad", "ovn-cluster", "10.17.0.0/16", provider("net1.default.ovn")),
			subnet("nad-a", "a", "10.1.3.0/24", provider("net1.default.ovn"), namespaces("team-a")),
		},
		vpcs: []*v1.Vpc{
			vpc("a", v1.VpcSpec{Namespaces: []string{"team-a"}}),
			vpc("b", v1.VpcSpec{Namespaces: []string{"team-b"}, DefaultSubnet: "b-default"}),
			vpc("ovn-cluster", v1.VpcSpec{}),
		},
		vips: []*v1.Vip{
			vip("carried", v1.VipSpec{Subnet: "a1", Namespace: "team-a", Selector: []string{"app: web"}}),
			vip("lb", v1.VipSpec{Subnet: "a1", Type: v1.VipSwitchLB}),
			vip("of-all", v1.VipSpec{Subnet: "a1", Namespace: "team-a"}),
			vip("own", v1.VipSpec{Subnet: "a1", V4ip: "10.1.1.77"}),
		},
	}
}

func pod(namespace string, annotations map[string]string) podnet.Pod {
	return podnet.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-2", Namespace: namespace, Labels: map[string]string{"app": "web"}, Annotations: annotations}}
}

func ofStatefulSet(p podnet.Pod) podnet.Pod {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web"}}
	return p
}

// summary is what an interface may ask for: "<subnet>[=<address>]", the best first.
func summary(nic podnet.Interface) string {
	var out []string
	for _, c := range nic.Choices {
		text := c.Subnet
		if c.IPAddress != "" {
			text += "=" + c.IPAddress
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestTheFirstInterfaceIsInTheSubnetThatIsNamedClosestToThePod(t *testing.T) {
	for _, test := range []struct {
		name string
		pod  podnet.Pod
		want string
	}{
		{"the Subnet that the pod names", pod("team-a", map[string]string{"ovn.kubernetes.io/logical_switch": "a2"}), "a2"},
		{"a Subnet that is bound to another namespace, of a Vpc that admits this one", pod("other", map[string]string{"ovn.kubernetes.io/logical_switch": "cluster"}), "cluster"},
		{"the Subnets of the namespace, in their order", pod("team-a", nil), "a1 a2"},
		{"the default of the namespace's Vpc", pod("team-b", nil), "b-default"},
		{"the default of the cluster", pod("other", nil), "cluster"},
		{"a fixed address, in the Subnet that has it", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_address": "10.1.2.20,fd01:2::20"}), "a2=10.1.2.20,fd01:2::20"},
		{"any address of a pool", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.1.5, 10.1.2.30"}), "a1=10.1.1.5 a2=10.1.2.30"},
		{"pairs of addresses", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.2.20,fd01:2::20;10.1.2.21,fd01:2::21"}), "a2=10.1.2.20,fd01:2::20 a2=10.1.2.21,fd01:2::21"},
		{"one pair", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.2.20,fd01:2::20"}), "a2=10.1.2.20,fd01:2::20"},
		{"of a StatefulSet, the address of the ordinal", ofStatefulSet(pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.1.5,10.1.1.6,10.1.1.7"})), "a1=10.1.1.7"},
		{"a fixed address before a pool", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_address": "10.1.1.9", "ovn.kubernetes.io/ip_pool": "10.1.1.5"}), "a1=10.1.1.9"},
		{"the Subnet of the Vip that is used", pod("team-a", map[string]string{"ovn.kubernetes.io/vip": "own"}), "a1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			nic, errs := podnet.InterfaceOf(world(), test.pod, "ovn")
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if got := summary(nic); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheNamespacesAnnotationComesBeforeTheSubnetsThatNameTheNamespace(t *testing.T) {
	p := pod("team-a", nil)
	p.NamespaceAnnotations = map[string]string{"ovn.kubernetes.io/logical_switch": "a2, gone ,b-default"}
	nic, errs := podnet.InterfaceOf(world(), p, "ovn")
	if got, want := summary(nic), "a2 a1"; len(errs) > 0 || got != want {
		t.Errorf("got %q (%v), want %q", got, errs, want)
	}
}

func TestTheOrdinalCountsFromTheStartOfTheStatefulSet(t *testing.T) {
	p := ofStatefulSet(pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.1.5,10.1.1.6"}))
	p.StartOrdinal = 1
	nic, errs := podnet.InterfaceOf(world(), p, "ovn")
	if got, want := summary(nic), "a1=10.1.1.6"; len(errs) > 0 || got != want {
		t.Errorf("got %q (%v), want %q", got, errs, want)
	}
}

func TestWhatAPodAsksForIsRefusedAtTheAnnotation(t *testing.T) {
	for _, test := range []struct {
		name        string
		pod         podnet.Pod
		key, reason string
	}{
		{"an unknown Subnet", pod("team-a", map[string]string{"ovn.kubernetes.io/logical_switch": "none"}), "logical_switch", "Not found"},
		{"a Subnet of a Vpc that does not admit the namespace", pod("other", map[string]string{"ovn.kubernetes.io/logical_switch": "a1"}), "logical_switch", "namespace 'other' is out of range to custom vpc 'a'"},
		{"a Subnet of another plugin", pod("other", map[string]string{"ovn.kubernetes.io/logical_switch": "macvlan"}), "logical_switch", "plugs no pod's first interface"},
		{"an address outside the Subnet", pod("team-a", map[string]string{"ovn.kubernetes.io/logical_switch": "a1", "ovn.kubernetes.io/ip_address": "10.9.9.9"}), "ip_address", "10.9.9.9 is not in the range of subnet a1"},
		{"the gateway", pod("other", map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.1"}), "ip_address", "the gateway of subnet cluster"},
		{"the network address", pod("other", map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.0"}), "ip_address", "network address"},
		{"no address", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_address": "10.1.1"}), "ip_address", "10.1.1"},
		{"a pool that is too small for the ordinal", ofStatefulSet(pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "10.1.1.5,10.1.1.6"})), "ip_pool", "none for the pod with the ordinal 2"},
		{"the name of a pool", pod("team-a", map[string]string{"ovn.kubernetes.io/ip_pool": "pool1"}), "ip_pool", "the list has addresses"},
		{"no MAC", pod("team-a", map[string]string{"ovn.kubernetes.io/mac_address": "aa:bb"}), "mac_address", "is no MAC"},
		{"a multicast MAC", pod("team-a", map[string]string{"ovn.kubernetes.io/mac_address": "01:00:5e:00:00:01"}), "mac_address", "multicast"},
		{"an unknown Vip", pod("team-a", map[string]string{"ovn.kubernetes.io/vip": "none"}), "vip", "Not found"},
		{"a Vip that is no reserved address", pod("team-a", map[string]string{"ovn.kubernetes.io/vip": "lb"}), "vip", "not a reserved address"},
		{"a Vip of another Subnet", pod("team-a", map[string]string{"ovn.kubernetes.io/vip": "own", "ovn.kubernetes.io/logical_switch": "a2"}), "vip", "in subnet a1, not in a2"},
		{"an unknown Vip to carry", pod("team-a", map[string]string{"ovn.kubernetes.io/aaps": "carried,none"}), "aaps", "Not found"},
		{"a reserved Vip to carry", pod("team-a", map[string]string{"ovn.kubernetes.io/aaps": "own"}), "aaps", "not one that pods carry"},
		{"routes that are none", pod("team-a", map[string]string{"ovn.kubernetes.io/routes": "10.0.0.0/8"}), "routes", "is no list of routes"},
		{"a route of two families", pod("team-a", map[string]string{"ovn.kubernetes.io/routes": `[{"dst":"fd00::/8","gw":"10.1.1.3"}]`}), "routes", "other address family"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, errs := podnet.InterfaceOf(world(), test.pod, "ovn")
			if len(errs) != 1 || errs[0].Field != "metadata.annotations[ovn.kubernetes.io/"+test.key+"]" || !strings.Contains(errs[0].Error(), test.reason) {
				t.Errorf("got %v, want one error of %s with %q", errs, test.key, test.reason)
			}
		})
	}
}

func TestAVipIsCarriedByThePodsThatItSelects(t *testing.T) {
	p := pod("team-a", map[string]string{"ovn.kubernetes.io/aaps": "carried,of-all"})
	nic, errs := podnet.InterfaceOf(world(), p, "ovn")
	if len(errs) > 0 || !slices.Equal(nic.Choices[0].AAPs, []string{"carried", "of-all"}) {
		t.Errorf("got %v, %v", nic, errs)
	}
	foreign := pod("other", map[string]string{"ovn.kubernetes.io/aaps": "of-all", "ovn.kubernetes.io/logical_switch": "a1"})
	open := world()
	open.vpcs[0].Spec.Namespaces = nil
	if _, errs := podnet.InterfaceOf(open, foreign, "ovn"); len(errs) != 1 || !strings.Contains(errs[0].Error(), `for pods of namespace "team-a"`) {
		t.Errorf("of a pod of another namespace: got %v", errs)
	}
	p.Labels = map[string]string{"app": "db"}
	if _, errs = podnet.InterfaceOf(world(), p, "ovn"); len(errs) != 1 || !strings.Contains(errs[0].Error(), "pods with the labels app: web") {
		t.Errorf("got %v", errs)
	}
}

func TestFurtherInterfacesAreThoseOfNetworksWithASubnet(t *testing.T) {
	for _, networks := range []string{
		"default/net1@eth5, kube-system/macvlan,default/unknown",
		`[{"name":"net1","namespace":"default"},{"name":"macvlan","namespace":"kube-system"},{"name":"unknown"}]`,
	} {
		p := pod("team-a", map[string]string{podnet.AnnotationNetworks: networks, "net1.default.ovn.kubernetes.io/mac_address": "0a:00:00:00:00:01",
			"macvlan.kube-system.kubernetes.io/ip_address": "172.16.0.9", "net1.default.ovn.kubernetes.io/routes": `[{"dst":"10.9.0.0/16","gw":"10.1.3.7"},{"gw":"10.1.3.8"}]`,
			"net1.default.ovn.kubernetes.io/default_route": "true"})
		nics, errs := podnet.Interfaces(world(), p)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		want := []podnet.Interface{
			{Provider: "ovn", Name: "web-2.team-a", Choices: []v1.PodInterface{{Name: "web-2.team-a", Subnet: "a1"}, {Name: "web-2.team-a", Subnet: "a2"}}},
			{Provider: "net1.default.ovn", Name: "web-2.team-a.net1.default.ovn", DefaultRoute: true,
				Choices: []v1.PodInterface{{Name: "web-2.team-a.net1.default.ovn", Subnet: "nad-a", MacAddress: "0a:00:00:00:00:01"}},
				Routes: []podnet.Route{{Dst: netip.MustParsePrefix("10.9.0.0/16"), GW: netip.MustParseAddr("10.1.3.7")},
					{Dst: netip.MustParsePrefix("0.0.0.0/0"), GW: netip.MustParseAddr("10.1.3.8")}}},
			{Provider: "macvlan.kube-system", Name: "web-2.team-a.macvlan.kube-system",
				Choices: []v1.PodInterface{{Name: "web-2.team-a.macvlan.kube-system", Subnet: "macvlan", IPAddress: "172.16.0.9"}}},
		}
		if diff := cmp.Diff(want, nics, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", networks, diff)
		}
	}
}

func TestVirtualMachinesAndStatefulSetsKeepTheirAddresses(t *testing.T) {
	for _, test := range []struct {
		pod  podnet.Pod
		name string
		kind v1.PodType
	}{
		{pod("a", nil), "web-2", ""},
		{ofStatefulSet(pod("a", nil)), "web-2", v1.PodTypeStatefulSet},
		{pod("a", map[string]string{"ovn.kubernetes.io/virtualmachine": "vm1"}), "vm1", v1.PodTypeVirtualMachine},
	} {
		if name, kind := podnet.Owner(&test.pod.ObjectMeta); name != test.name || kind != test.kind {
			t.Errorf("got %s %q, want %s %q", name, kind, test.name, test.kind)
		}
	}
}

func TestAskedFindsTheInterfacesThatAnnotationsAreAbout(t *testing.T) {
	got := podnet.Asked(map[string]string{
		"ovn.kubernetes.io/ip_address": "10.0.0.9", "ovn.kubernetes.io/allocated": "true", "net1.default.ovn.kubernetes.io/mac_address": "x",
		"macvlan.kube-system.kubernetes.io/ip_pool": "x", "apps.kubernetes.io/routes": "x", "example.com/vip": "x", "vip": "x",
	})
	if want := []string{"macvlan.kube-system", "net1.default.ovn", "ovn"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := podnet.Asked(map[string]string{"ovn.kubernetes.io/allocated": "true"}); got != nil {
		t.Errorf("got %q of what is written for users to read", got)
	}
}
