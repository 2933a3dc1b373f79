package ovsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is the value of a column in the JSON notation of RFC 7047 section 5.1, canonical: compact, members of sets and maps
// sorted, a set of one member as the member itself. Two equal values are equal strings.
type Value string

// Row is the columns of a row by name.
type Row map[string]Value

// Empty is the empty set: the value of an optional column that is not set.
const Empty Value = `["set",[]]`

// ErrText is returned for strings that OVSDB cannot hold: it refuses what is not UTF-8, and NUL drops the connection.
var ErrText = errors.New("text must be valid UTF-8 without NUL")

// CheckText returns ErrText if s cannot be stored.
func CheckText(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return ErrText
	}
	return nil
}

// String is a string atom.
func String(s string) Value { return Value(appendString(make([]byte, 0, len(s)+2), s)) }

// Int is an integer atom.
func Int(i int64) Value { return Value(strconv.FormatInt(i, 10)) }

// Bool is a boolean atom.
func Bool(b bool) Value { return Value(strconv.FormatBool(b)) }

// Ref is a reference to a row.
func Ref(u UUID) Value { return Value(`["uuid","` + u.String() + `"]`) }

// Strings is a set of strings.
func Strings(members ...string) Value {
	sorted := slices.Compact(slices.Sorted(slices.Values(members)))
	atoms := make([]Value, len(sorted))
	for i, m := range sorted {
		atoms[i] = String(m)
	}
	return set(atoms)
}

// Refs is a set of references.
func Refs(members ...UUID) Value {
	atoms := make([]Value, len(members))
	for i, m := range members {
		atoms[i] = Ref(m)
	}
	slices.Sort(atoms)
	return set(slices.Compact(atoms))
}

// Map is a map from string to string.
func Map(m map[string]string) Value {
	size := len(`["map",[]]`)
	keys := make([]string, 0, len(m))
	for k, v := range m {
		keys = append(keys, k)
		size += len(k) + len(v) + len(v)/8 + 8
	}
	slices.Sort(keys)
	b := append(make([]byte, 0, size), `["map",[`...)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = appendString(b, k)
		b = append(b, ',')
		b = appendString(b, m[k])
		b = append(b, ']')
	}
	return Value(append(b, `]]`...))
}

func set(atoms []Value) Value {
	if len(atoms) == 1 {
		return atoms[0]
	}
	var b strings.Builder
	b.WriteString(`["set",[`)
	for i, a := range atoms {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(a))
	}
	b.WriteString(`]]`)
	return Value(b.String())
}

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

// AsString returns the string of a string atom, "" for any other value.
func (v Value) AsString() string {
	s, _ := unquote(string(v))
	return s
}

// AsMap returns the entries of a map of strings, nil for any other value.
func (v Value) AsMap() map[string]string {
	pairs, ok := v.pairs()
	if !ok {
		return nil
	}
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p[0].AsString()] = p[1].AsString()
	}
	return m
}

// AsStrings returns the members of a set of strings (a single string is a set of one).
func (v Value) AsStrings() []string {
	members := v.members()
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.AsString()
	}
	return out
}

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' {
		return "", false
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1], true
	}
	var out string
	if json.Unmarshal([]byte(s), &out) != nil {
		return "", false
	}
	return out, true
}

// members returns the atoms of a set; an atom is a set of one.
func (v Value) members() []Value {
	body, ok := strings.CutPrefix(string(v), `["set",[`)
	if !ok {
		return []Value{v}
	}
	return split(strings.TrimSuffix(body, `]]`))
}

func (v Value) pairs() ([][2]Value, bool) {
	body, ok := strings.CutPrefix(string(v), `["map",[`)
	if !ok {
		return nil, false
	}
	items := split(strings.TrimSuffix(body, `]]`))
	out := make([][2]Value, len(items))
	for i, item := range items {
		kv := split(string(item[1 : len(item)-1]))
		if len(kv) != 2 {
			return nil, false
		}
		out[i] = [2]Value{kv[0], kv[1]}
	}
	return out, true
}

// split cuts compact JSON at its top-level commas.
func split(s string) []Value {
	if s == "" {
		return nil
	}
	var out []Value
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			out = append(out, Value(s[start:i]))
			start = i + 1
		}
	}
	return append(out, Value(s[start:]))
}

// Canonical returns the canonical form of a value in the notation of the wire.
func Canonical(raw string) (Value, error) {
	if raw == "" {
		return "", errors.New("empty value")
	}
	v := Value(raw)
	switch {
	case strings.HasPrefix(raw, `["map",[`):
		pairs, ok := v.pairs()
		if !ok {
			return "", fmt.Errorf("malformed map %.80q", raw)
		}
		return joinPairs(pairs), nil
	case strings.HasPrefix(raw, `["set",[`):
		return joinMembers(v.members()), nil
	}
	return v, nil
}

func joinMembers(atoms []Value) Value {
	slices.SortFunc(atoms, compareAtoms)
	return set(slices.Compact(atoms))
}

func joinPairs(pairs [][2]Value) Value {
	slices.SortFunc(pairs, func(a, b [2]Value) int { return compareAtoms(a[0], b[0]) })
	var b strings.Builder
	b.WriteString(`["map",[`)
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('[')
		b.WriteString(string(p[0]))
		b.WriteByte(',')
		b.WriteString(string(p[1]))
		b.WriteByte(']')
	}
	b.WriteString(`]]`)
	return Value(b.String())
}

// compareAtoms orders strings by content, so that the order does not depend on escapes; other atoms by notation.
func compareAtoms(a, b Value) int {
	x, xs := unquote(string(a))
	y, ys := unquote(string(b))
	if xs && ys {
		return strings.Compare(x, y)
	}
	return strings.Compare(string(a), string(b))
}

// ApplyDiff returns v changed by the "modify" part of an update3 notification (ovsdb-server(7), section 4.1.14): for sets the members that
// were added or removed, for maps the pairs that were added, removed (same value) or changed; otherwise the new value.
// scalar says that the column holds at most one atom, when a difference is always the new value.
func (v Value) ApplyDiff(diff Value, scalar bool) Value {
	if scalar {
		return diff
	}
	if changed, ok := diff.pairs(); ok {
		old, _ := v.pairs()
		m := make(map[Value]Value, len(old)+len(changed))
		for _, p := range old {
			m[p[0]] = p[1]
		}
		for _, p := range changed {
			if before, ok := m[p[0]]; ok && before == p[1] {
				delete(m, p[0])
			} else {
				m[p[0]] = p[1]
			}
		}
		pairs := make([][2]Value, 0, len(m))
		for k, val := range m {
			pairs = append(pairs, [2]Value{k, val})
		}
		return joinPairs(pairs)
	}
	in := make(map[Value]bool)
	for _, m := range v.members() {
		in[m] = true
	}
	for _, m := range diff.members() {
		if in[m] {
			delete(in, m)
		} else {
			in[m] = true
		}
	}
	atoms := make([]Value, 0, len(in))
	for m := range in {
		atoms = append(atoms, m)
	}
	return joinMembers(atoms)
}
