package address

import (
	"fmt"
	"hash/fnv"
	"net"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// CheckMAC says what is wrong with a MAC as that of a network interface: it must be six colon-separated octets (the only
// notation that OVN reads), unicast and not zero. Both cases are right.
func CheckMAC(mac string) error {
	hw, err := net.ParseMAC(mac)
	switch {
	case err != nil || len(hw) != 6 || len(mac) != 17 || mac[2] != ':':
		return fmt.Errorf("%q is not a MAC address, as 00:00:00:F0:DB:25", mac)
	case hw[0]&1 != 0:
		return fmt.Errorf("%s is a multicast address: the lowest bit of the first octet must be 0", mac)
	case [6]byte(hw) == [6]byte{}:
		return fmt.Errorf("%s is no interface's address", mac)
	}
	return nil
}

// macScope is within what a MAC has one holder. Subnets without a VPC are underlays, which are one layer-2 network with what
// else is on their Vlan, or belong to another plugin.
func macScope(s *v1.Subnet) string {
	switch {
	case s.Spec.Vpc != "":
		return inVpc(s.Spec.Vpc)
	case s.Spec.Vlan != "":
		return "vlan/" + s.Spec.Vlan
	}
	return "subnet/" + s.Name
}

func inVpc(vpc string) string { return "vpc/" + vpc }

// ClaimMAC returns a TakenError when a MAC is in use in a VPC, nil when it is free there.
func ClaimMAC(v storage.View, vpc, mac string) error { return claimMAC(v, inVpc(vpc), mac) }

// ClaimMACIn is ClaimMAC for an interface in a subnet, which may be in no VPC.
func ClaimMACIn(v storage.View, s *v1.Subnet, mac string) error { return claimMAC(v, macScope(s), mac) }

func claimMAC(v storage.View, scope, mac string) error {
	keys := macBase(mac)
	for key, holder := range v.Scan(keys, after(keys)) {
		if s, ok := storage.Get[*v1.Subnet](v, "subnets", key[len(keys):]); ok && macScope(s) == scope {
			return &TakenError{What: "MAC " + mac, Holder: holder}
		}
	}
	return nil
}

// macs is how many MACs "00:00:00:XX:XX:XX" there are, without the zero one.
const macs = 1<<24 - 1

// NewMAC returns a MAC that is free in a VPC, "00:00:00:XX:XX:XX" as Kube-OVN generates them. It is a function of the
// snapshot and of the identity that it is for: it begins at a hash of the identity and goes up past those in use.
func NewMAC(v storage.View, vpc, identity string) (string, error) {
	return newMAC(v, inVpc(vpc), identity)
}

func newMAC(v storage.View, scope, identity string) (string, error) {
	h := fnv.New64a()
	h.Write([]byte(identity))
	// Multiplying spreads the last characters, by which most identities differ, over the high bits (Knuth, 6.4).
	start := h.Sum64() * 0x9E3779B97F4A7C15 >> 40
	for i := range uint64(macs) {
		n := (start+i)%macs + 1
		mac := fmt.Sprintf("00:00:00:%02X:%02X:%02X", byte(n>>16), byte(n>>8), byte(n))
		if claimMAC(v, scope, mac) == nil {
			return mac, nil
		}
	}
	return "", fmt.Errorf("no MAC left in %s", scope)
}

// macIdentity is what the MAC of a request is for: its addresses. Whoever gets an address after another gets its MAC as well, so
// that neighbours, which know an address by its MAC for half a minute or more, reach the new holder at once.
func macIdentity(s *v1.Subnet, r Request, addrs ipam.Addrs) string {
	if addrs == (ipam.Addrs{}) {
		return r.Resource + "/" + r.Name + "/" + s.Name
	}
	return s.Name + "/" + addrs.String()
}
