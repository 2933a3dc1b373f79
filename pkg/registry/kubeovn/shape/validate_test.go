package shape_test

import (
	"testing"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

func TestFields(t *testing.T) {
	path := field.NewPath("f")
	address := func(text string, v4 bool) field.ErrorList { _, errs := shape.Address(path, text, v4); return errs }
	prefix := func(text string, v4 bool) field.ErrorList { _, errs := shape.Prefix(path, text, v4); return errs }
	for _, test := range []struct {
		name string
		errs field.ErrorList
		want string // "" when right
	}{
		{"a name", shape.ObjectName(path, "a.b", "what"), ""},
		{"no name", shape.ObjectName(path, "", "what"), "f: Required value: what"},
		{"a name that need not be", shape.OptionalName(path, ""), ""},
		{"an object's own name", shape.OwnName("a.b"), ""},
		{"an object without a name", shape.OwnName("")[:1], `metadata.name: Invalid value: "": ` + apivalidation.NameIsDNSSubdomain("", false)[0]},
		{"a MAC", shape.MAC(path, "00:00:00:AB:CD:EF"), ""},
		{"no MAC", shape.MAC(path, ""), ""},
		{"a multicast MAC", shape.MAC(path, "01:00:00:00:00:01"), `f: Invalid value: "01:00:00:00:00:01": 01:00:00:00:00:01 is a multicast address: the lowest bit of the first octet must be 0`},
		{"a namespace", shape.Namespace(path, "ns"), ""},
		{"a port", shape.Port(path, "65535"), ""},
		{"no port", shape.Port(path, ""), `f: Required value: a port, as "8080"`},
		{"port 0", shape.Port(path, "0"), `f: Invalid value: "0": must be a port, "1" to "65535"`},
		{"a port that is too high", shape.Port(path, "65536"), `f: Invalid value: "65536": must be a port, "1" to "65535"`},
		{"a port with a leading zero", shape.Port(path, "022"), `f: Invalid value: "022": must be a port, "1" to "65535"`},
		{"a word for a port", shape.Port(path, "ssh"), `f: Invalid value: "ssh": must be a port, "1" to "65535"`},
		{"an address", address("10.0.0.1", true), ""},
		{"an address of the other family", address("10.0.0.1", false), `f: Invalid value: "10.0.0.1": is of the other address family`},
		{"a prefix", prefix("10.0.0.0/24", true), ""},
		{"an address for a prefix", prefix("fd00::1", false), ""},
		{"a prefix of the other family", prefix("fd00::/64", true), `f: Invalid value: "fd00::/64": is of the other address family`},
		{"a protocol", shape.OneOf(path, "tcp", []string{"tcp", "udp"}), ""},
		{"no protocol", shape.OneOf(path, "", []string{"tcp", "udp"}), "f: Required value: one of tcp, udp"},
		{"another protocol", shape.OneOf(path, "sctp", []string{"tcp", "udp"}), `f: Unsupported value: "sctp": supported values: "tcp", "udp"`},
		{"what is fixed", shape.Fixed(path, "a", "a"), ""},
		{"a change of what is fixed", shape.Fixed(path, "b", "a"), `f: Forbidden: is "a" and cannot be changed: delete the object and create another`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.errs.ToAggregate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
