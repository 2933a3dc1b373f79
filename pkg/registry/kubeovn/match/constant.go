package match

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf16"
)

// format is how a constant is written. Values and masks of different formats do not go together.
type format uint8

const (
	decimal format = iota
	hexadecimal
	ipv4
	ipv6
	ethernet
)

// uint128 is a value of OVN's widest fields.
type uint128 struct{ high, low uint64 }

func (u uint128) and(v uint128) uint128 { return uint128{u.high & v.high, u.low & v.low} }

// width is the number of bits without the leading zeros.
func (u uint128) width() int {
	if u.high != 0 {
		return 64 + bits.Len64(u.high)
	}
	return bits.Len64(u.low)
}

// constant is an integer. Where the mask has no bit the value has none.
type constant struct {
	format format
	value  uint128
	mask   uint128
	masked bool
}

// width is the least width of a field that OVN compares with the constant: addresses have that of their kind.
func (c constant) width() int {
	switch {
	case c.masked:
		return c.mask.width()
	case c.format == ipv4:
		return 32
	case c.format == ipv6:
		return 128
	case c.format == ethernet:
		return 48
	}
	return c.value.width()
}

// number reads an integer with an optional mask at the beginning of s.
func number(s string, column int) (token, error) {
	n := numberLength(s)
	c, problem := parseNumber(s[:n])
	if problem != "" {
		return token{}, &Error{column, problem}
	}
	if !strings.HasPrefix(s[n:], "/") {
		return token{kind: integer, text: s[:n], column: column, value: c}, nil
	}
	length := numberLength(s[n+1:])
	whole := s[:n+1+length]
	mask, problem := parseNumber(s[n+1 : n+1+length])
	if problem != "" {
		return token{}, &Error{column + n + 1, problem}
	}
	if problem := c.setMask(mask); problem != "" {
		return token{}, &Error{column, fmt.Sprintf("%q: %s", whole, problem)}
	}
	return token{kind: integer, text: whole, column: column, value: c}, nil
}

// numberLength is the length of the number at the beginning of s. "0..15" is a range of two numbers, and a colon behind a dot belongs
// to no address.
func numberLength(s string) int {
	dots := false
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c) || isLetter(c) && c != '_':
		case c == ':' && !dots:
		case c == '.' && !strings.HasPrefix(s[i+1:], "."):
			dots = true
		default:
			return i
		}
	}
	return len(s)
}

func parseNumber(s string) (constant, string) {
	switch {
	case s == "":
		return constant{}, "expected a number or an address"
	case span(s, isDigit) == len(s):
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return constant{}, fmt.Sprintf("%q is not below 2^64", s)
		}
		if s[0] == '0' && len(s) > 1 {
			return constant{}, fmt.Sprintf("%q must not begin with 0", s)
		}
		return constant{format: decimal, value: uint128{low: v}}, ""
	case s[0] == '0' && (s[1] == 'x' || s[1] == 'X'):
		return parseHex(s)
	}
	if mac, ok := parseMAC(s); ok {
		return constant{format: ethernet, value: uint128{low: mac}}, ""
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return constant{}, fmt.Sprintf("%q is neither a number nor an address nor a name", s)
	case a.Is4():
		four := a.As4()
		return constant{format: ipv4, value: uint128{low: uint64(binary.BigEndian.Uint32(four[:]))}}, ""
	}
	sixteen := a.As16()
	return constant{format: ipv6, value: uint128{binary.BigEndian.Uint64(sixteen[:8]), binary.BigEndian.Uint64(sixteen[8:])}}, ""
}

func parseHex(s string) (constant, string) {
	digits := s[2:]
	if digits == "" || span(digits, isHex) != len(digits) {
		return constant{}, fmt.Sprintf("%q is no hexadecimal number", s)
	}
	digits = strings.TrimLeft(digits, "0")
	if len(digits) > 32 {
		return constant{}, fmt.Sprintf("%q has more than 128 bits", s)
	}
	var b [16]byte
	_, _ = hex.Decode(b[:], []byte(strings.Repeat("0", 32-len(digits))+digits))
	return constant{format: hexadecimal, value: uint128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}}, ""
}

func parseMAC(s string) (mac uint64, ok bool) {
	octets := strings.Split(s, ":")
	if len(octets) != 6 {
		return 0, false
	}
	for _, o := range octets {
		v, err := strconv.ParseUint(o, 16, 8)
		if len(o) != 2 || err != nil {
			return 0, false
		}
		mac = mac<<8 | v
	}
	return mac, true
}

// setMask applies the number behind "/": a prefix length, or a mask in the form of the value.
func (c *constant) setMask(m constant) string {
	switch {
	case c.format == m.format:
		c.mask = m.value
	case c.format == ipv4 && m.format == decimal:
		if m.value.low > 32 {
			return "an IPv4 prefix has at most 32 bits"
		}
		c.mask = uint128{low: uint64(^uint32(0) << (32 - m.value.low))}
	case c.format == ipv6 && m.format == decimal:
		if m.value.low > 128 {
			return "an IPv6 prefix has at most 128 bits"
		}
		c.mask = prefixMask(int(m.value.low))
	case c.format == decimal && c.value == uint128{} && m.format == hexadecimal:
		c.format, c.mask = hexadecimal, m.value
	default:
		return "value and mask must be written in the same way"
	}
	c.masked = true
	c.value = c.value.and(c.mask)
	return ""
}

func prefixMask(length int) uint128 {
	if length <= 64 {
		return uint128{high: ^uint64(0) << (64 - length)}
	}
	return uint128{^uint64(0), ^uint64(0) << (128 - length)}
}

// unescape says what is wrong with what stands between quotation marks: OVN reads it as a JSON string (RFC 8259), in which it
// also takes control characters.
func unescape(s string) (problem string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++
		if s[i] != 'u' {
			if strings.IndexByte(`"\/bfnrt`, s[i]) < 0 {
				return fmt.Sprintf("%q is no escape sequence", s[i-1:i+1])
			}
			continue
		}
		r, ok := codeUnit(s[i-1:])
		i += 4
		switch {
		case !ok:
			return `"\u" must be followed by four hexadecimal digits`
		case r == 0:
			return `"\u0000" is in no name`
		case utf16.IsSurrogate(r):
			low, ok := codeUnit(s[i+1:])
			if !ok || r >= 0xdc00 || low < 0xdc00 || low > 0xdfff {
				return "half of a surrogate pair is missing"
			}
			i += 6
		}
	}
	return ""
}

// codeUnit reads "\uXXXX" at the beginning of s.
func codeUnit(s string) (rune, bool) {
	if len(s) < 6 || !strings.HasPrefix(s, `\u`) {
		return 0, false
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}
