package ovsdb

import (
	"fmt"
	"iter"
	"strconv"
)

// scanner reads JSON from front to back: the caller says what it expects. After the first error all reads return nothing,
// and all iterations end.
type scanner struct {
	b   []byte
	i   int
	err error
}

func (s *scanner) fail(want string) {
	if s.err == nil {
		s.err = fmt.Errorf("malformed message: expected %s at %.40q", want, s.b[min(s.i, len(s.b)):])
	}
	s.i = len(s.b)
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) && isSpace(s.b[s.i]) {
		s.i++
	}
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// take consumes the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) expect(c byte) {
	if !s.take(c) {
		s.fail(strconv.QuoteRune(rune(c)))
	}
}

// skip consumes a value of any kind and returns its notation.
func (s *scanner) skip() []byte {
	s.peek()
	end := valueEnd(s.b, s.i)
	if end < 0 {
		s.fail("a value")
		return nil
	}
	v := s.b[s.i:end]
	s.i = end
	return v
}

// name consumes a string that needs no escapes: the name of a table, column or member, or a UUID.
func (s *scanner) name() []byte {
	if s.peek() != '"' {
		s.fail("a string")
		return nil
	}
	v := s.skip()
	if len(v) < 2 {
		return nil
	}
	return v[1 : len(v)-1]
}

// text consumes a string.
func (s *scanner) text() string {
	if s.peek() != '"' {
		s.fail("a string")
		return ""
	}
	t, ok := unquote(string(s.skip()))
	if !ok {
		s.fail("a string")
	}
	return t
}

// value consumes the value of a column.
func (s *scanner) value() Value {
	s.peek()
	if end := canonicalEnd(s.b, s.i); end > 0 {
		v := Value(s.b[s.i:end])
		s.i = end
		return v
	}
	raw := s.skip()
	if s.err != nil {
		return ""
	}
	v, err := Canonical(string(raw))
	if err != nil {
		s.err = err
	}
	return v
}

// members yields the names of an object's members; the loop's body consumes the value.
func (s *scanner) members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		s.expect('{')
		if s.take('}') {
			return
		}
		for s.err == nil {
			name := s.name()
			s.expect(':')
			if s.err != nil || !yield(name) {
				return
			}
			if s.take('}') {
				return
			}
			s.expect(',')
		}
	}
}

// elements yields the indexes of an array's elements; the loop's body consumes the element.
func (s *scanner) elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		s.expect('[')
		if s.take(']') {
			return
		}
		for n := 0; s.err == nil; n++ {
			if !yield(n) || s.take(']') {
				return
			}
			s.expect(',')
		}
	}
}
