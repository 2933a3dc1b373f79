package apiserver_test

import (
	"fmt"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	typed "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/typed/kubeovn/v1"
)

// A hundred clients want what only one can have, from one server and from two on one database. One gets it, all others learn
// why not.
func TestOfManyThatWantTheSameOneGetsIt(t *testing.T) {
	const clients = 100
	first := apiservertest.Start(t)
	second := apiservertest.Start(t, func(o *apiserver.Options) { o.Northbound.Address = first.NBAddress })
	create(t, first, newVpc("vpc1"), newSubnet("net1", "vpc1", "10.1.0.0/24"))

	tests := map[string]struct {
		create  func(c typed.KubeovnV1Interface, name string, i int) error
		refused func(error) bool
	}{
		"overlapping Subnets": {func(c typed.KubeovnV1Interface, name string, i int) error {
			_, err := c.Subnets().Create(t.Context(), newSubnet(name, "vpc1", fmt.Sprintf("10.2.0.0/%d", 16+i%8)), metav1.CreateOptions{})
			return err
		}, apierrors.IsInvalid},
		"the same address": {func(c typed.KubeovnV1Interface, name string, _ int) error {
			ip := newIP(name+".default", "net1")
			ip.Spec.V4IPAddress = "10.1.0.77"
			_, err := c.IPs().Create(t.Context(), ip, metav1.CreateOptions{})
			return err
		}, apierrors.IsInvalid},
		"the same Vip": {func(c typed.KubeovnV1Interface, _ string, _ int) error {
			vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "the-vip"}, Spec: v1.VipSpec{Subnet: "net1"}}
			_, err := c.Vips().Create(t.Context(), vip, metav1.CreateOptions{})
			return err
		}, apierrors.IsAlreadyExists},
	}
	for name, test := range tests {
		for servers, targets := range map[string][]typed.KubeovnV1Interface{
			"one server":  {client(t, first)},
			"two servers": {client(t, first), client(t, second)},
		} {
			t.Run(name+" from "+servers, func(t *testing.T) {
				errs := make([]error, clients)
				start := make(chan struct{})
				var wg sync.WaitGroup
				for i := range clients {
					wg.Go(func() {
						<-start
						errs[i] = test.create(targets[i%len(targets)], fmt.Sprintf("race-%d", i), i)
					})
				}
				close(start)
				wg.Wait()
				winners := 0
				for _, err := range errs {
					switch {
					case err == nil:
						winners++
					case !test.refused(err):
						t.Errorf("refused for another reason: %v", err)
					}
				}
				if winners != 1 {
					t.Errorf("%d of %d creates succeeded, want one", winners, clients)
				}
				check := func(err error) {
					if err != nil {
						t.Error(err)
					}
				}
				c := client(t, first)
				all := metav1.DeleteOptions{}
				check(c.IPs().DeleteCollection(t.Context(), all, metav1.ListOptions{}))
				check(c.Vips().DeleteCollection(t.Context(), all, metav1.ListOptions{}))
				subnets, err := c.Subnets().List(t.Context(), metav1.ListOptions{FieldSelector: "spec.vpc=vpc1"})
				check(err)
				for _, s := range subnets.Items {
					if s.Name != "net1" {
						check(c.Subnets().Delete(t.Context(), s.Name, all))
					}
				}
			})
		}
	}
}
