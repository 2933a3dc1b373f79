package podnet

import (
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestRoutersOfASubnet(t *testing.T) {
	for _, test := range []struct{ name, cidr, gateway, u2o, want string }{
		{"an overlay", "10.0.0.0/24", "10.0.0.1", "", "10.0.0.1"},
		{"an underlay that is not interconnected", "10.0.0.0/24", "10.0.0.254", "", "10.0.0.254"},
		{"an interconnected underlay", "10.70.0.0/24", "10.70.0.1", "10.70.0.2", "10.70.0.2"},
		{"one of both families", "10.70.0.0/24,fd70::/64", "10.70.0.1,fd70::1", "10.70.0.2,fd70::2", "10.70.0.2,fd70::2"},
		{"one family has no gateway of its own", "10.70.0.0/24,fd70::/64", "10.70.0.254", "", "10.70.0.254,fd70::1"},
		{"no addresses", "", "", "", ""},
	} {
		s := &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: test.cidr, Gateway: test.gateway}, Status: v1.SubnetStatus{U2OInterconnectionIP: test.u2o}}
		got, err := Routers(s)
		if err != nil || got.String() != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}
