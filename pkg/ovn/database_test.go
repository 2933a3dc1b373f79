package ovn

import "testing"

func TestIsNewer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"7.0.0\n", "6.9.9", true},
		{"7.11.0", "7.9.0\n", true},
		{"7.0.1", "7.0.0", true},
		{"7.0.0", "7.0.0", false},
		{"6.3.0", "7.0.0", false},
	} {
		if got, err := isNewer(test.a, test.b); err != nil || got != test.want {
			t.Errorf("%q is newer than %q: got %v, %v, want %v", test.a, test.b, got, err, test.want)
		}
	}
	if _, err := isNewer("", "7.0.0"); err == nil {
		t.Error("no version is a version")
	}
}
