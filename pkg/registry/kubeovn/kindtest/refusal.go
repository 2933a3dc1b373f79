package kindtest

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// WantRefusal holds an error to be a 422 that says all of the texts; none: to be nil.
func WantRefusal(t testing.TB, err error, texts ...string) {
	t.Helper()
	if len(texts) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !apierrors.IsInvalid(err) {
		t.Errorf("got %v, want a refusal with %q", err, texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v\nwant it to say %q", err, text)
		}
	}
}
