package apiserver_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
)

// BenchmarkCreate measures a create through HTTP by the generated client, which runs in the same process: "go test -bench Create
// -cpuprofile" shows both. hack/bench-http.sh compares with custom resources.
func BenchmarkCreate(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("ips/clients=%d", clients), func(b *testing.B) {
			s := apiservertest.Start(b)
			create(b, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "10.0.0.0/8"))
			c := client(b, s).IPs()
			createMany(b, clients, func(b *testing.B, n int64) error {
				_, err := c.Create(b.Context(), newIP(fmt.Sprintf("pod-%d.default", n), "net1"), metav1.CreateOptions{})
				return err
			})
		})
		b.Run(fmt.Sprintf("vips/clients=%d", clients), func(b *testing.B) {
			s := apiservertest.Start(b)
			create(b, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "10.0.0.0/8"))
			c := client(b, s).Vips()
			createMany(b, clients, func(b *testing.B, n int64) error {
				vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("vip-%d", n)}, Spec: v1.VipSpec{Subnet: "net1"}}
				_, err := c.Create(b.Context(), vip, metav1.CreateOptions{})
				return err
			})
		})
	}
}

// createMany calls create b.N times, with different numbers, from as many clients.
func createMany(b *testing.B, clients int, create func(b *testing.B, n int64) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var n atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				if err := create(b, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
