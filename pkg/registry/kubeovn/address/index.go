package address

import (
	"iter"
	"net/netip"
	"strings"

	"go4.org/netipx"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Key is the index key of an address in a subnet.
func Key(subnet string, a netip.Addr) string { return base(subnet) + ipam.Key(a) }

// MACKey is the index key of a MAC that is in use in a subnet, however it is spelt.
func MACKey(mac, subnet string) string { return macBase(mac) + subnet }

// PortKey is the index key of the name of a logical switch port.
func PortKey(name string) string { return "port/" + name }

// Keys returns the index keys of an object that holds addresses and a MAC in a subnet; an empty MAC has none.
func Keys(subnet string, addrs ipam.Addrs, mac string) []string {
	keys := make([]string, 0, 4) // room for the port and the node of most holders
	for _, a := range addrs.All() {
		keys = append(keys, Key(subnet, a))
	}
	if mac != "" {
		keys = append(keys, MACKey(mac, subnet))
	}
	return keys
}

func base(subnet string) string { return "address/" + subnet + "/" }

func macBase(mac string) string { return "mac/" + strings.ToLower(mac) + "/" }

// after is the first key that follows every key with the prefix base, which ends in a slash.
func after(base string) string { return base[:len(base)-1] + "0" }

// Used yields the addresses of a prefix that are held in a subnet, ascending, each with its holder.
// The zero prefix stands for all addresses, IPv4 first.
func Used(v storage.View, subnet string, p netip.Prefix) iter.Seq2[netip.Addr, storage.Object] {
	from, to := base(subnet), after(base(subnet))
	if p.IsValid() {
		r := netipx.RangeOfPrefix(p)
		from, to = Key(subnet, r.From()), Key(subnet, r.To())+"0"
	}
	return func(yield func(netip.Addr, storage.Object) bool) {
		for key, holder := range v.Scan(from, to) {
			if a, ok := addressOf(key); ok && !yield(a, holder) {
				return
			}
		}
	}
}

// addressOf reads the address at the end of a key.
func addressOf(key string) (netip.Addr, bool) {
	if len(key) < 32 {
		return netip.Addr{}, false
	}
	return ipam.ParseKey(key[len(key)-32:])
}

// Count returns how many addresses of each family are held in a subnet. It reads all of them.
func Count(v storage.View, subnet string) (v4, v6 int) {
	ipv4 := strings.TrimSuffix(Key(subnet, netip.IPv4Unspecified()), "00000000")
	for key := range v.Scan(base(subnet), after(base(subnet))) {
		if strings.HasPrefix(key, ipv4) {
			v4++
		} else {
			v6++
		}
	}
	return v4, v6
}

// Holder returns the object that holds an address in a subnet, nil when it is free.
func Holder(v storage.View, subnet string, a netip.Addr) storage.Object {
	return first(v, Key(subnet, a))
}

// VipUser returns the IP that uses a Vip as its own address, nil when none does.
func VipUser(v storage.View, vip string) *v1.IP {
	for ip := range storage.ReferrersOf[*v1.IP](v, "vips", vip) {
		if ip.Spec.Vip == vip {
			return ip
		}
	}
	return nil
}

// PortHolder returns the object that has a logical switch port of this name, nil when there is none.
func PortHolder(v storage.View, name string) storage.Object { return first(v, PortKey(name)) }

func first(v storage.View, key string) storage.Object {
	for _, holder := range v.Scan(key, key+"\x00") {
		return holder
	}
	return nil
}
