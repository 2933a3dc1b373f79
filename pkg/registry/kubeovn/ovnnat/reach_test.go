package ovnnat_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovnnat"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	subnets "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	vpcs "github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// reachWorld has a Vpc with a dual-stack Subnet and external addresses of both families; all kinds are the real ones.
func reachWorld(t testing.TB) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	cfg.ExternalGatewaySwitch = "external"
	w := kindtest.New(t, vpcs.NewResource(cfg), subnets.NewResource(cfg), providernetwork.NewResource(cfg), vlan.NewResource(cfg), ip.NewResource(cfg), ovneip.NewResource(cfg),
		ovnnat.NewFipResource(cfg), ovnnat.NewSnatResource(cfg), ovnnat.NewDnatResource(cfg))
	w.MustCreate(&v1.ProviderNetwork{ObjectMeta: named("pn"), Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}},
		&v1.Vlan{ObjectMeta: named("vlan"), Spec: v1.VlanSpec{ID: 4, Provider: "pn"}}, &v1.Vlan{ObjectMeta: named("vlan2"), Spec: v1.VlanSpec{ID: 5, Provider: "pn"}},
		subnet("external", v1.SubnetSpec{Vlan: "vlan", CIDRBlock: "192.0.2.0/24,2001:db8::/64", Gateway: "192.0.2.254,2001:db8::1"}),
		vpc("v", v1.VpcSpec{EnableExternal: true}), innerSubnet(),
		subnet("u2o", v1.SubnetSpec{Vpc: "v", Vlan: "vlan2", CIDRBlock: "10.8.0.0/24", Gateway: "10.8.0.1", U2OInterconnection: true, U2OInterconnectionIP: "10.8.0.2"}),
		eip("eip", "external"))
	return w
}

func innerSubnet() *v1.Subnet {
	return subnet("net", v1.SubnetSpec{Vpc: "v", CIDRBlock: "10.0.1.0/24,fd00:1::/64"})
}

// byAddress are rules of every kind, named x, that name an address themselves, by the field that names it.
func byAddress(v4, v6 string) map[string]storage.Object {
	field := "v4Ip"
	if v6 != "" {
		field = "v6Ip"
	}
	return map[string]storage.Object{
		ovnnat.FipResource + " spec." + field: fip("x", v1.OvnFipSpec{OvnEip: "eip", Vpc: "v", V4IP: v4, V6IP: v6}),
		ovnnat.DnatResource + " spec." + field: &v1.OvnDnatRule{ObjectMeta: named("x"), Spec: v1.OvnDnatRuleSpec{
			OvnEip: "eip", Vpc: "v", V4IP: v4, V6IP: v6, Protocol: "tcp", InternalPort: "80", ExternalPort: "80"}},
		ovnnat.SnatResource + " spec." + field + "Cidr": snat("x", v1.OvnSnatRuleSpec{OvnEip: "eip", Vpc: "v", V4IPCidr: v4, V6IPCidr: v6}),
	}
}

func split(name string) (resource, field string) {
	fmt.Sscan(name, &resource, &field)
	return resource, field
}

func TestTargetsThatNoInterfaceHasAreRefused(t *testing.T) {
	for _, test := range []struct{ v4, v6, want string }{
		{"10.0.1.0", "", "is the network address of subnet net, which no interface can have"},
		{"10.0.1.1", "", "is the gateway of subnet net"},
		{"10.0.1.255", "", "is the broadcast address of subnet net"},
		{"", "fd00:1::", "is the subnet-router anycast address of subnet net"},
		{"", "fd00:1::1", "is the gateway of subnet net"},
		{"10.8.0.1", "", "is the gateway of subnet u2o"},
		{"10.8.0.2", "", "is the address of the router itself of subnet u2o"},
		{"10.0.1.2", "", ""}, {"10.0.1.254", "", ""}, {"", "fd00:1::ffff", ""}, {"10.8.0.3", "", ""},
	} {
		for name, rule := range byAddress(test.v4, test.v6) {
			_, field := split(name)
			if test.want == "" {
				kindtest.WantRefusal(t, reachWorld(t).Create(rule))
				continue
			}
			kindtest.WantRefusal(t, reachWorld(t).Create(rule), field, test.want)
		}
	}
}

// A rule that names an address itself holds no Subnet. When the Subnet goes, or becomes one without the address, the rule says so, and
// is ready again when there is one.
func TestARuleWhoseAddressIsLostIsNotReady(t *testing.T) {
	for loss, change := range map[string]struct {
		lose, restore func(w *kindtest.World) error
		reason        [2]string // of IPv4 and IPv6
	}{
		"the Subnet is deleted": {
			func(w *kindtest.World) error { return w.Delete("subnets", "net") },
			func(w *kindtest.World) error { return w.Create(innerSubnet()) },
			[2]string{"10.0.1.200 does not lie in a subnet of vpc v", "fd00:1::c8 does not lie in a subnet of vpc v"}},
		"the Subnet shrinks": {
			func(w *kindtest.World) error { return resize(w, "10.0.1.0/25,fd00:1::/121", "") },
			func(w *kindtest.World) error { return resize(w, "10.0.1.0/24,fd00:1::/64", "") },
			[2]string{"10.0.1.200 does not lie in a subnet of vpc v", "fd00:1::c8 does not lie in a subnet of vpc v"}},
		"the Subnet moves": {
			func(w *kindtest.World) error { return resize(w, "10.0.9.0/24,fd00:9::/64", "") },
			func(w *kindtest.World) error { return resize(w, "10.0.1.0/24,fd00:1::/64", "") },
			[2]string{"10.0.1.200 does not lie in a subnet of vpc v", "fd00:1::c8 does not lie in a subnet of vpc v"}},
		"the address becomes the gateway": {
			func(w *kindtest.World) error {
				return resize(w, "10.0.1.0/24,fd00:1::/64", "10.0.1.200,fd00:1::c8")
			},
			func(w *kindtest.World) error { return resize(w, "10.0.1.0/24,fd00:1::/64", "10.0.1.1,fd00:1::1") },
			[2]string{"is the gateway of subnet net", "is the gateway of subnet net"}},
	} {
		for family, addresses := range [][2]string{{"10.0.1.200", ""}, {"", "fd00:1::c8"}} {
			for name, rule := range byAddress(addresses[0], addresses[1]) {
				resource, field := split(name)
				t.Run(loss+" below "+name, func(t *testing.T) {
					w := reachWorld(t)
					w.MustCreate(rule)
					wantReady(t, w, resource, "")
					if err := change.lose(w); err != nil {
						t.Fatal(err)
					}
					wantReady(t, w, resource, field+": Invalid value: \""+addresses[family]+"\": "+change.reason[family])
					if err := change.restore(w); err != nil {
						t.Fatal(err)
					}
					wantReady(t, w, resource, "")
				})
			}
		}
	}
}

func TestASubnetThatLosesAFamilyLosesItsTranslation(t *testing.T) {
	w := reachWorld(t)
	w.MustCreate(snat("x", v1.OvnSnatRuleSpec{OvnEip: "eip", VpcSubnet: "net"}))
	wantReady(t, w, ovnnat.SnatResource, "")
	if err := resize(w, "10.0.1.0/24", ""); err != nil {
		t.Fatal(err)
	}
	wantReady(t, w, ovnnat.SnatResource, `spec.vpcSubnet: Invalid value: "net": subnet net has no longer a prefix of the family of fd00:1::/64`)
}

func resize(w *kindtest.World, cidr, gateway string) error {
	return kindtest.Change(w, "subnets", "net", func(s *v1.Subnet) {
		s.Spec.CIDRBlock, s.Spec.Gateway, s.Spec.ExcludeIps, s.Spec.Protocol = cidr, gateway, nil, ""
	})
}

// wantReady holds the rule x to be ready, or not to be with the reason.
func wantReady(t *testing.T, w *kindtest.World, resource, reason string) {
	t.Helper()
	var ready bool
	condition := meta.FindStatusCondition(nil, "")
	switch r := w.Get(resource, "x").(type) {
	case *v1.OvnFip:
		ready, condition = r.Status.Ready, meta.FindStatusCondition(r.Status.Conditions, "Ready")
	case *v1.OvnSnatRule:
		ready, condition = r.Status.Ready, meta.FindStatusCondition(r.Status.Conditions, "Ready")
	case *v1.OvnDnatRule:
		ready, condition = r.Status.Ready, meta.FindStatusCondition(r.Status.Conditions, "Ready")
	}
	switch {
	case condition == nil:
		t.Fatal("no condition Ready")
	case reason == "" && (!ready || condition.Status != "True" || condition.Reason != "Translated"):
		t.Errorf("got %v %+v, want it to be ready", ready, *condition)
	case reason != "" && (ready || condition.Status != "False" || condition.Reason != "TargetUnreachable" || len(condition.Message) < len(reason) || condition.Message[:len(reason)] != reason):
		t.Errorf("got %v %+v\nwant it not to be ready: %s", ready, *condition, reason)
	}
}
