package v1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestDefaultsCompleteWhatFollowsFromTheObjectAlone(t *testing.T) {
	tests := []struct {
		name      string
		got, want runtime.Object
	}{
		{
			name: "routes are a list that is applied as one value: nothing is completed",
			got:  &v1.Vpc{Spec: v1.VpcSpec{StaticRoutes: []v1.StaticRoute{{CIDR: "0.0.0.0/0"}, {CIDR: "::/0", Policy: v1.PolicySrc}}}},
			want: &v1.Vpc{Spec: v1.VpcSpec{StaticRoutes: []v1.StaticRoute{{CIDR: "0.0.0.0/0"}, {CIDR: "::/0", Policy: v1.PolicySrc}}}},
		},
		{
			name: "an IPv4 prefix makes an IPv4 Subnet of the overlay",
			got:  &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/24"}},
			want: &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/24", Protocol: v1.ProtocolIPv4, Provider: "ovn"}},
		},
		{
			name: "an IPv6 prefix makes an IPv6 Subnet",
			got:  &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "fd00::/64", Provider: "net.default"}},
			want: &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "fd00::/64", Protocol: v1.ProtocolIPv6, Provider: "net.default"}},
		},
		{
			name: "two prefixes make a dual-stack Subnet",
			got:  &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/24, fd00::/64"}},
			want: &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/24, fd00::/64", Protocol: v1.ProtocolDual, Provider: "ovn"}},
		},
		{
			name: "a malformed prefix says nothing of the protocol",
			got:  &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/33"}},
			want: &v1.Subnet{Spec: v1.SubnetSpec{CIDRBlock: "10.0.0.0/33", Provider: "ovn"}},
		},
		{
			name: "a dual-stack address is taken apart",
			got:  &v1.IP{Spec: v1.IPSpec{IPAddress: "10.0.0.5,fd00:0::5"}},
			want: &v1.IP{Spec: v1.IPSpec{IPAddress: "10.0.0.5,fd00:0::5", V4IPAddress: "10.0.0.5", V6IPAddress: "fd00::5"}},
		},
		{
			name: "an address of one family may become one of two when it is allocated",
			got:  &v1.IP{Spec: v1.IPSpec{V6IPAddress: "fd00::5"}},
			want: &v1.IP{Spec: v1.IPSpec{V6IPAddress: "fd00::5"}},
		},
		{
			name: "an external address is for NAT rules",
			got:  &v1.OvnEip{},
			want: &v1.OvnEip{Spec: v1.OvnEipSpec{Type: v1.OvnEipNat}},
		},
		{
			name: "a gateway is one pod",
			got:  &v1.VpcNatGateway{Spec: v1.VpcNatGatewaySpec{BFD: &v1.VpcNatGatewayBFD{MinTX: 300}}},
			want: &v1.VpcNatGateway{Spec: v1.VpcNatGatewaySpec{
				Replicas: 1, BFD: &v1.VpcNatGatewayBFD{MinRX: 1000, MinTX: 300, Multiplier: 3},
			}},
		},
		{
			name: "a load balancer's port is TCP: the protocol is part of its key",
			got:  &v1.SwitchLBRule{Spec: v1.SwitchLBRuleSpec{Ports: []v1.SwitchLBRulePort{{Port: 80}}}},
			want: &v1.SwitchLBRule{Spec: v1.SwitchLBRuleSpec{Ports: []v1.SwitchLBRulePort{{Port: 80, Protocol: "TCP"}}}},
		},
		{
			name: "a forwarded port is exclusive",
			got:  &v1.IptablesDnatRule{},
			want: &v1.IptablesDnatRule{Spec: v1.IptablesDnatRuleSpec{Type: v1.DnatExclusive}},
		},
		{
			name: "a VLAN is read from its former field",
			got:  &v1.Vlan{Spec: v1.VlanSpec{VlanID: 7}},
			want: &v1.Vlan{Spec: v1.VlanSpec{VlanID: 7, ID: 7}},
		},
		{
			name: "a chassis has the node's name and Geneve tunnels",
			got:  &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: "node1"}},
			want: &v1.Chassis{
				ObjectMeta: metav1.ObjectMeta{Name: "node1"},
				Spec:       v1.ChassisSpec{Hostname: "node1", EncapType: v1.EncapGeneve},
			},
		},
	}
	scheme := newScheme(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			scheme.Default(test.got)
			if diff := cmp.Diff(test.want, test.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProviderAnnotation(t *testing.T) {
	tests := []struct{ name, provider, annotation, want string }{
		{"the first interface keeps the name", "ovn", v1.AnnotationIPAddress, "ovn.kubernetes.io/ip_address"},
		{"another interface puts its provider in front", "net1.default.ovn", v1.AnnotationIPAddress, "net1.default.ovn.kubernetes.io/ip_address"},
		{"a foreign annotation stays", "net1.default.ovn", "example.com/a", "example.com/a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := v1.ProviderAnnotation(test.provider, test.annotation); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
