package ovsdb

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// UUID identifies a row. The zero UUID identifies none.
type UUID [16]byte

// NewUUID returns a random (version 4) UUID.
func NewUUID() UUID { return UUID(uuid.New()) }

// DeriveUUID returns the version 5 UUID (RFC 9562 section 5.5) of a name in a name space: the same for the same input, always.
func DeriveUUID(space UUID, name string) UUID {
	return UUID(uuid.NewHash(sha1.New(), uuid.UUID(space), []byte(name), 5))
}

// ParseUUID parses the canonical form, 36 characters.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, fmt.Errorf("%q is not a UUID", s)
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		if s[i] != '-' {
			if n == len(digits) {
				return UUID{}, fmt.Errorf("%q is not a UUID", s)
			}
			digits[n] = s[i]
			n++
		}
	}
	if n != len(digits) {
		return UUID{}, fmt.Errorf("%q is not a UUID", s)
	}
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return UUID{}, fmt.Errorf("%q is not a UUID", s)
	}
	return u, nil
}

// IsZero reports whether u identifies no row.
func (u UUID) IsZero() bool { return u == UUID{} }

// String is the canonical form.
func (u UUID) String() string { return string(u.append(make([]byte, 0, 36))) }

func (u UUID) append(b []byte) []byte {
	b = append(hex.AppendEncode(b, u[:4]), '-')
	b = append(hex.AppendEncode(b, u[4:6]), '-')
	b = append(hex.AppendEncode(b, u[6:8]), '-')
	b = append(hex.AppendEncode(b, u[8:10]), '-')
	return hex.AppendEncode(b, u[10:])
}
