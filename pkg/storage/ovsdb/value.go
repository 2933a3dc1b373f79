package ovsdb

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Value is the value of a column in the JSON notation of RFC 7047 section 5.1, canonical: compact, members of sets and maps
// sorted, a set of one member as the member itself. Two equal values are equal strings.
type Value string

// Row is the columns of a row by name.
type Row map[string]Value

// Empty is the empty set: the value of an optional column that is not set.
const Empty Value = setPrefix + suffix

const (
	setPrefix  = `["set",[`
	mapPrefix  = `["map",[`
	uuidPrefix = `["uuid","`
	suffix     = `]]`
)

// String is a string atom.
func String(s string) Value { return value(appendString(make([]byte, 0, len(s)+2), s)) }

// value makes a Value of bytes that nobody changes any more, as strings.Builder does: a copy of every document would cost as much as
// its encoding.
func value(b []byte) Value { return Value(unsafe.String(unsafe.SliceData(b), len(b))) }

// Int is an integer atom.
func Int(i int64) Value { return Value(strconv.FormatInt(i, 10)) }

// Bool is a boolean atom.
func Bool(b bool) Value { return Value(strconv.FormatBool(b)) }

// Ref is a reference to a row.
func Ref(u UUID) Value { return value(appendRef(make([]byte, 0, refLen), u)) }

// refLen is the length of a reference: ["uuid","01234567-89ab-cdef-0123-456789abcdef"].
const refLen = len(uuidPrefix) + 36 + len(`"]`)

func appendRef(b []byte, u UUID) []byte {
	return append(u.append(append(b, uuidPrefix...)), `"]`...)
}

// Strings is a set of strings.
func Strings(members ...string) Value {
	sorted := slices.Compact(slices.Sorted(slices.Values(members)))
	atoms := make([]string, len(sorted))
	for i, m := range sorted {
		atoms[i] = string(String(m))
	}
	return joinSet(atoms)
}

// Refs is a set of references.
func Refs(members ...UUID) Value {
	atoms := make([]string, len(members))
	for i, m := range members {
		atoms[i] = string(Ref(m))
	}
	slices.Sort(atoms)
	return joinSet(slices.Compact(atoms))
}

// Map is a map from string to string.
func Map(m map[string]string) Value {
	size := len(mapPrefix) + len(suffix)
	keys := make([]string, 0, len(m))
	for k, v := range m {
		keys = append(keys, k)
		size += len(k) + len(v) + len(v)/8 + 8
	}
	slices.Sort(keys)
	b := append(make([]byte, 0, size), mapPrefix...)
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
	return value(append(b, suffix...))
}

// AsString returns the string of a string atom, "" for any other value.
func (v Value) AsString() string {
	s, _ := unquote(string(v))
	return s
}

// AsInt returns the integer of an integer atom, and whether v is one.
func (v Value) AsInt() (int64, bool) {
	i, err := strconv.ParseInt(string(v), 10, 64)
	return i, err == nil
}

// AsBool returns the boolean of a boolean atom, false for any other value.
func (v Value) AsBool() bool { return v == "true" }

// AsRef returns the row that a reference atom refers to, and whether v is one.
func (v Value) AsRef() (UUID, bool) {
	if len(v) != refLen || !strings.HasPrefix(string(v), uuidPrefix) {
		return UUID{}, false
	}
	u, err := ParseUUID(string(v[len(uuidPrefix) : len(uuidPrefix)+36]))
	return u, err == nil
}

// AsRefs returns the members of a set of references (a single reference is a set of one), nil for any other value.
func (v Value) AsRefs() []UUID {
	body := v.setBody()
	out := make([]UUID, 0, (len(body)+1)/(refLen+1))
	for body != "" {
		var atom string
		if atom, body = cut(body); atom == "" {
			return nil
		}
		u, ok := Value(atom).AsRef()
		if !ok {
			return nil
		}
		out = append(out, u)
	}
	return out
}

// AsStrings returns the members of a set of strings (a single string is a set of one).
func (v Value) AsStrings() []string {
	var out []string
	for body := v.setBody(); body != ""; {
		var atom string
		if atom, body = cut(body); atom == "" {
			return nil
		}
		s, ok := unquote(atom)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// AsMap returns the entries of a map of strings, nil for any other value.
// The strings are copies: keeping one of them does not keep the memory of the others.
func (v Value) AsMap() map[string]string {
	body, ok := v.mapBody()
	if !ok {
		return nil
	}
	m := make(map[string]string, 4)
	for body != "" {
		var pair string
		if pair, body = cut(body); pair == "" {
			return nil
		}
		key, value, ok := cutPair(pair)
		if !ok {
			return nil
		}
		k, isString := unquote(key)
		w, isStringToo := unquote(value)
		if !isString || !isStringToo {
			return nil
		}
		m[detach(k, key)] = detach(w, value)
	}
	return m
}

// detach copies a string that may share the memory of the literal it was decoded from.
func detach(s, literal string) string {
	if len(s) == len(literal)-2 {
		return strings.Clone(s)
	}
	return s
}

// setBody returns the comma separated members of a set; an atom is a set of one.
func (v Value) setBody() string {
	if body, ok := strings.CutPrefix(string(v), setPrefix); ok {
		return strings.TrimSuffix(body, suffix)
	}
	return string(v)
}

// mapBody returns the comma separated pairs of a map.
func (v Value) mapBody() (string, bool) {
	body, ok := strings.CutPrefix(string(v), mapPrefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(body, suffix)
}

// cut returns the first element of a comma separated list of canonical values and the rest; "" if there is none.
func cut(list string) (element, rest string) {
	end := refLen
	if len(list) < refLen || !strings.HasPrefix(list, uuidPrefix) {
		if end = valueEnd(list, 0); end < 0 {
			return "", ""
		}
	}
	if end == len(list) {
		return list, ""
	}
	if list[end] != ',' || end+1 == len(list) {
		return "", ""
	}
	return list[:end], list[end+1:]
}

// cutPair takes a pair of a map apart.
func cutPair(pair string) (key, value string, ok bool) {
	if len(pair) < 2 || pair[0] != '[' || pair[len(pair)-1] != ']' {
		return "", "", false
	}
	pair = pair[1 : len(pair)-1]
	key, value = cut(pair)
	if key == "" || valueEnd(value, 0) != len(value) {
		return "", "", false
	}
	return key, value, true
}

func joinSet(atoms []string) Value {
	if len(atoms) == 1 {
		return Value(atoms[0])
	}
	return join(setPrefix, atoms)
}

func join(prefix string, elements []string) Value {
	size := len(prefix) + len(suffix) + len(elements)
	for _, e := range elements {
		size += len(e)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(prefix)
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e)
	}
	b.WriteString(suffix)
	return Value(b.String())
}
