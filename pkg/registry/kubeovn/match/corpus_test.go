package match

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// names of the address set and the port group that the Southbound database of the tests has.
const (
	setName   = "set.v4"
	groupName = "group_1"
)

// numbers are constants of every format and of widths around those of fields, right ones and wrong ones.
var numbers = []string{
	"0", "1", "2", "3", "7", "80", "255", "256", "4095", "4096", "65535", "65536", "70000", "4294967295", "4294967296",
	"18446744073709551615", "18446744073709551616", "010", "0x0", "0x1", "0X1f", "0xffff", "0x10000", "0x", "0xg",
	"0xffffffffffffffffffffffffffffffff", "0x1ffffffffffffffffffffffffffffffff", "0x000000000000000000000000000000000001",
	"10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.0/32", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/0xff", "10.0.0.256",
	"10.0.0", "10.0.0.01", "1.2.3.4.5", "10.0.0.1:80",
	"fd00::1", "fd00::/64", "fd00::/128", "fd00::/129", "::", "::1", "::/0", "::ffff:10.0.0.1", "fd00::/ffff::", "fd00::1::2", "fd00:1:2:3:4:5:6:7:8",
	"00:00:00:00:00:01", "aa:bb:cc:dd:ee:ff", "AA:BB:CC:DD:EE:FF", "01:00:00:00:00:00/01:00:00:00:00:00", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff/24", "aa:bb:cc:dd:ee:fg",
	"0/0", "1/1", "5/7", "0/0x12", "1/0x12", "0x12/0xff", "0x12/255", "80/16", "1/", "1//2", "/8", "80abc", "80.", "face", "1e5",
}

// texts are what stands between quotation marks, right and wrong.
var texts = []string{
	`"p1"`, `""`, `"a b"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9"`, `"é"`, `"\ud83d\ude00"`, `"\q"`, `"\u12"`, `"\u0000"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"80"`,
	"\"tab\there\"", `"// no comment"`, `"a`, `'a'`,
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">="}

// enumerated holds every field beside every sort of comparison and negation.
func enumerated() []string {
	var all []string
	for _, name := range append(slices.Sorted(maps.Keys(symbols)), "no_such", "tcp.port", "ip4.scr", "tun_id", "eth", "is_chassis_resident") {
		width := symbols[name].width
		top := "0x1" + strings.Repeat("0", width/4) // one bit or more too wide
		fitting := []string{"0", "1", fmt.Sprintf("0x%x", min(uint64(1)<<(min(max(width, 1), 63))-1, 1<<62)), top, "1/1", "0/0", `"p1"`, "10.0.0.1", "fd00::/64", "aa:bb:cc:dd:ee:ff", "{0, 1}", "{1}"}
		for _, op := range comparisons {
			for _, c := range fitting {
				all = append(all, fmt.Sprintf("%s %s %s", name, op, c))
			}
			for _, form := range []string{"!(%s %s 1)", "!(!(%s %s 1))", "!%s %s 1", "1 %[2]s %[1]s", "!(1 %[2]s %[1]s)", "0 < %s %s 1", "0 >= %s %s 1", "%s[0] %s 1", "!(tcp.dst == 1 || !(%s %s 0))"} {
				all = append(all, fmt.Sprintf(form, name, op))
			}
		}
		for _, form := range []string{"%s", "!%s", "!(%s)", "!!%s", "!(!%s)", "%s && 1", "%s[0]", "!%s[0]", "%[1]s[0..%[2]d] == 0", "%[1]s[0..%[3]d] == 0", "%[1]s[%[2]d]", "%[1]s[%[3]d]",
			"%s[1..0] == 0", "%s(\"p1\")", "%s == @" + groupName, "%s == " + `"p1"`, "%s == {\"p1\", 1}"} {
			text := fmt.Sprintf(form+"%.0[2]d%.0[3]d%.0[1]s", name, max(width-1, 0), width)
			all = append(all, text)
		}
		if width == 0 || width >= 32 {
			for _, form := range []string{"%s == $" + setName, "!(%s == {$" + setName + ", 1})", "%s != $" + setName} {
				all = append(all, fmt.Sprintf(form, name))
			}
		}
	}
	for _, c := range slices.Concat(numbers, texts) {
		for _, form := range []string{"%s", "ip4.src == %s", "ip6.dst != %s", "%s == eth.src", "inport == %s", "tcp.dst < %s", "ct_label == {1, %s}", "reg0[%s]", "is_chassis_resident(%s)", "tcp == %s"} {
			all = append(all, fmt.Sprintf(form, c))
		}
	}
	return append(all, forms...)
}

// forms are of the whole expression.
var forms = []string{
	"", " ", "\t\n\r\v\f", "ip4 // comment", "ip4 // comment\n", "// comment\nip4", "ip4 /* comment */ && /**/ tcp", "/* comment */", "// comment", "ip4 /* a\nb */", "ip4 /* open", "ip4 /*/",
	"ip4 / 1", "ip4 /", "10.0.0.0 / 8 == ip4.src", "ip4.src == 10.0.0.1//comment", "ip4.src == 10.0.0.1 //comment", "ip4.src == 10.0.0.1/*c*/",
	"ip4 && tcp || udp", "(ip4 && tcp) || udp", "ip4 &&", "&& ip4", "ip4 & tcp", "ip4 = 1", "ip4 = ", "ip4)", "(ip4", "()", "ip4 tcp", "ip4 || (tcp && (udp || !(ct.new && ct.est)))",
	"tcp.dst == {}", "tcp.dst == {,}", "tcp.dst == {1,}", "tcp.dst == {1 2 3}", "tcp.dst == {1,,2}", "tcp.dst == {1", "tcp.dst == 1}", "{1, 2} == tcp.dst", "{1, 2} < tcp.dst", "{0}", "0", "1", "!0", "!(1)", "2", "00", "0x1",
	"0 < tcp.dst < 5", "0 <= tcp.dst < 5", "5 > tcp.dst >= 0", "0 < tcp.dst > 100", "0 == tcp.dst == 1", "0 < tcp.dst != 1", "0 < tcp.dst < 5 < 6", "0 < ip.ttl <= 5", "1 < 2", "ip4.src == ip4.dst",
	"tcp.dst[0..7] == 1", "tcp.dst [ 0 .. 7 ] == 1", "tcp.dst[0...7] == 1", "tcp.dst[0.7] == 1", "tcp.dst[] == 1", "tcp.dst[0..] == 1", "tcp.dst[..7] == 1", "tcp.dst[-1] == 1", "tcp.dst[0x1] == 1", "tcp.dst[1/1]", "tcp.dst[0]]", "tcp.dst[0", "tcp.dst[2147483648]", "inport[0] == 1",
	"is_chassis_resident(\"p1\")", "!is_chassis_resident(\"p1\")", "is_chassis_resident (\"p1\") && ip4", "is_chassis_resident", "is_chassis_resident(p1)", "is_chassis_resident()", "is_chassis_resident(\"p1\"", "is_chassis_resident(\"p1\", \"p2\")", "is_chassis_resident(@" + groupName + ")",
	"no_function(\"p1\")", "tcp(\"p1\")", "$" + setName, "@" + groupName, "ip4.src == $", "ip4.src == $1", "ip4.src == $ " + setName, "inport == {@" + groupName + " \"p1\"}", "@" + groupName + " == inport", "ip4.src == {$" + setName + " 10.0.0.1}", "ip4.src == @" + groupName, "inport == $" + setName,
	"ip4.src == $" + setName + "-1", "ip4.src == #", "ip4;", "ip4 -- tcp", "ip4 <-> tcp", "ip4.src <-> 1", "next;", "é", "ip4.src == 10.0.0.1\u00a0", "IP4", ".ip4", "ip4..src", "xreg0 == 0x10000000000000000", "xxreg0 == 0x10000000000000000",
	strings.Repeat("(", maxDepth) + "ip4" + strings.Repeat(")", maxDepth), strings.Repeat("(", 101) + "ip4" + strings.Repeat(")", 101), strings.Repeat("!(", 80) + "ct.new" + strings.Repeat(")", 80), strings.Repeat("!", 2) + "ct.new",
}

// generator makes expressions that are mostly right, by the grammar, and breaks some of them.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

var names = slices.Sorted(maps.Keys(symbols))

func (g generator) expression(depth int) string {
	n := 1
	if g.IntN(3) == 0 {
		n += g.IntN(3)
	}
	joiner := pick(g, []string{" && ", " || ", "&&", "||"})
	terms := make([]string, n)
	for i := range terms {
		terms[i] = g.term(depth)
	}
	text := strings.Join(terms, joiner)
	if g.IntN(40) == 0 {
		text += pick(g, []string{" // c", "/* c */ ", " && ct.new || ct.est"})
	}
	return text
}

func (g generator) term(depth int) string {
	negation := pick(g, []string{"", "", "", "!", "! "})
	switch {
	case depth > 0 && g.IntN(3) == 0:
		return negation + "(" + g.expression(depth-1) + ")"
	case g.IntN(12) == 0:
		return negation + pick(g, []string{"0", "1", `is_chassis_resident("p1")`})
	case negation != "" && g.IntN(8) != 0:
		return negation + pick(g, []string{"", "", "("}) + g.operand() // alone, or an open parenthesis to be closed below
	}
	return g.comparison()
}

func (g generator) operand() string {
	name := pick(g, names)
	width := symbols[name].width
	if g.IntN(6) != 0 || width == 0 {
		return name
	}
	low := g.IntN(width + g.IntN(2))
	if g.IntN(2) == 0 {
		return fmt.Sprintf("%s[%d]", name, low)
	}
	return fmt.Sprintf("%s[%d..%d]", name, low, low+g.IntN(width-min(low, width-1)+g.IntN(2)))
}

func (g generator) comparison() string {
	f := g.operand()
	name, _, _ := strings.Cut(f, "[")
	switch g.IntN(8) {
	case 0:
		return f
	case 1:
		op := pick(g, []string{"<", "<=", ">", ">="})
		return fmt.Sprintf("%s %s %s %s %s", g.constant(name), op, f, pick(g, []string{op, op[:1], op[:1] + "="}), g.constant(name))
	case 2:
		return fmt.Sprintf("%s %s %s", g.constants(name), pick(g, comparisons), f)
	}
	return fmt.Sprintf("%s %s %s", f, pick(g, []string{"==", "==", "==", "!=", "!=", "<", ">="}), g.constants(name))
}

func (g generator) constants(name string) string {
	if g.IntN(3) != 0 {
		return g.constant(name)
	}
	members := make([]string, 1+g.IntN(3))
	for i := range members {
		members[i] = g.constant(name)
	}
	if width := symbols[name].width; width >= 32 && g.IntN(4) == 0 {
		members = append(members, "$"+setName)
	}
	return "{" + strings.Join(members, pick(g, []string{", ", " ", ","})) + "}"
}

// constant mostly suits the field.
func (g generator) constant(name string) string {
	width := symbols[name].width
	switch {
	case g.IntN(25) == 0:
		return pick(g, slices.Concat(numbers, texts))
	case width == 0:
		return pick(g, []string{`"p1"`, `"p\u0031"`, "@" + groupName})
	case width == 32 && g.IntN(2) == 0:
		return fmt.Sprintf("10.%d.0.0/%d", g.IntN(257), g.IntN(34))
	case width == 48 && g.IntN(2) == 0:
		return fmt.Sprintf("0a:00:00:00:%02x:%02x", g.IntN(256), g.IntN(256))
	case width == 128 && g.IntN(2) == 0:
		return fmt.Sprintf("fd%02x::%x/%d", g.IntN(256), g.IntN(1<<16), g.IntN(130))
	}
	value := g.Uint64() >> (64 - min(1+g.IntN(width+g.IntN(2)), 64))
	switch g.IntN(4) {
	case 0:
		return fmt.Sprintf("0x%x", value)
	case 1:
		return fmt.Sprintf("%d/%d", value, g.Uint64()>>(64-min(width, 64)))
	}
	return fmt.Sprint(value)
}

// broken takes out, doubles, exchanges or adds a piece.
func (g generator) broken(text string) string {
	if text == "" {
		return text
	}
	from := g.IntN(len(text))
	to := from + 1 + g.IntN(min(3, len(text)-from))
	switch g.IntN(4) {
	case 0:
		return text[:from] + text[to:]
	case 1:
		return text[:to] + text[from:]
	case 2:
		return text[:from] + pick(g, slices.Concat(comparisons, []string{"(", ")", "!", "&&", "||", "{", "}", ",", "[", "]", "..", " ", "\"", "/", "0", "a", ".", ":", "-", "=", "$", "@", "\n"})) + text[from:]
	}
	return text[:from] + pick(g, names) + text[to:]
}

// generated returns n expressions, the same for the same seed.
func generated(seed uint64, n int) []string {
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	all := make([]string, 0, n)
	for len(all) < n {
		text := g.expression(3)
		if g.IntN(3) == 0 {
			text = g.broken(text)
		}
		all = append(all, text)
	}
	return all
}
