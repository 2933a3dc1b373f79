package host_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

func TestPrefixesComeBackAsTheyWere(t *testing.T) {
	for _, text := range []string{"192.0.2.7/24", "0.0.0.0/0", "192.0.2.7/32", "fd00::7/64", "::/0", "::ffff:192.0.2.7/120", "::ffff:0.0.0.0/96"} {
		want := netip.MustParsePrefix(text)
		if got := host.PrefixOf(host.IPNet(want)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTheMaskTellsTheFamily(t *testing.T) {
	long := &net.IPNet{IP: net.IPv4(192, 0, 2, 7).To16(), Mask: net.CIDRMask(24, 32)}
	if got, want := host.PrefixOf(long), netip.MustParsePrefix("192.0.2.7/24"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := host.PrefixOf(nil); got.IsValid() {
		t.Errorf("got %s, want none", got)
	}
}
