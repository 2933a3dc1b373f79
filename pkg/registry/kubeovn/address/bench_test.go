package address_test

import (
	"fmt"
	"iter"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/third_party/forked/golang/btree"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// tree is a snapshot with an ordered index, as the engine's, and nothing else of it.
type tree struct {
	storage.View
	subnet *v1.Subnet
	index  *btree.BTree[entry]
	hints  map[string]uint64
	read   int // entries
}

type entry struct {
	key    string
	holder storage.Object
}

func (v *tree) Get(resource, name string) storage.Object {
	if resource == "subnets" && name == v.subnet.Name {
		return v.subnet
	}
	return nil
}

func (v *tree) Scan(from, to string) iter.Seq2[string, storage.Object] {
	return func(yield func(string, storage.Object) bool) {
		v.index.AscendRange(entry{key: from}, entry{key: to}, func(e entry) bool {
			v.read++
			return yield(e.key, e.holder)
		})
	}
}

func (v *tree) Hint(key string) uint64           { return v.hints[key] }
func (v *tree) SetHint(key string, value uint64) { v.hints[key] = value }

func (v *tree) hold(g address.Grant, o storage.Object) {
	for _, key := range address.Keys(v.subnet.Name, g.Addrs, g.MAC) {
		v.index.ReplaceOrInsert(entry{key, o})
	}
}

func (v *tree) release(g address.Grant) {
	for _, key := range address.Keys(v.subnet.Name, g.Addrs, g.MAC) {
		v.index.Delete(entry{key: key})
	}
}

// newTree returns a /16 in which the first n addresses are in use.
func newTree(tb testing.TB, n int) (*tree, []address.Grant) {
	v := &tree{
		subnet: subnet("s", "vpc1", "10.0.0.0/16", "10.0.0.1", "10.0.0.1"),
		index:  btree.New(32, func(a, b entry) bool { return a.key < b.key }),
		hints:  map[string]uint64{},
	}
	grants := make([]address.Grant, n)
	a := netip.MustParseAddr("10.0.0.2")
	for i := range grants {
		mac := fmt.Sprintf("0a:00:00:%02x:%02x:%02x", byte(i>>16), byte(i>>8), byte(i))
		grants[i] = address.Grant{Addrs: ipam.Addrs{V4: a}, MAC: mac}
		v.hold(grants[i], &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i)}})
		a = a.Next()
	}
	return v, grants
}

// Once the ring is under way, an allocation reads a few entries however many addresses are in use.
func TestAllocationReadsFewEntries(t *testing.T) {
	v, grants := newTree(t, 50000)
	holder := &v1.IP{}
	for i := range 40000 { // twice around what is free
		v.read = 0
		g, errs := address.Allocate(v, v.subnet, address.Request{Resource: "ips", Name: fmt.Sprint("n", i), Paths: paths})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		v.hold(g, holder)
		v.release(grants[0])
		grants = append(grants[1:], g)
		if i > 0 && v.read > 20 {
			t.Fatalf("allocation %d read %d entries", i, v.read)
		}
	}
}

func BenchmarkAllocateAt50000InUse(b *testing.B) {
	v, grants := newTree(b, 50000)
	holder := &v1.IP{}
	oldest := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g, errs := address.Allocate(v, v.subnet, address.Request{Resource: "ips", Name: fmt.Sprint("n", i), Paths: paths})
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		v.hold(g, holder)
		v.release(grants[oldest])
		grants[oldest] = g
		oldest = (oldest + 1) % len(grants)
	}
}

// The first allocation after a restart has no hint.
func BenchmarkAllocateAt50000InUseWithoutHint(b *testing.B) {
	v, _ := newTree(b, 50000)
	for i := 0; b.Loop(); i++ {
		clear(v.hints)
		if _, errs := address.Allocate(v, v.subnet, address.Request{Resource: "ips", Name: "n", Paths: paths}); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

func BenchmarkRefuseTaken(b *testing.B) {
	v, _ := newTree(b, 50000)
	taken := netip.MustParseAddr("10.0.100.100")
	for b.Loop() {
		if address.Claim(v, v.subnet, "ip", taken) == nil {
			b.Fatal("granted")
		}
	}
}
