package match

import "fmt"

// operand is a field in an expression, or some bits of it.
type operand struct {
	token
	symbol
	bits int
}

// constants is what a field is compared with.
type constants struct {
	tokens []token
	braces bool
}

// isName tells names of ports and groups of them from numbers and addresses.
func (t token) isName() bool { return t.kind == text || t.kind == portGroup }

// alone checks a field without a comparison, which OVN takes for "not 0".
func (p *parser) alone(f operand) error {
	switch {
	case f.bits == 0:
		return &Error{f.column, fmt.Sprintf("%s needs a comparison: write %s == \"port\"", f.text, f.text)}
	case f.bits > 1 && !p.not:
		return &Error{f.column, fmt.Sprintf("%s has %d bits and needs a comparison: write %s != 0", f.text, f.bits, f.text)}
	}
	return p.level(f, f.token, "!=", constants{tokens: []token{{kind: integer}}})
}

// compare checks that OVN compares the field with the constants in this way, and within this number of negations. The operator is that
// of a field on the left side.
func (p *parser) compare(f operand, at token, op string, cs constants) error {
	for _, c := range cs.tokens {
		if err := fits(f, c); err != nil {
			return err
		}
		p.doubt(f, c)
	}
	if op[0] == '<' || op[0] == '>' {
		switch {
		case cs.braces || cs.tokens[0].kind == addressSet:
			return &Error{at.column, fmt.Sprintf("%s does not go with a set: only == and != do", at)}
		case f.level != ordinal:
			return &Error{at.column, fmt.Sprintf("OVN does not order values of %s: only == and != go with it", f.text)}
		case cs.tokens[0].value.masked:
			return &Error{at.column, fmt.Sprintf("%s does not go with a mask: name the bits of the field instead, as %s[0..3]", at, f.text)}
		}
	}
	return p.level(f, at, op, cs)
}

// level checks what OVN asks of nominal fields: that they are tested for what they are, not for what they are not.
func (p *parser) level(f operand, at token, op string, cs constants) error {
	if f.symbol.level != nominal {
		return nil
	}
	if !f.predicate {
		if negative := op == "!="; negative != p.not {
			return &Error{at.column, fmt.Sprintf("OVN tests %s only for equality, also within !(...): write the values that it may have", f.text)}
		}
		return nil
	}
	for _, c := range cs.tokens {
		if positive := (c.value.value.low&1 == 1) != (op == "!=") != p.not; !positive {
			return &Error{f.column, fmt.Sprintf("OVN does not test for the absence of %s: write what the packet is instead, or a rule of higher priority that takes %s out", f.text, f.text)}
		}
	}
	return nil
}

// fits checks that a constant is of the field's kind and not wider.
func fits(f operand, c token) error {
	switch {
	case f.width == 0 && !c.isName():
		return &Error{c.column, fmt.Sprintf("%s holds the name of a port: write it in quotation marks", f.text)}
	case f.width > 0 && c.isName():
		return &Error{c.column, fmt.Sprintf("%s holds a number of %d bits: %s is a name", f.text, f.width, c)}
	case c.kind == addressSet && f.width < 32:
		return &Error{c.column, fmt.Sprintf("%s has %d bits: an address does not fit", f.text, f.width)}
	case c.kind == integer && c.value.width() > f.width:
		return &Error{c.column, fmt.Sprintf("%s has %d bits: %s has %d", f.text, f.width, c, c.value.width())}
	}
	return nil
}

// doubt notes constants of another sort than the field, and values with bits that the comparison does not look at.
func (p *parser) doubt(f operand, c token) {
	if c.kind != integer {
		return
	}
	switch v := c.value; {
	case v.format == ipv4 && f.width > 32:
		p.doubts = append(p.doubts, fmt.Sprintf("%s has %d bits: %s is compared as a number, not as an IPv4 address", f.text, f.width, c))
	case v.format == ethernet && f.width > 48:
		p.doubts = append(p.doubts, fmt.Sprintf("%s has %d bits: %s is compared as a number, not as a MAC address", f.text, f.width, c))
	case v.value.width() > f.bits:
		p.doubts = append(p.doubts, fmt.Sprintf("%s has more than the %d bits that are compared", c, f.bits))
	}
}
