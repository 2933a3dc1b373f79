package dhcp

import (
	"fmt"
	"strings"
)

// pair is an option as it was written.
type pair struct{ name, value string }

// split reads "name=value,name={a,b},name="a,b"". Blanks around names and values do not count; commas within braces and quotation marks
// belong to the value.
func split(s string) ([]pair, error) {
	if s == "" {
		return nil, nil
	}
	parts, err := fields(s, ",")
	if err != nil {
		return nil, err
	}
	var pairs []pair
	seen := map[string]bool{}
	for _, part := range parts {
		name, value, found := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case part == "":
			return nil, fmt.Errorf("%q has an empty entry: write name=value, separated by commas", s)
		case !found || name == "" || value == "":
			return nil, fmt.Errorf("%q is not an option: write name=value", part)
		case seen[name]:
			return nil, fmt.Errorf("option %q is given twice", name)
		}
		seen[name] = true
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}

// fields cuts at separators that are neither within braces nor within quotation marks, and trims the pieces.
func fields(s, separators string) ([]string, error) {
	var parts []string
	depth, start, quoted := 0, 0, false
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && strings.ContainsRune(separators, c):
			parts = append(parts, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
		if depth < 0 || depth > 1 {
			return nil, fmt.Errorf("the braces of %q are not balanced", s)
		}
	}
	switch {
	case quoted:
		return nil, fmt.Errorf("a quotation mark of %q is never closed", s)
	case depth != 0:
		return nil, fmt.Errorf("the braces of %q are not balanced", s)
	}
	return append(parts, strings.TrimSpace(s[start:])), nil
}

// members are the values of an option: what is within braces, if it has them. Kube-OVN separates them by semicolons.
func members(value string) ([]string, error) {
	if inner, ok := strings.CutPrefix(value, "{"); ok {
		inner, ok = strings.CutSuffix(inner, "}")
		if !ok {
			return nil, fmt.Errorf("%q has text behind its brace", value)
		}
		value = inner
	}
	all, err := fields(value, ",;")
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m == "" || strings.ContainsAny(m, "{}") {
			return nil, fmt.Errorf("%q is not a list: write {a,b}", value)
		}
	}
	return all, nil
}

// join writes values as OVN reads them.
func join(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "{" + strings.Join(values, ", ") + "}"
}
