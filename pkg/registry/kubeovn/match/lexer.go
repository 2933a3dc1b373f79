// Package match reads the expressions of OVN's "match" columns, as ovn-sb(5) describes them, far enough to tell a user what
// is wrong with one before northd or ovn-controller would drop it with a line in a log. It knows the syntax, and the names of
// fields only to warn about those that it does not know.
package match

import (
	"fmt"
	"net/netip"
	"strings"
)

// Error says what is wrong with an expression and where.
type Error struct {
	Column  int // of the character, from 1
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Problem) }

type kind uint8

const (
	end        kind = iota
	identifier      // ip4.src, tcp, reg0[0..15]
	constant        // numbers, addresses, with or without a mask
	text            // "a quoted string"
	set             // $address_set or @port_group
	comparison      // == != < <= > >=
	and
	or
	not
	open
	shut
	openBrace
	shutBrace
	comma
)

type token struct {
	kind   kind
	text   string
	column int
}

// String is the form of messages.
func (t token) String() string {
	if t.kind == end {
		return "end of expression"
	}
	return fmt.Sprintf("%q", t.text)
}

// operators are ordered so that a longer one precedes its prefixes.
var operators = []struct {
	text string
	kind kind
}{
	{"&&", and}, {"||", or}, {"==", comparison}, {"!=", comparison}, {"<=", comparison}, {">=", comparison},
	{"<", comparison}, {">", comparison}, {"!", not}, {"(", open}, {")", shut}, {"{", openBrace}, {"}", shutBrace}, {",", comma},
}

func lex(expression string) ([]token, error) {
	var tokens []token
	for i := 0; ; {
		for i < len(expression) && strings.IndexByte(" \t\r\n", expression[i]) >= 0 {
			i++
		}
		if i == len(expression) {
			return append(tokens, token{end, "", i + 1}), nil
		}
		t, err := next(expression[i:], i+1)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i += len(t.text)
	}
}

// next reads the token at the beginning of s.
func next(s string, column int) (token, error) {
	for _, op := range operators {
		if strings.HasPrefix(s, op.text) {
			return token{op.kind, op.text, column}, nil
		}
	}
	switch c := s[0]; {
	case c == '"':
		return quoted(s, column)
	case c == '$' || c == '@':
		n := 1 + span(s[1:], isWord)
		if n == 1 {
			return token{}, &Error{column, fmt.Sprintf("%q must be followed by a name", c)}
		}
		return token{set, s[:n], column}, nil
	case c == '&' || c == '|' || c == '=':
		return token{}, &Error{column, fmt.Sprintf("unexpected character %q: write %q", c, strings.Repeat(string(c), 2))}
	case isWord(c) || c == ':':
		return word(s, column)
	default:
		return token{}, &Error{column, fmt.Sprintf("unexpected character %q", []rune(s)[0])}
	}
}

func quoted(s string, column int) (token, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return token{text, s[:i+1], column}, nil
		}
	}
	return token{}, &Error{column, "the quotation mark is never closed"}
}

// word reads an identifier with an optional subfield, or a constant. Both may begin with a letter: "face" is a name, "fd00::1" an address,
// "aa:bb:cc:dd:ee:ff" a MAC.
func word(s string, column int) (token, error) {
	n := span(s, func(c byte) bool { return isWord(c) || c == ':' || c == '/' })
	w := s[:n]
	if isConstant(w) {
		return token{constant, w, column}, nil
	}
	if isDigit(w[0]) || w[0] == ':' || strings.ContainsAny(w, ":/") {
		return token{}, &Error{column, fmt.Sprintf("%q is neither a number nor an address nor a name", w)}
	}
	if n < len(s) && s[n] == '[' {
		shut := strings.IndexByte(s[n:], ']')
		if shut < 0 {
			return token{}, &Error{column + n, `"[" is never closed`}
		}
		if !isSubfield(s[n+1 : n+shut]) {
			return token{}, &Error{column + n, fmt.Sprintf("%q is not a bit or a range of bits, as [0] or [0..15]", s[n:n+shut+1])}
		}
		w = s[:n+shut+1]
	}
	return token{identifier, w, column}, nil
}

func isSubfield(s string) bool {
	first, last, isRange := strings.Cut(s, "..")
	return isDecimal(strings.TrimSpace(first)) && (!isRange || isDecimal(strings.TrimSpace(last)))
}

// isConstant reports whether w is a number, an IP address or a MAC, with or without a mask.
func isConstant(w string) bool {
	value, mask, masked := strings.Cut(w, "/")
	if masked && !isDecimal(mask) && !isAtom(mask) {
		return false
	}
	return isAtom(value)
}

func isAtom(w string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(w), "0x"); ok {
		return hex != "" && span(hex, isHex) == len(hex)
	}
	if isDecimal(w) || isMAC(w) {
		return true
	}
	_, err := netip.ParseAddr(w)
	return err == nil
}

func isMAC(w string) bool {
	octets := strings.Split(w, ":")
	for _, o := range octets {
		if len(o) == 0 || len(o) > 2 || span(o, isHex) != len(o) {
			return false
		}
	}
	return len(octets) == 6
}

func isDecimal(w string) bool { return w != "" && span(w, isDigit) == len(w) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '.' || c == '-'
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}
