package subnet_test

import (
	"fmt"
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
)

// Every sort of Subnet is refused with every prefix that no router forwards, when it is created and when it is changed.
func TestPrefixesThatNoRouterForwardsAreRefused(t *testing.T) {
	for _, cidr := range []string{"0.0.0.0/8", "0.0.0.0/0", "127.0.0.0/8", "127.1.0.0/24", "169.254.0.0/16", "169.254.3.0/24", "224.0.0.0/4", "239.1.0.0/16",
		"255.255.255.0/24", "::/64", "fe80::/64", "ff02::/64", "10.0.9.0/24,fe80::/64", "127.0.0.0/8,fd00:9::/64"} {
		for name, change := range map[string]func(*spec){
			"an overlay":                         func(*spec) {},
			"an underlay":                        func(s *spec) { s.Vlan, s.Vpc = "vlan204", "" },
			"an underlay with a logical gateway": func(s *spec) { s.Vlan, s.LogicalGateway = "vlan204", true },
			"an interconnected underlay":         func(s *spec) { s.Vlan, s.U2OInterconnection = "vlan204", true },
			"a Subnet of another plugin":         func(s *spec) { s.Provider, s.Vpc = "net.kube-system", "" },
		} {
			t.Run(fmt.Sprintf("%s with %s", name, cidr), func(t *testing.T) {
				w := newWorld(t)
				wantRefusal(t, w.Create(newSubnet("net", "v", cidr, change)), "spec.cidrBlock", "has addresses that no router forwards")
				w.MustCreate(newSubnet("net", "v", "10.0.9.0/24,fd00:9::/64", change))
				wantRefusal(t, kindtest.Change(w, "subnets", "net", func(s *v1.Subnet) {
					s.Spec.CIDRBlock, s.Spec.Gateway, s.Spec.ExcludeIps, s.Spec.Protocol = cidr, "", nil, ""
				}), "spec.cidrBlock", "has addresses that no router forwards")
			})
		}
	}
}

func TestAPrefixThatWasAdmittedBeforeIsNotRefusedAgain(t *testing.T) {
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.9.0/24"))
	old := w.Get("subnets", "net").(*v1.Subnet).DeepCopy()
	old.Spec.CIDRBlock, old.Spec.Gateway, old.Spec.ExcludeIps = "169.254.3.0/24", "169.254.3.1", []string{"169.254.3.1"}
	changed := old.DeepCopy()
	changed.Spec.Private = true
	if err := subnet.NewResource(kubeovn.DefaultConfig()).PlanWrite(w, old, changed); err != nil {
		t.Error(err)
	}
}
