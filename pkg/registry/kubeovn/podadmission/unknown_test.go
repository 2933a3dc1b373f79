package podadmission

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// TestEveryAnnotationIsKnown reads the constants off their source: a new one must not be warned about.
func TestEveryAnnotationIsKnown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../apis/kubeovn/v1/wellknown.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Annotation") {
			return true
		}
		value, ok := spec.Values[0].(*ast.BinaryExpr)
		if !ok {
			return true
		}
		found++
		key := v1.AnnotationPrefix + strings.Trim(value.Y.(*ast.BasicLit).Value, `"`)
		if warnings := Unknown(map[string]string{key: "x"}); len(warnings) > 0 {
			t.Errorf("%s is not known: %q", spec.Names[0].Name, warnings)
		}
		return true
	})
	if found < 15 {
		t.Errorf("only %d annotations were found", found)
	}
}

// TestTyposAreWarnedAbout makes every mistake of one letter in every name that users write.
func TestTyposAreWarnedAbout(t *testing.T) {
	tried := 0
	for _, key := range known {
		name := strings.TrimPrefix(key, v1.AnnotationPrefix)
		for i := range len(name) {
			for _, typo := range []string{name[:i] + name[i+1:], name[:i] + "q" + name[i+1:], name[:i] + "q" + name[i:], strings.ToUpper(name[:i]) + name[i:], strings.ReplaceAll(name, "_", "-")} {
				typo = v1.AnnotationPrefix + typo
				if slices.Contains(known, typo) || slices.Contains(unserved, typo) {
					continue
				}
				tried++
				want := "metadata.annotations[" + typo + "]: has no effect: there is no such annotation; is "
				if got := Unknown(map[string]string{typo: ""}); len(got) != 1 || !strings.HasPrefix(got[0], want) {
					t.Errorf("%s: got %q", typo, got)
				}
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d typos", tried)
	}
}

func TestUnknown(t *testing.T) {
	got := Unknown(map[string]string{
		"ovn.kubernetes.io/ip_adress": "10.16.0.9", "ovn.kubernetes.io/ingress_rate": "1", "ovn.kubernetes.io/somethingelse": "", "ovn.kubernetes.io/vip": "a",
		"example.org/ip_adress": "", "net1.default.ovn.kubernetes.io/whatever": "",
	})
	want := []string{
		"metadata.annotations[ovn.kubernetes.io/ingress_rate]: has no effect: it is Kube-OVN's, and not served here",
		"metadata.annotations[ovn.kubernetes.io/ip_adress]: has no effect: there is no such annotation; is ovn.kubernetes.io/ip_address meant?",
		"metadata.annotations[ovn.kubernetes.io/somethingelse]: has no effect: there is no such annotation",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWhatNothingServesIsWarnedAbout is about the names that Kube-OVN's users write: they must not be taken for served.
func TestWhatNothingServesIsWarnedAbout(t *testing.T) {
	for _, name := range []string{"ip_family", "north_gateway", "ingress_rate", "mirror", "snat", "eip"} {
		if got := Unknown(map[string]string{v1.AnnotationPrefix + name: "x"}); len(got) != 1 || !strings.Contains(got[0], "not served here") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
