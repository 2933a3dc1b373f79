package address_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// claims is the model: what every object holds, kept beside the world.
type claims struct {
	addresses map[string]string // subnet and address, to the holder
	macs      map[string]string // vpc and MAC, to the holder
}

// TestNoTwoHolders creates and deletes IPs and Vips at random, with and without wishes, and holds the outcome against a model:
// nothing has two holders, nobody gets what may not be had, and a wish for what is free is granted.
func TestNoTwoHolders(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t,
				subnet("s1", "vpc1", "10.0.0.0/28", "10.0.0.1", "10.0.0.5..10.0.0.7"),
				subnet("s2", "vpc1", "10.0.1.0/28,fd00::/124", "10.0.1.1,fd00::1"),
				subnet("s3", "vpc2", "10.0.0.0/28", "10.0.0.14", "10.0.0.1"))
			model := claims{map[string]string{}, map[string]string{}}
			var live []storage.Object
			for step := range 300 {
				if len(live) > 0 && random.IntN(5) < 2 {
					i := random.IntN(len(live))
					if err := w.Delete(resourceOf(live[i]), live[i].GetName()); err != nil {
						t.Fatal(err)
					}
					model.forget(live[i])
					live = append(live[:i], live[i+1:]...)
					continue
				}
				wish := randomWish(random, fmt.Sprintf("o%d", step))
				err := w.Create(wish.DeepCopyObject().(storage.Object))
				if err != nil {
					model.mustRefuse(t, wish, err)
					continue
				}
				got := w.Get(resourceOf(wish), wish.GetName())
				model.take(t, wish, got)
				live = append(live, got)
			}
			model.matches(t, w)
		})
	}
}

func resourceOf(o storage.Object) string {
	if _, ok := o.(*v1.IP); ok {
		return "ips"
	}
	return "vips"
}

// randomWish is an IP or a Vip that may ask for an address and for one of few MACs.
func randomWish(random *rand.Rand, name string) storage.Object {
	s := fmt.Sprint("s", 1+random.IntN(3))
	third := map[string]int{"s1": 0, "s2": 1, "s3": 0}[s]
	v4, mac := "", ""
	if random.IntN(2) == 0 {
		v4 = fmt.Sprintf("10.0.%d.%d", third, random.IntN(18))
	}
	if random.IntN(4) == 0 {
		mac = fmt.Sprintf("00:00:00:00:0%X:01", random.IntN(8))
	}
	meta := metav1.ObjectMeta{Name: name}
	if random.IntN(2) == 0 {
		return &v1.Vip{ObjectMeta: meta, Spec: v1.VipSpec{Subnet: s, V4ip: v4, MacAddress: strings.ToLower(mac)}}
	}
	return &v1.IP{ObjectMeta: meta, Spec: v1.IPSpec{Subnet: s, V4IPAddress: v4, MacAddress: mac}}
}

// held returns what an object holds, or asks for when it is not stored.
func held(o storage.Object) (subnet string, addrs []string, mac string) {
	switch o := o.(type) {
	case *v1.IP:
		return o.Spec.Subnet, []string{o.Spec.V4IPAddress, o.Spec.V6IPAddress}, o.Spec.MacAddress
	case *v1.Vip:
		if o.Status.Mac == "" {
			return o.Spec.Subnet, []string{o.Spec.V4ip, o.Spec.V6ip}, o.Spec.MacAddress
		}
		return o.Spec.Subnet, []string{o.Status.V4ip, o.Status.V6ip}, o.Status.Mac
	}
	panic(fmt.Sprintf("%T", o))
}

func vpcOf(subnet string) string {
	if subnet == "s3" {
		return "vpc2"
	}
	return "vpc1"
}

// pooled says, independently of the package, whether an object that asks for none may get an address of the test's subnets.
func pooled(subnet, addr string) bool {
	switch last := netip.MustParseAddr(addr).AsSlice(); subnet {
	case "s1":
		return allowed(subnet, addr) && (last[3] < 5 || last[3] > 7)
	case "s3":
		return allowed(subnet, addr) && last[3] > 1
	}
	return allowed(subnet, addr)
}

// allowed says whether an object that asks for an address may have it: excluded ones, too.
func allowed(subnet, addr string) bool {
	a := netip.MustParseAddr(addr)
	last := a.AsSlice()[len(a.AsSlice())-1]
	switch {
	case a.Is6():
		return subnet == "s2" && last >= 2 && last <= 15
	case subnet == "s1":
		return last >= 2 && last <= 14
	case subnet == "s2":
		return last >= 2 && last <= 14
	}
	return last >= 1 && last <= 13
}

// take records what an object got for a wish.
func (m claims) take(t *testing.T, wish, o storage.Object) {
	t.Helper()
	subnet, addrs, mac := held(o)
	_, wished, _ := held(wish)
	for i, a := range addrs {
		if a == "" {
			if i == 0 || subnet == "s2" {
				t.Fatalf("%s got no address of family %d in %s", o.GetName(), i, subnet)
			}
			continue
		}
		if asked := wished[i] == a; asked && !allowed(subnet, a) || !asked && !pooled(subnet, a) {
			t.Fatalf("%s, which asked for %q, got %s in %s", o.GetName(), wished[i], a, subnet)
		}
		if other := m.addresses[subnet+" "+a]; other != "" {
			t.Fatalf("%s and %s both have %s in %s", other, o.GetName(), a, subnet)
		}
		m.addresses[subnet+" "+a] = o.GetName()
	}
	key := vpcOf(subnet) + " " + strings.ToLower(mac)
	if other := m.macs[key]; other != "" || mac == "" {
		t.Fatalf("%s and %s both have MAC %q in %s", other, o.GetName(), mac, vpcOf(subnet))
	}
	m.macs[key] = o.GetName()
}

func (m claims) forget(o storage.Object) {
	subnet, addrs, mac := held(o)
	for _, a := range addrs {
		delete(m.addresses, subnet+" "+a)
	}
	delete(m.macs, vpcOf(subnet)+" "+strings.ToLower(mac))
}

// mustRefuse checks that a refusal had a reason.
func (m claims) mustRefuse(t *testing.T, o storage.Object, err error) {
	t.Helper()
	subnet, addrs, mac := held(o)
	if m.macs[vpcOf(subnet)+" "+strings.ToLower(mac)] != "" {
		return
	}
	if a := addrs[0]; a != "" && (!allowed(subnet, a) || m.addresses[subnet+" "+a] != "") {
		return
	}
	used := map[bool]int{}
	for key := range m.addresses {
		if s, a, _ := strings.Cut(key, " "); s == subnet && pooled(s, a) {
			used[netip.MustParseAddr(a).Is4()]++
		}
	}
	size := map[string]int{"s1": 10, "s2": 13, "s3": 12}[subnet]
	if addrs[0] == "" && used[true] == size || subnet == "s2" && used[false] == 14 {
		return
	}
	t.Fatalf("%s was refused without a reason: %v", o.GetName(), err)
}

// matches holds the index against the model.
func (m claims) matches(t *testing.T, w *kindtest.World) {
	t.Helper()
	got := 0
	for _, s := range []string{"s1", "s2", "s3"} {
		for a, holder := range address.Used(w, s, netip.Prefix{}) {
			got++
			if want := m.addresses[s+" "+a.String()]; want != holder.GetName() {
				t.Errorf("%s in %s: got holder %s, want %q", a, s, holder.GetName(), want)
			}
		}
	}
	if got != len(m.addresses) {
		t.Errorf("the index has %d addresses, want %d", got, len(m.addresses))
	}
}
