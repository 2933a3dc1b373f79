package ipam

import (
	"net/netip"
	"strings"
	"testing"
)

func TestErrorsSayWhatWouldBeRight(t *testing.T) {
	prefix := func(s string) error { _, err := ParsePrefix(s); return err }
	address := func(s string) error { _, err := ParseAddr(s); return err }
	prefixes := func(s string) error { _, err := ParsePrefixes(s); return err }
	addrs := func(s string) error { _, err := ParseAddrs(s); return err }
	iface := func(s string) error { _, err := ParseInterface(s); return err }
	member := func(s string) error { _, err := ParseRange(s); return err }
	for _, test := range []struct {
		name  string
		parse func(string) error
		in    string
		want  string // "" when the text is right
	}{
		{"a canonical IPv4 prefix is right", prefix, "10.0.0.0/24", ""},
		{"a canonical IPv6 prefix is right", prefix, "fd00::/64", ""},
		{"the default routes are right", prefix, "0.0.0.0/0", ""},
		{"host bits name the network", prefix, "10.0.1.5/24", "write 10.0.1.0/24"},
		{"IPv6 host bits name the network", prefix, "fd00::1/64", "write fd00::/64"},
		{"an address is not a prefix", prefix, "10.0.0.1", "write 10.0.0.1/32"},
		{"an IPv6 address is not a prefix", prefix, "fd00::1", "write fd00::1/128"},
		{"a prefix length has a bound", prefix, "10.0.0.0/33", "must be 0 to 32"},
		{"a prefix length is a number", prefix, "10.0.0.0/x", "must be 0 to 32"},
		{"a prefix length has no leading zero", prefix, "10.0.0.0/08", "must be 0 to 32"},
		{"upper case is not canonical", prefix, "FD00::/64", "write fd00::"},
		{"words are not a prefix", prefix, "ten", "is not a CIDR"},
		{"leading zeros are refused", address, "10.0.0.01", "is not an IP address"},
		{"an upper-case address is not canonical", address, "FD00::A", "write fd00::a"},
		{"a long IPv6 address is not canonical", address, "fd00:0:0:0:0:0:0:1", "write fd00::1"},
		{"a mapped address is IPv4", address, "::ffff:10.0.0.1", "write 10.0.0.1"},
		{"a zone is refused", address, "fe80::1%eth0", "write fe80::1"},
		{"the empty address is refused", address, "", "must be an IP address"},
		{"both families in any order", prefixes, "fd00::/64,10.0.0.0/24", ""},
		{"no prefix at all", prefixes, "", ""},
		{"two prefixes of one family", prefixes, "10.0.0.0/24,10.0.1.0/24", "same family"},
		{"three prefixes", prefixes, "10.0.0.0/24,fd00::/64,10.0.1.0/24", "has 3 parts"},
		{"a blank after the comma", prefixes, "10.0.0.0/24, fd00::/64", "is not an IP address"},
		{"two addresses of one family", addrs, "10.0.0.1,10.0.0.2", "same family"},
		{"an interface has host bits", iface, "169.254.0.1/30", ""},
		{"an interface needs a length", iface, "169.254.0.1", "prefix length"},
		{"a range of addresses", member, "10.0.0.1..10.0.0.9", ""},
		{"a range of one address", member, "10.0.0.1", ""},
		{"a range that ends before it begins", member, "10.0.0.9..10.0.0.1", "write 10.0.0.1..10.0.0.9"},
		{"a range of two families", member, "10.0.0.1..fd00::1", "joins an IPv4 and an IPv6"},
		{"a range with a hole", member, "10.0.0.1..", "must be an IP address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.parse(test.in)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%q: %v", test.in, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%q: got %v, want an error with %q", test.in, err, test.want)
			}
		})
	}
}

func TestPrefixesPrintAndOverlap(t *testing.T) {
	both, err := ParsePrefixes("fd00::/64,10.0.0.0/24")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := both.String(), "10.0.0.0/24,fd00::/64"; got != want {
		t.Errorf("String: got %q, want %q", got, want)
	}
	for _, test := range []struct {
		other string
		want  bool
	}{{"10.0.0.128/25", true}, {"10.0.1.0/24", false}, {"fd00::/48", true}, {"10.0.1.0/24,fd00:0:0:1::/64", false}, {"", false}} {
		other, err := ParsePrefixes(test.other)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, got := both.Overlaps(other); got != test.want {
			t.Errorf("%s overlaps %s: got %v, want %v", both, other, got, test.want)
		}
	}
	if both.Contains(netip.MustParseAddr("10.0.1.1")) || !both.Contains(netip.MustParseAddr("fd00::1")) {
		t.Error("Contains looks at the prefix of the address's own family")
	}
}

// What a parser accepts, it prints as it was: the text of an accepted document is canonical.
func FuzzParsePrefixes(f *testing.F) {
	for _, s := range []string{"10.0.0.0/24", "fd00::/64", "10.0.0.0/24,fd00::/64", "::ffff:1.2.3.4/120", "1.2.3.4", "10.0.0.0/08", ",", "::/0,0.0.0.0/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePrefixes(s)
		if err != nil {
			return
		}
		for _, x := range p.All() {
			if x != x.Masked() || !strings.Contains(s, x.String()) {
				t.Errorf("%q was read as %s", s, x)
			}
		}
		again, err := ParsePrefixes(p.String())
		if err != nil || again != p {
			t.Errorf("%q: %v is read again as %v, %v", s, p, again, err)
		}
	})
}
