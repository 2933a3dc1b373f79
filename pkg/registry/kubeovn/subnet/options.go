package subnet

import (
	"fmt"
	"strings"
)

// parseOptions reads "key=value,key={a,b}" as DHCP options and router advertisements are written; blanks around keys and
// values do not count.
func parseOptions(s string) (map[string]string, error) {
	options := map[string]string{}
	for _, part := range splitOutsideBraces(s) {
		key, value, found := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(part) == "":
			return nil, fmt.Errorf("%q has an empty entry: write name=value, separated by commas", s)
		case !found || key == "" || value == "":
			return nil, fmt.Errorf("%q is not an option: write name=value", strings.TrimSpace(part))
		case strings.Count(value, "{") != strings.Count(value, "}"):
			return nil, fmt.Errorf("the braces of %q are not balanced", strings.TrimSpace(part))
		}
		if _, twice := options[key]; twice {
			return nil, fmt.Errorf("option %q is given twice", key)
		}
		options[key] = value
	}
	return options, nil
}

func splitOutsideBraces(s string) []string {
	if s == "" {
		return nil
	}
	var parts []string
	depth, start := 0, 0
	for i, c := range s {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth <= 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
