package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	macs      = regexp.MustCompile(`\b00:00:00(:[0-9A-F]{2}){3}\b`) // of the users' guides' form; another would be seen
	defaults  = regexp.MustCompile(`\b10\.16\.0\.\d+\b`)            // in the default Subnet, which lives longer than a transcript
	uuids     = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)
	times     = regexp.MustCompile(`"?\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"?`)
	revisions = regexp.MustCompile(`(?m)^( *resourceVersion): "\d+"$`)
	ages      = regexp.MustCompile(`^(\d+[smhd])+$`)
	columns   = regexp.MustCompile(`\S+(  ?\S+)*`) // kubectl separates columns by three spaces at least
)

// namer replaces what the server chooses differently at each run by names, the same everywhere in a transcript.
type namer struct {
	given           []string // addresses that the author wrote: they are no choices of the server
	macs, addresses []string
}

// know takes note of the addresses in what the author wrote.
func (n *namer) know(text string) {
	n.given = append(append(n.given, macs.FindAllString(text, -1)...), defaults.FindAllString(text, -1)...)
}

func (n *namer) normal(text string) string {
	text = macs.ReplaceAllStringFunc(text, func(mac string) string { return n.name("mac", &n.macs, mac) })
	text = defaults.ReplaceAllStringFunc(text, func(address string) string {
		if address == "10.16.0.0" || address == "10.16.0.1" { // the prefix and its gateway
			return address
		}
		return n.name("address", &n.addresses, address)
	})
	text = uuids.ReplaceAllString(text, "<uuid>")
	text = times.ReplaceAllString(text, "<time>")
	return revisions.ReplaceAllString(text, "$1: <revision>")
}

// name is what a value is called: as it is when the author knew it, otherwise the same name wherever it occurs.
func (n *namer) name(what string, known *[]string, value string) string {
	if slices.Contains(n.given, value) {
		return value
	}
	i := slices.Index(*known, value)
	if i < 0 {
		i, *known = len(*known), append(*known, value)
	}
	return fmt.Sprintf("<%s%d>", what, i+1)
}

// tables normalizes what "kubectl get" prints and aligns it anew. Lines that belong to no table stay as they are.
func (n *namer) tables(text string) string {
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n\n") {
		lines := strings.Split(block, "\n")
		start := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "NAME ") })
		if start < 0 {
			out.WriteString(n.normal(block) + "\n")
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		for _, line := range lines[:start] {
			out.WriteString(n.normal(line) + "\n")
		}
		out.WriteString(align(n.cells(lines[start:])))
	}
	return out.String()
}

// cells takes a table apart at the columns of its header.
func (n *namer) cells(lines []string) [][]string {
	header := columns.FindAllStringIndex(lines[0], -1)
	var table [][]string
	for i, line := range lines {
		var cells []string
		for c, at := range header {
			end := len(line)
			if c+1 < len(header) {
				end = min(end, header[c+1][0])
			}
			cell := strings.TrimSpace(line[min(at[0], end):end])
			if i > 0 && lines[0][at[0]:at[1]] == "AGE" && ages.MatchString(cell) {
				cell = "<age>"
			}
			cells = append(cells, n.normal(cell))
		}
		table = append(table, cells)
	}
	return table
}

func align(table [][]string) string {
	var out strings.Builder
	for _, cells := range table {
		var line strings.Builder
		for c, cell := range cells {
			width := 0
			for _, other := range table {
				width = max(width, len(other[c]))
			}
			fmt.Fprintf(&line, "%-*s", width+3, cell)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

// outline sorts what ovn-nbctl prints indented: the order of its entries is that of their random identifiers.
func outline(text string) string {
	lines := strings.Split(strings.TrimRight(uuids.ReplaceAllString(text, "<uuid>"), "\n"), "\n")
	var entries [][]string // an entry is a line and all lines below it that are indented further
	depth := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "ipv6-lla:") {
			continue // shown by OVN 25.03 and newer
		}
		if members, found := strings.CutPrefix(strings.TrimSpace(line), "gateway chassis: ["); found {
			names := strings.Fields(strings.TrimSuffix(members, "]"))
			slices.Sort(names)
			line = strings.Repeat(" ", depth(line)) + "gateway chassis: [" + strings.Join(names, " ") + "]"
		}
		if n := len(entries); n > 0 && depth(line) > depth(entries[n-1][0]) {
			entries[n-1] = append(entries[n-1], line)
		} else {
			entries = append(entries, []string{line})
		}
	}
	var sorted []string
	for _, e := range entries {
		whole := e[0] + "\n"
		if len(e) > 1 {
			whole += outline(strings.Join(e[1:], "\n"))
		}
		sorted = append(sorted, whole)
	}
	slices.Sort(sorted)
	return strings.Join(sorted, "")
}
