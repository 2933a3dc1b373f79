package cniserver

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// A namespace of a Vpc of its own gets no address elsewhere, whatever is wrong with its Subnet: full, being deleted, or gone.
func TestPodsOfANamespaceWithAVpcOfItsOwnGetNoAddressElsewhere(t *testing.T) {
	n := started(t)
	vpc := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1.VpcSpec{Namespaces: []string{"iso"}}}
	if _, err := n.client.KubeovnV1().Vpcs().Create(t.Context(), vpc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.subnet("iso-net", v1.SubnetSpec{Vpc: "own", CIDRBlock: "10.77.0.0/30", Namespaces: []string{"iso"}}) // The gateway and one more.
	inside := func(p *Pod) { p.Namespace = "iso" }
	refused := func(name, reason string) {
		t.Helper()
		p := n.pod(name, inside)
		if r, err := p.tryAdd(); err == nil {
			t.Errorf("got %s, want a refusal with %q", address(r), reason)
		} else if !strings.Contains(err.Error(), reason) {
			t.Errorf("got %v, want %q", err, reason)
		}
		p.end()
	}
	a := n.pod("a", inside)
	if got := address(a.add()); got != "10.77.0.2" {
		t.Errorf("got address %s", got)
	}
	refused("full", "no address left in subnet iso-net")
	if err := n.client.KubeovnV1().Subnets().Delete(t.Context(), "iso-net", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	n.until("the server knows that the Subnet is being deleted", func() bool {
		s, known := n.server.objects.Subnet("iso-net")
		return !known || s.DeletionTimestamp != nil
	})
	refused("ending", "subnet iso-net is being deleted")
	a.end()
	n.until("the server knows that the Subnet is gone", func() bool {
		_, known := n.server.objects.Subnet("iso-net")
		return !known
	})
	refused("gone", "vpc own names the namespace, but has no defaultSubnet")
	n.nothingLeft()
}
