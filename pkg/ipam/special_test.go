package ipam

import (
	"net/netip"
	"testing"
)

func TestSpecialAddressesBelongToNoHost(t *testing.T) {
	for text, special := range map[string]bool{
		"0.0.0.0": true, "0.255.255.255": true, "127.0.0.1": true, "127.255.255.255": true, "224.0.0.0": true, "239.255.255.255": true, "255.255.255.255": true,
		"::": true, "::1": true, "ff02::1": true,
		"1.0.0.0": false, "126.255.255.255": false, "128.0.0.0": false, "169.254.1.1": false, "223.255.255.255": false, "240.0.0.0": false, "255.255.255.254": false,
		"::2": false, "fe80::1": false, "fd00::1": false, "2001:db8::1": false,
	} {
		if got := Special(netip.MustParseAddr(text)); (got != "") != special {
			t.Errorf("Special(%s) = %q", text, got)
		}
	}
}

func TestAPrefixIsUnroutableWhenOneOfItsAddressesIs(t *testing.T) {
	for text, unroutable := range map[string]bool{
		"0.0.0.0/0": true, "0.0.0.0/8": true, "0.1.0.0/16": true, "64.0.0.0/2": true, "127.0.0.0/8": true, "127.1.2.0/24": true, "169.254.0.0/16": true,
		"169.254.9.0/24": true, "168.0.0.0/6": true, "224.0.0.0/4": true, "239.1.0.0/16": true, "192.0.0.0/2": true, "255.255.255.0/24": true, "255.255.255.255/32": true,
		"::/0": true, "::/64": true, "::1/128": true, "fe80::/64": true, "febf::/16": true, "ff02::/16": true, "fc00::/6": true,
		"1.0.0.0/8": false, "126.0.0.0/8": false, "128.0.0.0/8": false, "169.253.0.0/16": false, "169.255.0.0/16": false, "223.0.0.0/8": false, "240.0.0.0/8": false,
		"10.0.0.0/8": false, "100.64.0.0/16": false, "fd00::/64": false, "fec0::/10": false, "2001:db8::/32": false, "::2/128": false,
	} {
		if got := Unroutable(netip.MustParsePrefix(text)); (got != "") != unroutable {
			t.Errorf("Unroutable(%s) = %q", text, got)
		}
	}
}
