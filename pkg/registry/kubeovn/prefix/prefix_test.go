package prefix_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// newWorld returns a world whose Subnets are indexed by their cidrBlock in the scope "vpc/v", and nothing else.
func newWorld(t testing.TB) *kindtest.World {
	return kindtest.New(t, storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{
		Index: func(s *v1.Subnet) []string {
			return []string{prefix.Key(prefix.InVpc("v"), netip.MustParsePrefix(s.Spec.CIDRBlock))}
		},
	}))
}

func put(w *kindtest.World, p netip.Prefix) {
	w.MustCreate(&v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "n" + p.String()}, Spec: v1.SubnetSpec{CIDRBlock: p.String()}})
}

func overlapping(w *kindtest.World, scope string, p netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for q, holder := range prefix.Overlapping(w, scope, p) {
		if holder.GetName() != "n"+q.String() {
			out = append(out, netip.Prefix{}) // the wrong holder: equal to nothing
		}
		out = append(out, q)
	}
	return out
}

// Random disjoint prefixes of all lengths are compared with the definition of overlap.
func TestOverlappingAgreesWithTheDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		w := newWorld(t)
		var stored []netip.Prefix
		for range 12 {
			if p := randomPrefix(random); !slices.ContainsFunc(stored, p.Overlaps) {
				stored = append(stored, p)
				put(w, p)
			}
		}
		slices.SortFunc(stored, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
		for range 20 {
			p := randomPrefix(random)
			var want []netip.Prefix
			for _, q := range stored {
				if q.Overlaps(p) {
					want = append(want, q)
				}
			}
			if diff := cmp.Diff(want, overlapping(w, prefix.InVpc("v"), p), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Fatalf("%s among %v: %s", p, stored, diff)
			}
			if got := overlapping(w, prefix.InVpc("w"), p); got != nil {
				t.Fatalf("%v found in the wrong scope", got)
			}
		}
	}
}

// randomPrefix is of either family and of one small part of the address space, so that overlaps are frequent.
func randomPrefix(random *rand.Rand) netip.Prefix {
	if random.IntN(3) == 0 {
		a := netip.MustParseAddr("fd00::").As16()
		a[15], a[14] = byte(random.IntN(256)), byte(random.IntN(4))
		p, _ := netip.AddrFrom16(a).Prefix([]int{0, 64, 118, 122, 126, 128}[random.IntN(6)])
		return p
	}
	a := netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(4)), byte(random.IntN(256))})
	p, _ := a.Prefix([]int{0, 8, 22, 24, 25, 28, 30, 31, 32}[random.IntN(9)])
	return p
}

func TestHoldingFindsTheNetworkOfAnAddress(t *testing.T) {
	w := newWorld(t)
	put(w, netip.MustParsePrefix("10.0.1.0/24"))
	put(w, netip.MustParsePrefix("fd00::/64"))
	for _, test := range []struct{ address, want string }{
		{"10.0.1.0", "10.0.1.0/24"}, {"10.0.1.255", "10.0.1.0/24"}, {"10.0.2.0", ""}, {"10.0.0.255", ""}, {"fd00::1", "fd00::/64"}, {"::", ""},
	} {
		got, holder := prefix.Holding(w, prefix.InVpc("v"), netip.MustParseAddr(test.address))
		if found := holder != nil; found != (test.want != "") || found && got.String() != test.want {
			t.Errorf("%s: got %s, want %q", test.address, got, test.want)
		}
	}
}

// BenchmarkOverlapping is one question among 10,000 prefixes of a Vpc.
func BenchmarkOverlapping(b *testing.B) {
	w := newWorld(b)
	for i := range 10000 {
		put(w, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	p := netip.MustParsePrefix("10.200.0.0/24")
	for b.Loop() {
		for q := range prefix.Overlapping(w, prefix.InVpc("v"), p) {
			b.Fatal(q)
		}
	}
}
