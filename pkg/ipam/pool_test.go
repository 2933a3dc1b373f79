package ipam

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// usedOf is the sequence of addresses in use over a sorted slice.
func usedOf(sorted []netip.Addr) Used {
	return func(from netip.Addr) iter.Seq[netip.Addr] {
		i, _ := slices.BinarySearchFunc(sorted, from, netip.Addr.Compare)
		return slices.Values(sorted[i:])
	}
}

func addrs(t testing.TB, texts ...string) []netip.Addr {
	t.Helper()
	out := make([]netip.Addr, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParseAddr(s)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func TestNextFindsTheFirstFreeAddress(t *testing.T) {
	for _, test := range []struct {
		name     string
		prefix   string
		excluded []string
		used     []string
		hint     string
		want     string // "" when exhausted
	}{
		{"an empty pool starts after the network address", "10.0.0.0/24", nil, nil, "", "10.0.0.1"},
		{"the gateway is excluded", "10.0.0.0/24", []string{"10.0.0.1"}, nil, "", "10.0.0.2"},
		{"a hole between used addresses", "10.0.0.0/24", nil, []string{"10.0.0.1", "10.0.0.2", "10.0.0.4"}, "", "10.0.0.3"},
		{"used and excluded alternate", "10.0.0.0/24", []string{"10.0.0.1", "10.0.0.3..10.0.0.5"}, []string{"10.0.0.2", "10.0.0.6"}, "", "10.0.0.7"},
		{"a used address inside an excluded range", "10.0.0.0/24", []string{"10.0.0.1..10.0.0.9"}, []string{"10.0.0.4", "10.0.0.10"}, "", "10.0.0.11"},
		{"the same address held twice", "10.0.0.0/24", nil, []string{"10.0.0.1", "10.0.0.1", "10.0.0.2"}, "", "10.0.0.3"},
		{"the hint is used when free", "10.0.0.0/24", nil, nil, "10.0.0.77", "10.0.0.77"},
		{"after the hint before anything else", "10.0.0.0/24", nil, []string{"10.0.0.77"}, "10.0.0.77", "10.0.0.78"},
		{"the search wraps around", "10.0.0.0/29", nil, []string{"10.0.0.5", "10.0.0.6"}, "10.0.0.5", "10.0.0.1"},
		{"a hint outside is ignored", "10.0.0.0/24", nil, nil, "10.0.1.1", "10.0.0.1"},
		{"the broadcast address is not usable", "10.0.0.0/30", []string{"10.0.0.1"}, []string{"10.0.0.2"}, "", ""},
		{"a /31 has two addresses", "10.0.0.0/31", nil, []string{"10.0.0.0"}, "", "10.0.0.1"},
		{"a /32 has one", "10.0.0.9/32", nil, nil, "", "10.0.0.9"},
		{"a full /32", "10.0.0.9/32", nil, []string{"10.0.0.9"}, "", ""},
		{"all excluded", "10.0.0.0/24", []string{"10.0.0.0..10.0.0.255"}, nil, "", ""},
		{"IPv6 skips the anycast address", "fd00::/64", nil, nil, "", "fd00::1"},
		{"IPv6 uses the last address", "fd00::/126", []string{"fd00::1..fd00::2"}, nil, "", "fd00::3"},
		{"a /127 has two addresses", "fd00::/127", nil, []string{"fd00::"}, "", "fd00::1"},
		{"the end of the address space", "255.255.255.254/31", []string{"255.255.255.255"}, []string{"255.255.255.254"}, "", ""},
		{"addresses used beyond the prefix do not matter", "10.0.0.0/30", nil, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			excluded, err := ParseSet(test.excluded)
			if err != nil {
				t.Fatal(err)
			}
			var hint netip.Addr
			if test.hint != "" {
				hint = netip.MustParseAddr(test.hint)
			}
			pool := Pool{netip.MustParsePrefix(test.prefix), excluded}
			got, ok := pool.Next(hint, usedOf(addrs(t, test.used...)))
			if text := got.String(); ok && text != test.want || ok != (test.want != "") {
				t.Errorf("got %s, %v; want %q", text, ok, test.want)
			}
		})
	}
}

// A small pool is compared, address by address, with the definition.
func TestNextAgreesWithTheDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		prefix := netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/27", 32*random.IntN(8)))
		usable := Usable(prefix)
		var used []netip.Addr
		var excluded []string
		for a := prefix.Addr(); prefix.Contains(a); a = a.Next() {
			switch random.IntN(3) {
			case 0:
				used = append(used, a)
			case 1:
				excluded = append(excluded, a.String())
			}
		}
		set, err := ParseSet(excluded)
		if err != nil {
			t.Fatal(err)
		}
		pool := Pool{prefix, set}
		hint := prefix.Addr()
		for range random.IntN(31) {
			hint = hint.Next()
		}
		var want, before netip.Addr
		free := 0
		for a := usable.From(); usable.Contains(a); a = a.Next() {
			if slices.Contains(excluded, a.String()) {
				continue
			}
			free++
			if slices.Contains(used, a) {
				continue
			}
			if a.Less(hint) && !before.IsValid() {
				before = a
			}
			if !a.Less(hint) && !want.IsValid() {
				want = a
			}
		}
		if !want.IsValid() {
			want = before
		}
		if got, _ := pool.Next(hint, usedOf(used)); got != want {
			t.Fatalf("round %d: got %s, want %s (hint %s, used %v, excluded %v)", round, got, want, hint, used, excluded)
		}
		if got := pool.Size().Int64(); got != int64(free) {
			t.Fatalf("round %d: size %d, want %d", round, got, free)
		}
	}
}

func TestSizeOfLargePools(t *testing.T) {
	for _, test := range []struct {
		prefix   string
		excluded []string
		want     string
	}{
		{"10.16.0.0/16", []string{"10.16.0.1"}, "65533"},
		{"10.0.0.0/24", []string{"10.0.0.0..10.0.0.9", "10.0.0.5..10.0.0.20", "9.0.0.1"}, "234"},
		{"0.0.0.0/0", nil, "4294967294"},
		{"fd00::/64", []string{"fd00::1"}, "18446744073709551614"},
		{"::/0", nil, "340282366920938463463374607431768211455"},
		{"10.0.0.4/31", nil, "2"},
	} {
		excluded, err := ParseSet(test.excluded)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Pool{netip.MustParsePrefix(test.prefix), excluded}).Size().String(); got != test.want {
			t.Errorf("size of %s without %v: got %s, want %s", test.prefix, test.excluded, got, test.want)
		}
	}
}

func TestUnusableAddressesAreNamed(t *testing.T) {
	for _, test := range []struct{ prefix, address, want string }{
		{"10.0.0.0/24", "10.0.0.0", "network address"},
		{"10.0.0.0/24", "10.0.0.255", "broadcast address"},
		{"10.0.0.0/24", "10.0.0.1", ""},
		{"10.0.0.0/31", "10.0.0.0", ""},
		{"fd00::/64", "fd00::", "subnet-router anycast address"},
		{"fd00::/64", "fd00::ffff:ffff:ffff:ffff", ""},
	} {
		if got := Unusable(netip.MustParsePrefix(test.prefix), netip.MustParseAddr(test.address)); got != test.want {
			t.Errorf("%s in %s: got %q, want %q", test.address, test.prefix, got, test.want)
		}
	}
}

func TestKeysOrderAsAddresses(t *testing.T) {
	ordered := addrs(t, "9.255.255.255", "10.0.0.1", "10.0.0.16", "255.255.255.255", "fd00::", "fd00::1", "fd00::ff")
	for i := 1; i < len(ordered); i++ {
		if Key(ordered[i-1]) >= Key(ordered[i]) || len(Key(ordered[i])) != 32 {
			t.Errorf("key of %s is not before the key of %s", ordered[i-1], ordered[i])
		}
	}
}

// FuzzSet holds a set of ranges against a plain map of its members.
func FuzzSet(f *testing.F) {
	f.Add([]byte{1, 3, 5, 1, 2, 9})
	f.Add([]byte{255, 0, 254, 1})
	f.Fuzz(func(t *testing.T, pairs []byte) {
		address := func(b byte) netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, b}) }
		var members [256]bool
		var texts []string
		for i := 0; i+1 < len(pairs); i += 2 {
			lo, hi := min(pairs[i], pairs[i+1]), max(pairs[i], pairs[i+1])
			texts = append(texts, address(lo).String()+".."+address(hi).String())
			for b := int(lo); b <= int(hi); b++ {
				members[b] = true
			}
		}
		set, err := ParseSet(texts)
		if err != nil {
			t.Fatal(err)
		}
		for b, want := range members {
			if got := set.Contains(address(byte(b))); got != want {
				t.Fatalf("%v contains %s: got %v, want %v", texts, address(byte(b)), got, want)
			}
		}
		ranges := set.Ranges()
		for i := 1; i < len(ranges); i++ {
			if !ranges[i-1].To().Next().Less(ranges[i].From()) {
				t.Fatalf("ranges %v touch or overlap", ranges)
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	prefix := netip.MustParsePrefix("10.0.0.0/16")
	var dense []netip.Addr
	for a := prefix.Addr().Next(); len(dense) < 60000; a = a.Next() {
		dense = append(dense, a)
	}
	pool := Pool{prefix, Set{}}
	used := usedOf(dense)
	b.Run("60000InUseFromTheStart", func(b *testing.B) {
		for b.Loop() {
			if _, ok := pool.Next(netip.Addr{}, used); !ok {
				b.Fatal("exhausted")
			}
		}
	})
	b.Run("60000InUseWithHint", func(b *testing.B) {
		hint := dense[len(dense)-1].Next()
		for b.Loop() {
			if _, ok := pool.Next(hint, used); !ok {
				b.Fatal("exhausted")
			}
		}
	})
}
