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
		`inport == "vpc1-subnet1" && !tcp`,
		"ip4.src == $as_ip4 || ip6.src == {fd00::1, fd00::/64 $more}",
		"outport == @ovn.sg.web && (tcp.dst == 80 || tcp.dst == {443, 8443})",
		"10.0.0.1 == ip4.src",
		"0 < ip.ttl <= 5",
		"1",
		"!(ip4 && udp)",
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
		{"bits that are no bits", "reg0[x] == 1", `column 5: "[x]" is not a bit`},
		{"too deep", strings.Repeat("(", 101) + "ip4" + strings.Repeat(")", 101), "nested deeper than 100"},
		{"too many negations", strings.Repeat("!", 101) + "ip4", "nested deeper than 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Check(test.expression)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want %s", test.expression, err, test.want)
			}
		})
	}
}

func TestUnknownFieldsAreNamed(t *testing.T) {
	got := UnknownFields("ip4.scr == 10.0.0.1 && reg3 == 1 && (tcp.dport == 80 || xxreg1[0] == 1)")
	if diff := cmp.Diff([]string{"ip4.scr", "tcp.dport"}, got); diff != "" {
		t.Error(diff)
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
