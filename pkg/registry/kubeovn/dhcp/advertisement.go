package dhcp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// advertisements are the keys of the column ipv6_ra_configs of Logical_Router_Port, ovn-nb(5).
var advertisements = map[string]func(string) (string, error){
	"address_mode":      oneOf("slaac", "dhcpv6_stateful", "dhcpv6_stateless"),
	"router_preference": oneOf(preferences...),
	"send_periodic":     boolean,
	"mtu":               advertisedMTU,
	"max_interval":      number(typeUint32, 4, 1800).one, // RFC 4861, 6.2.1
	"min_interval":      number(typeUint32, 3, 1350).one,
	"rdnss":             option{typ: typeIPv6}.one,
	"dnssl":             searchList,
	"route_info":        routeInfo,
}

var preferences = []string{"HIGH", "MEDIUM", "LOW"}

// Advertisement reads parameters of router advertisements and returns them for the column ipv6_ra_configs of
// Logical_Router_Port, by name. An error names the parameter.
func Advertisement(s string) (map[string]string, error) {
	configs, err := read(s, nil, advertisements)
	if err != nil {
		return nil, err
	}
	high, _ := strconv.Atoi(configs["max_interval"])
	low, _ := strconv.Atoi(configs["min_interval"])
	if high > 0 && low > high*3/4 && low > 3 {
		return nil, fmt.Errorf("min_interval: %d is more than three quarters of max_interval, which is %d", low, high)
	}
	return configs, nil
}

func oneOf(values ...string) func(string) (string, error) {
	return func(value string) (string, error) {
		if !slices.Contains(values, value) {
			return "", fmt.Errorf("%q is not one of %s", value, strings.Join(values, ", "))
		}
		return value, nil
	}
}

// advertisedMTU is 0 for none, or what IPv6 asks of every link, RFC 8200.
func advertisedMTU(value string) (string, error) {
	if value == "0" {
		return value, nil
	}
	return number(typeUint16, 1280, 65535).one(value)
}

// searchList is names of domains, which OVN reads without quotation marks.
func searchList(value string) (string, error) {
	return unquoted(value, func(name string) (string, error) { return name, domain(name) })
}

// routeInfo is preferences and prefixes, as "HIGH-fd00::/64,LOW-fd01::/64".
func routeInfo(value string) (string, error) {
	return unquoted(value, func(route string) (string, error) {
		preference, prefix, _ := strings.Cut(route, "-")
		p, err := ipam.ParsePrefix(prefix)
		if err != nil || p.Addr().Is4() || !slices.Contains(preferences, preference) {
			return "", fmt.Errorf("%q is not a preference (%s) and an IPv6 prefix, as HIGH-fd00::/64", route, strings.Join(preferences, ", "))
		}
		return preference + "-" + p.String(), nil
	})
}

// unquoted reads a list in braces or quotation marks, or of one.
func unquoted(value string, one func(string) (string, error)) (string, error) {
	if len(value) > 1 && strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) {
		value = "{" + value[1:len(value)-1] + "}"
	}
	values, err := members(value)
	if err != nil {
		return "", err
	}
	for i, v := range values {
		if values[i], err = one(v); err != nil {
			return "", err
		}
	}
	return strings.Join(values, ","), nil
}
