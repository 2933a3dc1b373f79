package dhcp

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// V4 reads options of DHCPv4 for interfaces of a prefix and returns them for the column options of DHCP_Options, by name. An error
// names the option.
func V4(s string, prefix netip.Prefix) (map[string]string, error) {
	options, err := read(s, v4, map[string]func(string) (string, error){serverMAC: mac})
	if err != nil {
		return nil, err
	}
	if err := fitting(options, prefix); err != nil {
		return nil, err
	}
	delete(options, "netmask") // ovn-northd writes it
	return options, nil
}

// V6 does so for DHCPv6.
func V6(s string) (map[string]string, error) {
	return read(s, v6, map[string]func(string) (string, error){stateless: boolean})
}

func boolean(value string) (string, error) {
	if value != "true" && value != "false" {
		return "", fmt.Errorf("%q is neither true nor false", value)
	}
	return value, nil
}

func read(s string, table map[string]option, own map[string]func(string) (string, error)) (map[string]string, error) {
	pairs, err := split(s)
	if err != nil {
		return nil, err
	}
	options := map[string]string{}
	for _, p := range pairs {
		parse := own[p.name]
		if o, ok := table[p.name]; ok {
			parse = o.read
		}
		if parse == nil {
			names := slices.Sorted(maps.Keys(table))
			return nil, fmt.Errorf("%q is no option that OVN has: it has %s", p.name, strings.Join(append(names, slices.Sorted(maps.Keys(own))...), ", "))
		}
		if options[p.name], err = parse(p.value); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return options, nil
}

// fitting checks the values of right types against the prefix and each other.
func fitting(options map[string]string, prefix netip.Prefix) error {
	for name, value := range options {
		if v4[name].typ != typeIPv4 || name == "netmask" || name == "broadcast_address" || name == "policy_filter" || name == "router_solicitation" {
			continue
		}
		addrs, _ := members(value)
		for _, text := range addrs {
			a, err := ipam.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if special := ipam.Special(a); special != "" {
				return fmt.Errorf("%s: %s is %s: must be the address of a host", name, a, special)
			}
			if name != "router" || !prefix.IsValid() {
				continue
			}
			if !prefix.Contains(a) {
				return fmt.Errorf("router: %s is not in %s: interfaces would not reach it", a, prefix)
			}
			if role := ipam.Unusable(prefix, a); role != "" {
				return fmt.Errorf("router: %s is the %s of %s", a, role, prefix)
			}
		}
	}
	if mask, given := options["netmask"]; given && prefix.IsValid() && mask != maskOf(prefix) {
		return fmt.Errorf("netmask: %s is not that of %s: leave it out", mask, prefix)
	}
	return ordered(options, "T1", "T2", "lease_time")
}

func maskOf(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), 32)).String()
}

// ordered checks that of the numbers that are given each is below the next.
func ordered(options map[string]string, names ...string) error {
	before, low := "", uint64(0)
	for _, name := range names {
		n, err := strconv.ParseUint(options[name], 10, 64)
		if err != nil {
			continue
		}
		if before != "" && n <= low {
			return fmt.Errorf("%s: %d is not above %s, which is %d", name, n, before, low)
		}
		before, low = name, n
	}
	return nil
}
