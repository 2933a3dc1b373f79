package match

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckAcceptsWhatOVNReads(t *testing.T) {
	for _, expression := range []string{
		"ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250",
		"ip4.src==10.0.1.0/24",
		`inport == "vpc1-subnet1" && !ct.new`,
		"ip4.src == $as_ip4 || ip6.src == {fd00::1, fd00::/64 $more.v6}",
		"outport == @ovn.sg.web && (tcp.dst == 80 || tcp.dst == {443, 8443})",
		"10.0.0.1 == ip4.src",
		"0 < tcp.dst <= 5",
		"!(ip.proto != 6)",
		"!tcp.flags",
		"!(ct.new && ct.est)",
		"ip4 // the comment ends with the expression",
		"ip4 /* a comment */ && // another\n tcp",
		"reg0 [ 0 .. 15 ] == 0x800",
		"1",
		"eth.src == aa:bb:cc:dd:ee:0f && eth.dst == 01:00:00:00:00:00/01:00:00:00:00:00",
		"reg0[0..15] == 0x800 && ct_label[3]",
		`is_chassis_resident("cr-vpc1-external")`,
		"ip4.dst == 10.0.0.0/255.255.0.0",
		"ip6.dst == ::/0",
	} {
		if err := Check(expression); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

func TestCheckSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, test := range []struct {
		name       string
		expression string
		want       string
	}{
		{"an empty expression", " ", "column 1: the expression is empty"},
		{"an unknown character", "ip4.src == #", "column 12: unexpected character '#'"},
		{"a character beyond ASCII", "ip4.src == 10.0.0.1\u00a0", "column 20: unexpected character '\\u00a0'"},
		{"one ampersand", "ip4 & tcp", `column 5: unexpected character '&': write "&&"`},
		{"one equals sign", "ip4.src = 10.0.0.1", `column 9: unexpected character '=': write "=="`},
		{"an unclosed parenthesis", "(ip4 && tcp", `column 12: expected ")" to close "(" of column 1, got end of expression`},
		{"a parenthesis too many", "ip4)", `column 4: unexpected ")" after a complete expression`},
		{"operators mixed", "ip4 && tcp || udp", "column 12: && and || must be parenthesized when used together"},
		{"an operator at the end", "ip4 &&", "column 7: expected a condition, got end of expression"},
		{"a comparison with nothing", "ip4.src ==", "column 11: expected a constant, got end of expression"},
		{"an octet too large", "ip4.src == 10.0.0.256", `column 12: "10.0.0.256" is neither`},
		{"an unclosed string", `inport == "a`, "column 11: the quotation mark is never closed"},
		{"an unclosed set", "ip4.src == {10.0.0.1", `column 21: expected "}" to close "{" of column 12`},
		{"an empty set", "ip4.src == {}", "column 13: the set is empty"},
		{"two conditions without an operator", "ip4 tcp", `column 5: unexpected "tcp" after a complete expression`},
		{"a constant alone", "10.0.0.1", "column 9: expected a comparison"},
		{"a set without a name", "ip4.src == $", "column 12: '$' must be followed by a name"},
		{"a field compared with a field", "ip4.src == ip4.dst", `column 12: expected a constant, got "ip4.dst"`},
		{"bits that are no bits", "reg0[x] == 1", `column 6: "x" is not a bit`},
		{"bits that a field does not have", "tcp.dst[16] == 1", "column 8: tcp.dst has no bits 16 to 16: it has 16"},
		{"bits of a nominal field", "ip.proto[0..3] == 1", "column 9: OVN compares only the whole of ip.proto"},
		{"bits of a name", `inport[0] == 1`, "column 7: inport holds a name, which has no bits"},
		{"too deep", strings.Repeat("(", 91) + "ip4" + strings.Repeat(")", 91), "nested deeper than 90"},
		{"two negations", "!!ct.new", "column 2: ! needs parentheses around what it negates"},
		{"a negated predicate", "ip4 && !tcp", "column 9: OVN does not test for the absence of tcp"},
		{"a predicate that is false", "ip4 == 0", "column 1: OVN does not test for the absence of ip4"},
		{"predicates within a negation", "!(ip4 && udp)", "column 3: OVN does not test for the absence of ip4"},
		{"a nominal field that is not something", "ip.proto != 6", "column 10: OVN tests ip.proto only for equality"},
		{"an ordered nominal field", "0 < ip.ttl <= 5", "column 3: OVN does not order values of ip.ttl"},
		{"a constant that is too wide", "tcp.dst == 70000", `column 12: tcp.dst has 16 bits: "70000" has 17`},
		{"an address of another family", "ip4.src == fd60::/64", `column 12: ip4.src has 32 bits: "fd60::/64" has 128`},
		{"a number in quotation marks", `tcp.dst == "80"`, `column 12: tcp.dst holds a number of 16 bits: "\"80\"" is a name`},
		{"a port without quotation marks", "inport == 1", "column 11: inport holds the name of a port"},
		{"an IPv4 prefix that is too long", "ip4.src == 10.0.0.0/33", "column 12: \"10.0.0.0/33\": an IPv4 prefix has at most 32 bits"},
		{"an IPv6 prefix that is too long", "ip6.src == fd00::/129", "an IPv6 prefix has at most 128 bits"},
		{"a mask of another form", "ip4.src == 10.0.0.0/0xff", "value and mask must be written in the same way"},
		{"a negated comparison without parentheses", "!ip4.src == 10.0.0.1", "column 2: ! needs parentheses around a comparison"},
		{"a field of many bits alone", "ip4 && tcp.dst", "column 8: tcp.dst has 16 bits and needs a comparison: write tcp.dst != 0"},
		{"a name alone", "inport", "column 1: inport needs a comparison"},
		{"a range in two directions", "0 < tcp.dst > 100", "column 13: a range must be written x < field < y"},
		{"an unknown field", "tcp.port == 80", `column 1: "tcp.port" is no field that OVN is known to have`},
		{"a field for actions only", "icmp4.frag_mtu == 1400", `column 1: "icmp4.frag_mtu" is no field`},
		{"an unknown function", `resident("p")`, `column 1: "resident" is no function that OVN has`},
		{"an ordered set", "tcp.dst < {1, 2}", "column 9: \"<\" does not go with a set"},
		{"an ordered mask", "tcp.dst < 5/7", "column 9: \"<\" does not go with a mask"},
		{"an address set of ports", "tcp.dst == $set", "column 12: tcp.dst has 16 bits: an address does not fit"},
		{"a group of ports as addresses", "ip4.src == @group", `column 12: ip4.src holds a number of 32 bits: "@group" is a name`},
		{"names and numbers in one set", `inport == {"a", 1}`, "column 17: a set holds either names or numbers"},
		{"a comment that is never closed", "ip4 /* comment", `column 5: "/*" has no "*/" in the same line`},
		{"a wrong escape sequence", `inport == "a\q"`, "column 11: \"\\\\q\" is no escape sequence"},
		{"a number with a zero in front", "tcp.dst == 080", `column 12: "080" must not begin with 0`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Check(test.expression)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want %s", test.expression, err, test.want)
			}
		})
	}
}

func TestDoubtsAreNamed(t *testing.T) {
	got := Doubts("ip6.src == {10.0.0.1 fd00::1} || (nd.target == aa:bb:cc:dd:ee:ff && tcp.dst[0..3] == {15, 16} && ip4.src == 10.0.0.0/8)")
	want := []string{
		`ip6.src has 128 bits: "10.0.0.1" is compared as a number, not as an IPv4 address`,
		`nd.target has 128 bits: "aa:bb:cc:dd:ee:ff" is compared as a number, not as a MAC address`,
		`"16" has more than the 4 bits that are compared`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRowHoldsTogether(t *testing.T) {
	for expression, want := range map[string]string{
		"ip4":                           "ip4",
		"ip4 // all of it":              "ip4 // all of it\n",
		"ip4 // all of it\n":            "ip4 // all of it\n",
		"ip4 /* all of it */":           "ip4 /* all of it */",
		`inport == "// no comment"`:     `inport == "// no comment"`,
		"ip4 || ip6":                    "(ip4 || ip6)",
		"ip4 || ip6 // both":            "(ip4 || ip6 // both\n)",
		"(ip4 || ip6) && tcp":           "(ip4 || ip6) && tcp",
		"(ip4 || ip6)":                  "(ip4 || ip6)",
		"ip4 // one\n&& tcp // another": "ip4 // one\n&& tcp // another\n",
	} {
		if got := Row(expression); got != want {
			t.Errorf("%q: got %q, want %q", expression, got, want)
		}
		if err := Check("(ct.new) && " + Row(expression) + " && (ct.est)"); err != nil {
			t.Errorf("%q in parentheses: %v", expression, err)
		}
	}
}

// FuzzCheck holds that no text makes the parser panic or point outside the expression.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250", `inport == "a\"b"`, "{", "$", "a[", "!((", "0<ip.ttl<5", ":", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		err := Check(expression)
		if e, ok := err.(*Error); ok && (e.Column < 1 || e.Column > len(expression)+1) {
			t.Errorf("%q: column %d", expression, e.Column)
		}
	})
}
