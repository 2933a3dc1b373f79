package agent_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// Two routers beside the nodes lead to the same addresses, and who answers there says by which one a packet came: the nodes' own route is
// by the host outside.
func TestTrafficOfASubnetLeavesByItsExternalGateway(t *testing.T) {
	nodes := newNodes(t, 2, func(o *apiserver.Options) {
		o.Network.DefaultSubnetCIDR, _ = ipam.ParsePrefixes("10.16.0.0/16,fd16::/64")
		o.Network.NodeSwitchCIDR, _ = ipam.ParsePrefixes("100.64.0.0/16,fd64::/64")
	})
	n1, n2 := nodes[0], nodes[1]
	outside, gateway := n1.outside, hosttest.New(t)
	hosttest.Connect(t, gateway, "eth0", outside, "gateway")
	hosttest.Run(t, outside, "ip", "link", "set", "gateway", "master", "wire")
	hosttest.Run(t, gateway, "ethtool", "-K", "eth0", "tx", "off")
	hosttest.Addr(t, gateway, "eth0", "192.0.2.8/24", "fd02::8/64")
	for name, router := range map[string]*host.Host{"outside": outside, "gateway": gateway} {
		hosttest.Addr(t, router, "lo", "198.51.100.1/32", "2001:db8::1/128")
		hosttest.Serve(t, router, 8080, name)
		hosttest.Route(t, router, "10.66.0.0/24", "192.0.2.1")
		hosttest.Route(t, router, "fd66::/64", "fd02::1")
	}
	for _, n := range nodes {
		hosttest.Route(t, n.host, "default", "192.0.2.9")
		hosttest.Route(t, n.host, "default", "fd02::9")
	}
	a1, _ := n1.start()
	n2.start()
	n1.bridge("n1", "n2")
	change := func(patch string) {
		t.Helper()
		if _, err := n1.api.Subnets().Patch(t.Context(), "steered", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "steered"}, Spec: v1.SubnetSpec{CIDRBlock: "10.66.0.0/24,fd66::/64",
		ExternalEgressGateway: "192.0.2.8,fd02::8", PolicyRoutingPriority: 1001, PolicyRoutingTableID: 1002}}
	if _, err := n1.api.Subnets().Create(t.Context(), subnet, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, addresses := n1.pod("a", "steered")
	v4, v6, _ := strings.Cut(addresses, ",")
	answers := func(want string) {
		t.Helper()
		for _, to := range []string{"198.51.100.1:8080", "[2001:db8::1]:8080"} {
			hosttest.Eventually(t, func() error {
				if got, err := hosttest.Call(t, pod, "", to); err != nil || got != want {
					return fmt.Errorf("at %s, %q answers (%v), want %q", to, got, err, want)
				}
				return nil
			})
		}
	}
	rules := func(n *node, want ...string) {
		t.Helper()
		hosttest.Eventually(t, func() error {
			text := hosttest.Run(t, n.host, "ip", "rule") + hosttest.Run(t, n.host, "ip", "-6", "rule")
			for _, from := range want {
				if !strings.Contains(text, "1001:\tfrom "+from+" lookup 1002") {
					return fmt.Errorf("%s has no rule from %s:\n%s", n.name, from, text)
				}
			}
			if got := strings.Count(text, "lookup 1002"); got != len(want) {
				return fmt.Errorf("%s has %d rules, want %d:\n%s", n.name, got, len(want), text)
			}
			return nil
		})
	}

	answers("gateway")
	rules(n1, v4, v6)
	rules(n2)
	n1.want(pod, "192.0.2.2", v4) // a node is no address outside
	n1.want(n1.host, v4, "192.0.2.1")
	other, otherIPs := n1.pod("b", v1.DefaultSubnet)
	n1.want(other, v4, strings.Split(otherIPs, ",")[0])
	if got, err := hosttest.Call(t, other, "", "198.51.100.1:8080"); got != "outside" {
		t.Errorf("a pod of another Subnet leaves by %q (%v)", got, err)
	}

	for _, family := range []string{"-4", "-6"} { // what somebody removes is restored
		hosttest.Run(t, n1.host, "ip", family, "rule", "del", "priority", "1001")
	}
	rules(n1, v4, v6)
	for _, family := range []string{"-4", "-6"} {
		hosttest.Run(t, n1.host, "ip", family, "route", "flush", "table", "1002")
	}
	answers("gateway")

	// A gateway that no node reaches is not the node's fault.
	change(`{"spec":{"externalEgressGateway":"203.0.113.8,2001:db8:9::8"}}`)
	hosttest.Eventually(t, func() error {
		if code, body := get(a1, "/healthz"); code == http.StatusOK || !strings.Contains(body, "[-]egress") || !strings.Contains(body, "[+]routes") {
			return fmt.Errorf("/healthz answers %d:\n%s", code, body)
		}
		return nil
	})
	change(`{"spec":{"externalEgressGateway":"192.0.2.8,fd02::8"}}`)
	answers("gateway")

	change(`{"spec":{"gatewayType":"centralized","gatewayNode":"n2"}}`)
	rules(n1)
	rules(n2, "10.66.0.0/24", "fd66::/64")
	answers("gateway")

	change(`{"spec":{"externalEgressGateway":null,"policyRoutingPriority":null,"policyRoutingTableID":null}}`)
	rules(n2)
	answers("outside")
	if text := hosttest.Run(t, n2.host, "ip", "route", "show", "table", "all"); strings.Contains(text, "table 1002") {
		t.Errorf("the table of a Subnet without a gateway has routes:\n%s", text)
	}
}
