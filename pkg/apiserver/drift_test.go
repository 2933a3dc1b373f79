package apiserver_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// A load balancer lives on when an operator takes it off a switch, or deletes the switch: it is put back.
func TestADetachedLoadBalancerIsAttachedAgain(t *testing.T) {
	s := apiservertest.Start(t)
	ovntest.Nbctl(t, s.NBAddress, "init")
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"), newIP("web.vpc1", "net1"))
	rule := &v1.SwitchLBRule{ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{v1.AnnotationVpc: "vpc1"}}, Spec: v1.SwitchLBRuleSpec{
		Vip: "1.1.1.1", Endpoints: []string{"192.168.0.2"}, Namespace: "default",
		Ports: []v1.SwitchLBRulePort{{Port: 8888, TargetPort: 80, Protocol: "TCP"}}}}
	create(t, s, rule)
	create(t, s, newSubnet("net2", "vpc1", "192.168.1.0/24")) // with the load balancer, in one transaction
	want := dump(t, s.NBAddress, "Copp")
	for _, damage := range [][]string{
		{"ls-lb-del", "net1", "slr-web-tcp"},
		{"ls-lb-del", "net2", "slr-web-tcp"},
		{"ls-del", "net1", "--", "lr-del", "vpc1"},
	} {
		ovntest.Nbctl(t, s.NBAddress, damage...)
		await(t, damage[0]+" is not repaired", func() bool { return dump(t, s.NBAddress, "Copp") == want })
	}
}
