// Package match reads the expressions of OVN's "match" columns, as ovn-sb(5) describes them, so that an expression that
// ovn-controller would drop with a line in its log, and with it the rule, is refused when it is written. Check accepts what OVN
// 23.03 and 25.03 both read, with these exceptions, which it refuses: MAC addresses other than six pairs of hexadecimal
// digits, prefix lengths that OVN takes modulo 2^32, address sets in comparisons other than == and != or with fields of less than 32
// bits, and parentheses deeper than maxDepth.
package match

import (
	"fmt"
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
	identifier      // ip4.src, tcp
	integer         // numbers, addresses, with or without a mask
	text            // "a quoted string"
	addressSet      // $name
	portGroup       // @name
	comparison      // == != < <= > >=
	and
	or
	not
	open
	shut
	openBrace
	shutBrace
	openBracket
	shutBracket
	ellipsis
	comma
)

type token struct {
	kind   kind
	text   string
	column int
	value  constant // of an integer
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
	{"&&", and}, {"||", or}, {"==", comparison}, {"!=", comparison}, {"<=", comparison}, {">=", comparison}, {"..", ellipsis},
	{"<", comparison}, {">", comparison}, {"!", not}, {"(", open}, {")", shut}, {"{", openBrace}, {"}", shutBrace},
	{"[", openBracket}, {"]", shutBracket}, {",", comma},
}

func lex(expression string) ([]token, error) {
	if i := strings.IndexByte(expression, 0); i >= 0 {
		return nil, &Error{i + 1, `unexpected character '\x00'`}
	}
	var tokens []token
	for i := 0; ; {
		blank, err := skip(expression, i)
		if err != nil {
			return nil, err
		}
		i = blank
		if i == len(expression) {
			return append(tokens, token{kind: end, column: i + 1}), nil
		}
		t, err := next(expression[i:], i+1)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i += len(t.text)
	}
}

// skip returns where the next token begins: behind blanks, "// comments" that end with their line and "/* comments */" within one line.
func skip(s string, i int) (int, error) {
	for i < len(s) {
		switch {
		case strings.IndexByte(" \t\n\r\v\f", s[i]) >= 0:
			i++
		case strings.HasPrefix(s[i:], "//"):
			line := strings.IndexByte(s[i:], '\n')
			if line < 0 {
				return len(s), nil
			}
			i += line
		case strings.HasPrefix(s[i:], "/*"):
			length := strings.Index(s[i+2:], "*/")
			if length < 0 || strings.IndexByte(s[i+2:i+2+length], '\n') >= 0 {
				return 0, &Error{i + 1, `"/*" has no "*/" in the same line`}
			}
			i += length + 4
		default:
			return i, nil
		}
	}
	return i, nil
}

// next reads the token at the beginning of s.
func next(s string, column int) (token, error) {
	for _, op := range operators {
		if strings.HasPrefix(s, op.text) {
			return token{kind: op.kind, text: op.text, column: column}, nil
		}
	}
	switch c := s[0]; {
	case c == '"':
		return quoted(s, column)
	case c == '$':
		return reference(s, addressSet, column)
	case c == '@':
		return reference(s, portGroup, column)
	case c == '&' || c == '|' || c == '=':
		return token{}, &Error{column, fmt.Sprintf("unexpected character %q: write %q", c, strings.Repeat(string(c), 2))}
	case isDigit(c) || strings.HasPrefix(s, "::") || isHex(c) && strings.HasPrefix(s[span(s, isHex):], ":"):
		// Names never have a colon after hexadecimal digits, so that "fd00::1" is an address and "face" a name.
		return number(s, column)
	case isLetter(c):
		return token{kind: identifier, text: s[:span(s, isName)], column: column}, nil
	default:
		return token{}, &Error{column, fmt.Sprintf("unexpected character %q", []rune(s)[0])}
	}
}

// reference reads the name of an address set or port group behind its sign.
func reference(s string, k kind, column int) (token, error) {
	n := 1 + span(s[1:], isName)
	if n == 1 || isDigit(s[1]) {
		return token{}, &Error{column, fmt.Sprintf("%q must be followed by a name", s[0])}
	}
	return token{kind: k, text: s[:n], column: column}, nil
}

func quoted(s string, column int) (token, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if problem := unescape(s[1:i]); problem != "" {
				return token{}, &Error{column, problem}
			}
			return token{kind: text, text: s[:i+1], column: column}, nil
		}
	}
	return token{}, &Error{column, "the quotation mark is never closed"}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// isName holds for what a name may have behind its first letter.
func isName(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' }

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}
