package ovsdb

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var (
	rowA = UUID{0x0a}
	rowB = UUID{0x0b, 15: 1}
)

func TestCanonical(t *testing.T) {
	for _, test := range []struct {
		name string
		raw  string
		want Value
	}{
		{"an atom stays", `"a"`, `"a"`},
		{"a number stays", `-12`, `-12`},
		{"a reference stays", string(Ref(rowA)), Ref(rowA)},
		{"the empty set stays", `["set",[]]`, Empty},
		{"the empty map stays", `["map",[]]`, Map(nil)},
		{"a set of one member is the member", `["set",["a"]]`, `"a"`},
		{"members of a set are sorted", `["set",["b","a"]]`, Strings("a", "b")},
		{"members of a set are unique", `["set",["b","a","b"]]`, Strings("a", "b")},
		{"a prefix sorts first", `["set",["ab","a"]]`, Strings("a", "ab")},
		{"strings sort by content, not by their escapes", `["set",["a\\","a!"]]`, Strings("a!", `a\`)},
		{"numbers sort by value", `["set",[10,9,-1]]`, `["set",[-1,9,10]]`},
		{"references sort", `["set",[` + string(Ref(rowB)) + `,` + string(Ref(rowA)) + `]]`, Refs(rowA, rowB)},
		{"pairs of a map sort by key", `["map",[["b","1"],["a","2"]]]`, Map(map[string]string{"a": "2", "b": "1"})},
		{"white space is removed outside of strings only", " [ \"map\" ,\n[ [\"b\" , \" 1 \"] , [\"a\",\"2\"] ] ] ", Map(map[string]string{"a": "2", "b": " 1 "})},
		{"escapes that need not be are decoded", `"\u0061\/\u00e9\ud83d\ude00"`, String("a/é😀")},
		{"escapes that must be are those of the server", `"\u0001\u000A"`, String("\x01\n")},
		{"keys with escapes sort by content", `["map",[["\u0062","1"],["a","2"]]]`, Map(map[string]string{"a": "2", "b": "1"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Canonical(test.raw)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			again, err := Canonical(string(got))
			if err != nil || again != got {
				t.Errorf("the canonical form of the canonical form %s is %s, %v", got, again, err)
			}
		})
	}
}

func TestCanonicalRefusesWhatIsNoValue(t *testing.T) {
	for _, raw := range []string{
		``, ` `, `"`, `"a`, `[`, `]`, `["set",[`, `["set",["a"]`, `["set",["a",]]`, `["map",[["a"]]]`, `["map",[["a","b","c"]]]`,
		`["map",[["a","1"],["a","2"]]]`, `{"a":1}`, `"a""b"`, `1 2`, `"\x"`, `"\u12"`, `["set",["a" "b"]]`,
	} {
		if v, err := Canonical(raw); err == nil {
			t.Errorf("%q: got %s, want an error", raw, v)
		}
	}
}

func TestApplyDiff(t *testing.T) {
	ab, abc := Strings("a", "b"), Strings("a", "b", "c")
	for _, test := range []struct {
		name      string
		old, diff Value
		scalar    bool
		want      Value
	}{
		{"a scalar is replaced", `"a"`, `"b"`, true, `"b"`},
		{"an optional scalar is emptied", `"a"`, Empty, true, Empty},
		{"an optional scalar is set", Empty, `"a"`, true, `"a"`},
		{"members are added", Strings("b"), Strings("a", "c"), false, abc},
		{"members are removed", abc, Strings("c"), false, ab},
		{"members are added and removed", abc, Strings("b", "d"), false, Strings("a", "c", "d")},
		{"all members are removed", ab, ab, false, Empty},
		{"the only member is removed", `"a"`, `"a"`, false, Empty},
		{"the first member is added", Empty, `"a"`, false, `"a"`},
		{"the first member of a column never seen is added", "", `"a"`, false, `"a"`},
		{"one member remains", ab, `"a"`, false, `"b"`},
		{"the last member is replaced", `"a"`, ab, false, `"b"`},
		{"nothing changes", ab, Empty, false, ab},
		{"references are added and removed", Refs(rowA), Refs(rowA, rowB), false, Ref(rowB)},
		{"numbers keep their order", `["set",[9,10]]`, `11`, false, `["set",[9,10,11]]`},
		{"pairs are added", Map(map[string]string{"b": "2"}), Map(map[string]string{"a": "1", "c": "3"}), false, Map(map[string]string{"a": "1", "b": "2", "c": "3"})},
		{"pairs are removed", Map(map[string]string{"a": "1", "b": "2"}), Map(map[string]string{"a": "1"}), false, Map(map[string]string{"b": "2"})},
		{"pairs are changed", Map(map[string]string{"a": "1", "b": "2"}), Map(map[string]string{"a": "3"}), false, Map(map[string]string{"a": "3", "b": "2"})},
		{"the last pair is removed", Map(map[string]string{"a": "1"}), Map(map[string]string{"a": "1"}), false, Map(nil)},
		{"the first pair of a column never seen is added", "", Map(map[string]string{"a": "1"}), false, Map(map[string]string{"a": "1"})},
		{"keys with escapes are found", Map(map[string]string{"a\n": "1", "a!": "2"}), Map(map[string]string{"a!": "2"}), false, Map(map[string]string{"a\n": "1"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.old.ApplyDiff(test.diff, test.scalar); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAccessors(t *testing.T) {
	texts := []string{"", `a"b\c/d`, "\x01\b\f\n\r\t\x7f", "é😀\ufeff\ufffd", `{"a":"\u0000"}`}
	for _, s := range texts {
		if got := String(s).AsString(); got != s {
			t.Errorf("a string came back as %q, want %q", got, s)
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(texts)), Strings(texts...).AsStrings()); diff != "" {
		t.Error(diff)
	}
	m := map[string]string{}
	for _, s := range texts {
		m[s] = s + s
	}
	if diff := cmp.Diff(m, Map(m).AsMap()); diff != "" {
		t.Error(diff)
	}
	if got := Value(`"\u00e9\ud83d\ude00\/"`).AsString(); got != "é😀/" {
		t.Errorf("got %q", got)
	}
	if got := Refs(rowB, rowA, rowB).AsRefs(); !slices.Equal(got, []UUID{rowA, rowB}) {
		t.Errorf("got %v", got)
	}
	if got, ok := Ref(rowB).AsRef(); !ok || got != rowB {
		t.Errorf("got %v, %v", got, ok)
	}
	if got, ok := Int(-7).AsInt(); !ok || got != -7 {
		t.Errorf("got %v, %v", got, ok)
	}
	if !Bool(true).AsBool() || Bool(false).AsBool() {
		t.Error("a boolean came back as another")
	}
}

func TestAccessorsOfOtherValuesReturnNothing(t *testing.T) {
	for _, v := range []Value{"", "12", "true", Ref(rowA), Refs(rowA, rowB), Map(map[string]string{"a": "b"}), Empty, `"`, `["set",["a]]`, `["map",[["a"]]]`} {
		if got := v.AsString(); got != "" {
			t.Errorf("%s as a string is %q", v, got)
		}
	}
	for _, v := range []Value{"", `"a"`, "12", Ref(rowA), Strings("a", "b"), `["map",[["a",1]]]`, `["map",[["a"]]]`, `["map",[["a","b"]`} {
		if got := v.AsMap(); got != nil {
			t.Errorf("%s as a map is %v", v, got)
		}
	}
	if got := Strings("a", "b").AsRefs(); got != nil {
		t.Errorf("strings as references are %v", got)
	}
	if got := Refs(rowA, rowB).AsStrings(); got != nil {
		t.Errorf("references as strings are %v", got)
	}
}

func TestUUID(t *testing.T) {
	const text = "01234567-89ab-cdef-0123-456789abcdef"
	u, err := ParseUUID(text)
	if err != nil || u.String() != text {
		t.Errorf("got %v, %v", u, err)
	}
	for _, bad := range []string{"", text[1:], text + "0", strings.ReplaceAll(text, "-", "_"), "g" + text[1:], "012345678-9ab-cdef-0123-456789abcdef", "0123456789ab-cdef-0123-456789abcdef-"} {
		if u, err := ParseUUID(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, u)
		}
	}
	// RFC 9562, appendix A.4.
	dns, err := ParseUUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := DeriveUUID(dns, "www.example.com").String(), "2ed6657d-e927-568b-95e1-2665a8aea6a2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("", "a")
	f.Add(`\"`, "\x01\u2028\x7f")
	f.Add("😀", `{"a":"\u0000"}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip("no text")
		}
		v := String(a)
		if got := v.AsString(); got != a {
			t.Errorf("%q came back as %q", a, got)
		}
		var decoded string
		if err := json.Unmarshal([]byte(v), &decoded); err != nil || decoded != a {
			t.Errorf("%s is no JSON for %q: %q, %v", v, a, decoded, err)
		}
		m := map[string]string{a: b, b: a}
		if diff := cmp.Diff(m, Map(m).AsMap()); diff != "" {
			t.Error(diff)
		}
		if c, err := Canonical(string(Map(m))); err != nil || c != Map(m) {
			t.Errorf("%s is not canonical: %s, %v", Map(m), c, err)
		}
		// The same text as another program may write it, with every character escaped that can be.
		foreign, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := Canonical(string(foreign)); err != nil || c != v {
			t.Errorf("the canonical form of %s is %s, want %s; %v", foreign, c, v, err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`["set",["a",1]]`, `["map",[["a","b"]]]`, `["uuid","01234567-89ab-cdef-0123-456789abcdef"]`, `"\ud800"`, `{`, `[[]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := Canonical(raw)
		if err != nil {
			return
		}
		again, err := Canonical(string(v))
		if err != nil || again != v {
			t.Errorf("%q: %s is not the canonical form of itself: %s, %v", raw, v, again, err)
		}
		// None of these may panic, whatever it is.
		v.AsMap()
		v.AsStrings()
		v.AsRefs()
		v.ApplyDiff(v, false)
	})
}

func FuzzApplyDiff(f *testing.F) {
	f.Add("a b c", "b c d")
	f.Fuzz(func(t *testing.T, before, after string) {
		members := func(s string) map[string]string {
			m := map[string]string{}
			for i, w := range strings.Fields(s) {
				m[w] = string(rune('a' + i%3))
			}
			return m
		}
		if !utf8.ValidString(before) || !utf8.ValidString(after) {
			t.Skip("no text")
		}
		a, b := members(before), members(after)
		// The difference as the server defines it.
		diff := map[string]string{}
		var changed []string
		for k, v := range a {
			if _, ok := b[k]; !ok {
				diff[k] = v
				changed = append(changed, k)
			}
		}
		for k, v := range b {
			old, ok := a[k]
			if old != v {
				diff[k] = v
			}
			if !ok {
				diff[k] = v
				changed = append(changed, k)
			}
		}
		if got, want := Map(a).ApplyDiff(Map(diff), false), Map(b); got != want {
			t.Errorf("%s changed by %s: got %s, want %s", Map(a), Map(diff), got, want)
		}
		old, want := Strings(slices.Collect(maps.Keys(a))...), Strings(slices.Collect(maps.Keys(b))...)
		if got := old.ApplyDiff(Strings(changed...), false); got != want {
			t.Errorf("%s changed by %q: got %s, want %s", old, changed, got, want)
		}
	})
}
