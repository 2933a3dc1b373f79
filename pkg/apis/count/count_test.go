package count_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
)

func TestCountsAreExactInEveryOutput(t *testing.T) {
	one := big.NewInt(1)
	for bits := range uint(129) {
		power := new(big.Int).Lsh(one, bits)
		for _, n := range []*big.Int{new(big.Int).Sub(power, one), power, new(big.Int).Add(power, one)} {
			text, err := json.Marshal(count.Of(n))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Trim(string(text), `"`); got != n.String() {
				t.Errorf("%s is written as %s", n, text)
			}
			var plain any
			if err := json.Unmarshal(text, &plain); err != nil {
				t.Fatal(err)
			}
			if f, ok := plain.(float64); ok && new(big.Float).SetFloat64(f).Cmp(new(big.Float).SetPrec(200).SetInt(n)) != 0 {
				t.Errorf("%s is read as %v by those who read numbers as doubles", n, f)
			}
			var back count.Count
			if err := json.Unmarshal(text, &back); err != nil || back != count.Of(n) || back.Int().Cmp(n) != 0 {
				t.Errorf("%s is read as %s: %v", text, back, err)
			}
		}
	}
}

func TestCountsAreReadInEveryForm(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "null": "0", `""`: "0", "7": "7", `"7"`: "7", "7.0": "7", "1e3": "1000", "18446744073709552000": "18446744073709552000",
		"1.8446744073709552e+19": "18446744073709551616", `"18446744073709551615"`: "18446744073709551615",
	} {
		var c count.Count
		if err := json.Unmarshal([]byte(text), &c); err != nil || c.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, c, err, want)
		}
	}
	for _, text := range []string{"-1", "1.5", `"many"`, "true", "[]", "{}", `"1e999999999"`} {
		var c count.Count
		if err := json.Unmarshal([]byte(text), &c); err == nil {
			t.Errorf("%s: got %s, want an error", text, c)
		}
	}
	if c := count.OfInt(-3); c != (count.Count{}) || c.String() != "0" {
		t.Errorf("-3 is %s", c)
	}
}
