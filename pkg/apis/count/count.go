package count

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// Count is a number of addresses: exact, and not negative. The zero Count is 0. Two Counts are equal when they are the same number.
//
// In JSON it is a number up to 2^53, and a string of decimal digits above: many readers of JSON round larger numbers (RFC 8259,
// section 6), kubectl those above 2^63.
type Count struct {
	// Digits is the number in decimal, without leading zeros; empty for 0.
	Digits string
}

// exact is the largest number of addresses that is a number in JSON: up to it every integer is a double.
var exact = new(big.Int).Lsh(big.NewInt(1), 53)

// Bounds of what is read: there are 2^128 addresses.
const (
	maxDigits = 100
	maxDouble = 1e40
)

// Of returns the Count of n addresses; 0 when n is negative.
func Of(n *big.Int) Count {
	if n.Sign() <= 0 {
		return Count{}
	}
	return Count{n.String()}
}

// OfInt returns the Count of n addresses; 0 when n is negative.
func OfInt(n int) Count { return Of(big.NewInt(int64(n))) }

// Int returns the number.
func (c Count) Int() *big.Int {
	n, ok := new(big.Int).SetString(c.Digits, 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// String returns the number in decimal.
func (c Count) String() string {
	if c.Digits == "" {
		return "0"
	}
	return c.Digits
}

// MarshalJSON implements json.Marshaler.
func (c Count) MarshalJSON() ([]byte, error) {
	if c.Int().Cmp(exact) > 0 {
		return json.Marshal(c.Digits)
	}
	return []byte(c.String()), nil
}

// UnmarshalJSON implements json.Unmarshaler. It reads a number or a string of any size, also in the form of a double, as
// 1.8446744073709552e+19, in which statuses were stored before; null is 0. Errors: anything else, fractions, and negative numbers.
func (c *Count) UnmarshalJSON(text []byte) error {
	digits := string(bytes.Trim(text, `"`))
	if digits == "null" || digits == "" {
		*c = Count{}
		return nil
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if f, err := strconv.ParseFloat(digits, 64); !ok && err == nil && f == math.Trunc(f) && math.Abs(f) < maxDouble {
		n, _ = big.NewFloat(f).Int(nil)
		ok = true
	}
	if !ok || n.Sign() < 0 || len(digits) > maxDigits {
		return fmt.Errorf("%s is no number of addresses: must be a whole number, 0 or more", text)
	}
	*c = Of(n)
	return nil
}

// OpenAPISchemaType implements common.OpenAPISchemaTypeGetter of kube-openapi, as the other two methods do.
func (Count) OpenAPISchemaType() []string { return []string{"string"} }

// OpenAPISchemaFormat is the format that makes the API machinery take both numbers and strings.
func (Count) OpenAPISchemaFormat() string { return "int-or-string" }

// OpenAPIV3OneOfTypes are the types of OpenAPI 3.
func (Count) OpenAPIV3OneOfTypes() []string { return []string{"integer", "string"} }
