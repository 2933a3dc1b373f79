package ovsdb

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Canonical returns the canonical form of a value in the notation of the wire. It fails for what is no value.
// A value as the server writes it is canonical already, which is recognized in one pass.
func Canonical(raw string) (Value, error) {
	if isCanonical(raw) {
		return Value(raw), nil
	}
	compact, ok := normalize(raw)
	if !ok {
		return "", fmt.Errorf("malformed value %.80q", raw)
	}
	v := Value(compact)
	if body, isMap := v.mapBody(); isMap {
		return canonicalMap(body)
	}
	if !strings.HasPrefix(compact, setPrefix) {
		return v, nil
	}
	var atoms []string
	for body := v.setBody(); body != ""; {
		var atom string
		if atom, body = cut(body); atom == "" {
			return "", fmt.Errorf("malformed set %.80q", raw)
		}
		atoms = append(atoms, atom)
	}
	slices.SortFunc(atoms, compareAtoms)
	return joinSet(slices.Compact(atoms)), nil
}

func canonicalMap(body string) (Value, error) {
	type pair struct{ key, whole string }
	var pairs []pair
	for rest := body; rest != ""; {
		var whole string
		whole, rest = cut(rest)
		key, _, ok := cutPair(whole)
		if !ok {
			return "", fmt.Errorf("malformed map %.80q", body)
		}
		pairs = append(pairs, pair{key, whole})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return compareAtoms(a.key, b.key) })
	elements := make([]string, len(pairs))
	for i, p := range pairs {
		if i > 0 && pairs[i-1].key == p.key {
			return "", fmt.Errorf("key %s occurs twice in a map", p.key)
		}
		elements[i] = p.whole
	}
	return join(mapPrefix, elements), nil
}

// isCanonical reports whether s is a value in canonical notation. It may say no to one that is, never yes to one that is not.
func isCanonical[T text](s T) bool { return len(s) > 0 && canonicalEnd(s, 0) == len(s) }

// canonicalEnd returns the index behind the value at s[i] if its notation is certainly canonical, otherwise -1.
func canonicalEnd[T text](s T, i int) int {
	isMap := hasPrefix(s, i, mapPrefix)
	if !isMap && !hasPrefix(s, i, setPrefix) {
		return atomEnd(s, i)
	}
	i += len(setPrefix)
	if hasPrefix(s, i, suffix) {
		return i + len(suffix)
	}
	for members, last, lastEnd := 0, 0, 0; ; members++ {
		if isMap {
			if i >= len(s) || s[i] != '[' {
				return -1
			}
			i++
		}
		end := atomEnd(s, i)
		if end < 0 || members > 0 && !ascending(s[last:lastEnd], s[i:end]) {
			return -1
		}
		last, lastEnd = i, end
		if isMap {
			if end >= len(s) || s[end] != ',' {
				return -1
			}
			if end = atomEnd(s, end+1); end < 0 || end >= len(s) || s[end] != ']' {
				return -1
			}
			end++
		}
		if hasPrefix(s, end, suffix) {
			if members == 0 && !isMap {
				return -1 // a set of one
			}
			return end + len(suffix)
		}
		if end >= len(s) || s[end] != ',' {
			return -1
		}
		i = end + 1
	}
}

func hasPrefix[T text](s T, i int, prefix string) bool {
	return len(s)-i >= len(prefix) && string(s[i:i+len(prefix)]) == prefix
}

// atomEnd returns the index behind the atom at s[i] if its notation is certainly canonical, otherwise -1.
func atomEnd[T text](s T, i int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '[':
		if !hasPrefix(s, i, uuidPrefix) || !hasPrefix(s, i+refLen-2, `"]`) {
			return -1
		}
		for j := i + len(uuidPrefix); j < i+refLen-2; j++ {
			if c := s[j]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return -1
			}
		}
		return i + refLen
	case '"':
		for i++; i < len(s); i++ {
			switch c := s[i]; {
			case c == '"':
				return i + 1
			case c == '\\':
				// The server writes \u for control characters only: rare enough for the slow way.
				if i++; i >= len(s) || !isShortEscape(s[i]) {
					return -1
				}
			case c < 0x20:
				return -1
			}
		}
		return -1
	case '{':
		return -1
	}
	return valueEnd(s, i)
}

// isShortEscape reports whether the canonical notation has the escape of a backslash and c.
func isShortEscape(c byte) bool {
	switch c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}

// ascending reports whether atom a sorts before atom b.
func ascending[T text](a, b T) bool {
	if a[0] == '[' && b[0] == '[' {
		return string(a) < string(b)
	}
	if a[0] != '"' || b[0] != '"' {
		return compareAtoms(string(a), string(b)) < 0
	}
	x, y := a[1:len(a)-1], b[1:len(b)-1]
	for i := range min(len(x), len(y)) {
		if x[i] == '\\' || y[i] == '\\' {
			return compareAtoms(string(a), string(b)) < 0
		}
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return len(x) < len(y)
}

// normalize removes white space between tokens and writes every string as appendString does.
func normalize(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case isSpace(c):
			for i < len(s) && isSpace(s[i]) {
				i++
			}
			if len(b) > 0 && i < len(s) && valueEnd(b, len(b)-1) > 0 && valueEnd(s, i) > 0 {
				return "", false // two values with nothing between them
			}
		case c == '"':
			end := stringEnd(s, i)
			if end < 0 {
				return "", false
			}
			content, ok := unquoteSlowly(s[i:end])
			if !ok {
				return "", false
			}
			b = appendString(b, content)
			i = end
		default:
			b = append(b, c)
			i++
		}
	}
	return string(b), len(b) > 0 && b[0] != '{' && valueEnd(b, 0) == len(b)
}

// compareAtoms orders atoms as the server does: strings by content (strcmp), so that the order does not depend on escapes,
// numbers by value, references by UUID.
func compareAtoms(a, b string) int {
	if a != "" && b != "" && a[0] == '[' && b[0] == '[' {
		return strings.Compare(a, b)
	}
	x, xs := unquote(a)
	y, ys := unquote(b)
	if xs && ys {
		return strings.Compare(x, y)
	}
	i, err := strconv.ParseInt(a, 10, 64)
	j, err2 := strconv.ParseInt(b, 10, 64)
	if err == nil && err2 == nil {
		return cmp.Compare(i, j)
	}
	f, err := strconv.ParseFloat(a, 64)
	g, err2 := strconv.ParseFloat(b, 64)
	if err == nil && err2 == nil {
		return cmp.Compare(f, g)
	}
	return strings.Compare(a, b)
}

// ApplyDiff returns v changed by the "modify" part of an update3 notification (ovsdb-server(7), section 4.1.14): for sets the members that
// were added or removed, for maps the pairs that were added, removed (same value) or changed; otherwise the new value.
// scalar says that the column holds at most one atom, when a difference is always the new value.
// Both values must be canonical, and the result is; "" as v stands for an empty set or map.
// The time is linear in the size of v, with one allocation.
func (v Value) ApplyDiff(diff Value, scalar bool) Value {
	if scalar {
		return diff
	}
	prefix := setPrefix
	changes, isMap := diff.mapBody()
	var old string
	if isMap {
		prefix = mapPrefix
		old, _ = v.mapBody()
	} else {
		changes, old = diff.setBody(), v.setBody()
	}
	b := append(make([]byte, 0, len(prefix)+len(old)+len(changes)+len(suffix)+1), prefix...)
	count := 0
	take := func(elements string, n int) {
		if count > 0 && elements != "" {
			b = append(b, ',')
		}
		b = append(b, elements...)
		count += n
	}
	for changes != "" {
		var change string
		if change, changes = cut(changes); change == "" {
			break
		}
		// Everything that sorts before the change stays, and is copied as one run.
		run, n, rest := before(old, sortKey(change, isMap), isMap)
		take(old[:run], n)
		old = rest
		same := ""
		if old != "" {
			same, rest = cut(old)
		}
		switch {
		case same == change:
			old = rest
			continue
		case same != "" && isMap && sortKey(same, true) == sortKey(change, true):
			old = rest
		}
		take(change, 1)
	}
	if old != "" {
		n := 1
		if _, rest := cut(old); rest != "" {
			n = 2 // or more: enough to know that it is not one
		}
		take(old, n)
	}
	if count == 1 && !isMap {
		return Value(b[len(prefix):])
	}
	return value(append(b, suffix...))
}

// before returns the length of the run of elements in list that sort before key, their number, and what follows.
func before(list, key string, isMap bool) (run, n int, rest string) {
	rest = list
	end := 0
	for rest != "" {
		element, next := cut(rest)
		if element == "" || compareAtoms(sortKey(element, isMap), key) >= 0 {
			break
		}
		n++
		run = end + len(element)
		end = run + 1
		rest = next
	}
	return run, n, rest
}

// sortKey is the atom by which an element of a set or map is ordered.
func sortKey(element string, isMap bool) string {
	if !isMap {
		return element
	}
	key, _, _ := cutPair(element)
	return key
}
