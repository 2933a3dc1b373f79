package ovsdb

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrText is returned for strings that OVSDB cannot hold: it refuses what is not UTF-8, and NUL drops the connection.
var ErrText = errors.New("text must be valid UTF-8 without NUL")

// CheckText returns ErrText if s cannot be stored.
func CheckText(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return ErrText
	}
	return nil
}

// text is JSON as it was read from the connection or as it is kept.
type text interface{ ~string | ~[]byte }

// stringEnd returns the index behind the string literal that begins at s[i], or -1 when the literal is not closed.
func stringEnd[T text](s T, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// valueEnd returns the index behind the JSON value that begins at s[i], or -1 when it is cut off or there is none.
func valueEnd[T text](s T, i int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '"':
		return stringEnd(s, i)
	case '[', '{':
		return nestedEnd(s, i)
	}
	start := i
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'z' || s[i] == '-' || s[i] == '+' || s[i] == '.' || s[i] == 'E') {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func nestedEnd[T text](s T, i int) int {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			if i = stringEnd(s, i); i < 0 {
				return -1
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// appendString writes a JSON string as ovsdb-server does: only quotes, backslashes and control characters are escaped.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// unquote decodes a string literal, and reports whether s is one. Without escapes the result shares the memory of s.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	body := s[1 : len(s)-1]
	escape := strings.IndexByte(body, '\\')
	if escape < 0 {
		return body, true
	}
	var b strings.Builder
	b.Grow(len(body))
	b.WriteString(body[:escape])
	start := escape
	for i := escape; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		b.WriteString(body[start:i])
		if i++; i == len(body) {
			return "", false
		}
		switch c := body[i]; c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		default:
			// \uXXXX, with surrogate pairs: rare, since the server writes it for control characters only.
			return unquoteSlowly(s)
		}
		start = i + 1
	}
	b.WriteString(body[start:])
	return b.String(), true
}

func unquoteSlowly(s string) (string, bool) {
	var out string
	if json.Unmarshal([]byte(s), &out) != nil {
		return "", false
	}
	return out, true
}
