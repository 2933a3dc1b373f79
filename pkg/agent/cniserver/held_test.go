package cniserver

import (
	"testing"

	types100 "github.com/containernetworking/cni/pkg/types/100"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Whatever a pod asks for by name and another pod holds: the addition waits until the other is gone, and then goes on at once, without
// another attempt of kubelet's.
func TestAnAdditionWaitsForWhatAnotherPodHolds(t *testing.T) {
	n := started(t)
	reserved := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "reserved"}, Spec: v1.VipSpec{Subnet: "ovn-default", V4ip: "10.16.0.70"}}
	if _, err := n.client.KubeovnV1().Vips().Create(t.Context(), reserved, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, asked := range map[string]map[string]string{
		"address": {"ovn.kubernetes.io/ip_address": "10.16.0.50"},
		"pool":    {"ovn.kubernetes.io/ip_pool": "10.16.0.60"},
		"mac":     {"ovn.kubernetes.io/mac_address": "02:00:00:00:30:50"},
		"vip":     {"ovn.kubernetes.io/vip": "reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			holder, next := n.pod("holder-"+name, annotated(asked)), n.pod("next-"+name, annotated(asked))
			first := holder.add()
			type outcome struct {
				result *types100.Result
				err    error
			}
			ended := make(chan outcome, 1)
			waiting := make(chan struct{}, 1)
			n.onStage("held", func() { waiting <- struct{}{} })
			go func() {
				r, err := next.tryAdd()
				ended <- outcome{r, err}
			}()
			select {
			case <-waiting:
			case got := <-ended:
				t.Fatalf("did not wait: %v", got.err)
			}
			holder.end()
			got := <-ended
			if got.err != nil {
				t.Fatal(got.err)
			}
			if name != "mac" && address(got.result) != address(first) {
				t.Errorf("got address %s, want %s", address(got.result), address(first))
			}
			next.end()
		})
	}
	n.nothingLeft()
}

// What nobody will let go is refused at once.
func TestAnAdditionDoesNotWaitForAReservation(t *testing.T) {
	n := started(t)
	reservation := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "reserved"}, Spec: v1.IPSpec{Subnet: "ovn-default", IPAddress: "10.16.0.50"}}
	if _, err := n.client.KubeovnV1().IPs().Create(t.Context(), reservation, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.onStage("held", func() { t.Error("the addition waits") })
	p := n.pod("p", annotated(map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.50"}))
	if _, err := p.tryAdd(); err == nil {
		t.Error("got the address of a reservation")
	}
	p.end()
	n.nothingLeft()
}

// onStage calls f whenever the server has passed a stage.
func (n *node) onStage(name string, f func()) {
	g := func(stage string) {
		if stage == name {
			f()
		}
	}
	n.passed.Store(&g)
}
