package dhcp

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// read returns an option's value in OVN's form.
func (o option) read(value string) (string, error) {
	if o.typ == typeText || o.typ == typeDomain {
		return o.texts(value)
	}
	values, err := members(value)
	if err != nil {
		return "", err
	}
	if len(values) > 1 && !o.many {
		return "", fmt.Errorf("takes one value, not %q", value)
	}
	if o.typ == typeRoutes {
		return routes(values)
	}
	for i, v := range values {
		if values[i], err = o.one(v); err != nil {
			return "", err
		}
	}
	return join(values), nil
}

func (o option) one(value string) (string, error) {
	if strings.HasPrefix(value, `"`) && o.typ != typeHost {
		return "", fmt.Errorf("takes no text: write %s without quotation marks", strings.Trim(value, `"`))
	}
	switch o.typ {
	case typeIPv4:
		return ipv4(value)
	case typeIPv6:
		a, err := ipam.ParseAddr(value)
		if err == nil && (a.Is4() || ipam.Special(a) != "") {
			err = fmt.Errorf("%s is not the IPv6 address of a host", a)
		}
		return a.String(), err
	case typeMAC:
		return mac(value)
	case typeHost:
		if strings.HasPrefix(value, `"`) {
			return quotedText(value)
		}
		return ipv4(value)
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n < o.min || n > o.max {
		return "", fmt.Errorf("%q is not a number from %d to %d", value, o.min, o.max)
	}
	return strconv.FormatUint(n, 10), nil
}

func ipv4(value string) (string, error) {
	a, err := ipam.ParseAddr(value)
	if err == nil && !a.Is4() {
		err = fmt.Errorf("%s is not an IPv4 address", a)
	}
	return a.String(), err
}

func mac(value string) (string, error) {
	m, err := net.ParseMAC(value)
	if err != nil || len(m) != 6 || strings.Count(value, ":") != 5 || m[0]&1 != 0 || m.String() == "00:00:00:00:00:00" {
		return "", fmt.Errorf("%q is not the MAC address of a host, as 00:00:00:2E:2F:B8", value)
	}
	return strings.ToUpper(m.String()), nil
}

// texts reads a text in quotation marks, or several if the option takes a list of domains: that is one text with commas.
func (o option) texts(value string) (string, error) {
	if !o.many {
		text, err := quotedText(value)
		if err == nil && o.domains {
			err = domain(strings.Trim(text, `"`))
		}
		return text, err
	}
	values, err := members(value)
	if err != nil {
		return "", err
	}
	var names []string
	for _, v := range values {
		text, err := quotedText(v)
		if err != nil {
			return "", err
		}
		for name := range strings.SplitSeq(strings.Trim(text, `"`), ",") {
			name = strings.TrimSpace(name)
			if err := domain(name); err != nil {
				return "", err
			}
			names = append(names, name)
		}
	}
	return quotedText(`"` + strings.Join(names, ",") + `"`)
}

// maxText is the room for the value of an option, RFC 2132.
const maxText = 255

func quotedText(value string) (string, error) {
	if len(value) < 3 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", fmt.Errorf("takes a text: write \"%s\" with the quotation marks", strings.ReplaceAll(value, `"`, ""))
	}
	inner := value[1 : len(value)-1]
	if len(inner) > maxText {
		return "", fmt.Errorf("a text of %d bytes is too long: it has at most %d", len(inner), maxText)
	}
	for _, c := range inner {
		// A caret begins the name of a template variable in OVN.
		if c <= ' ' || c > '~' || strings.ContainsRune(`"\^`, c) {
			return "", fmt.Errorf("a text must not have %q", c)
		}
	}
	return value, nil
}

func domain(name string) error {
	if problems := validation.IsDNS1123Subdomain(strings.ToLower(strings.TrimSuffix(name, "."))); len(problems) > 0 {
		return fmt.Errorf("%q is not the name of a domain: %s", name, problems[0])
	}
	return nil
}

// routes reads prefixes and their next hops in turn, RFC 3442.
func routes(values []string) (string, error) {
	if len(values)%2 != 0 {
		return "", errors.New("takes pairs of a prefix and a next hop: write {10.1.0.0/16,10.0.0.254}")
	}
	for i := 0; i < len(values); i += 2 {
		p, err := ipam.ParsePrefix(values[i])
		if err == nil && !p.Addr().Is4() {
			err = fmt.Errorf("%s is not an IPv4 prefix", p)
		}
		if err != nil {
			return "", err
		}
		hop, err := ipv4(values[i+1])
		if err != nil {
			return "", err
		}
		values[i], values[i+1] = p.String(), hop
	}
	return join(values), nil
}
