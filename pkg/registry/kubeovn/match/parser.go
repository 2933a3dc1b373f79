package match

import (
	"fmt"
	"slices"
)

// maxDepth bounds the nesting of parentheses. OVN's own limit is 100 (MAX_PAREN_DEPTH in ovn/lib/expr.c), of which ovn-northd needs
// some for the conditions that it puts around a match.
const maxDepth = 90

// Check returns an *Error when the expression is not one that OVN reads, nil otherwise. Whether the address sets and port
// groups exist that it names is left to the caller.
func Check(expression string) error {
	_, err := parse(expression)
	return err
}

// Row returns a correct expression in the form for a row. ovn-northd joins conditions of its own to it by &&, on some versions without
// parentheses around it, which OVN does not read when the expression has a || outside of parentheses (23.03 does so for
// drops and rejections in switches with connection tracking). And a comment at the end would take what follows.
func Row(expression string) string {
	if _, err := lex(expression + "#"); err == nil {
		expression += "\n"
	}
	if p, err := parse(expression); err == nil && p.alternatives {
		return "(" + expression + ")"
	}
	return expression
}

// Doubts returns what in a correct expression OVN reads, but hardly as it is meant.
func Doubts(expression string) []string {
	p, err := parse(expression)
	if err != nil {
		return nil
	}
	return p.doubts
}

// Reference is a name in an expression that stands for rows of the database: OVN does not read the expression while there are none.
type Reference struct {
	Name   string
	Group  bool // of a Port_Group ("@name"), otherwise of an Address_Set ("$name")
	Column int  // of the character, from 1
}

// References returns what a correct expression refers to, in its order.
func References(expression string) []Reference {
	p, err := parse(expression)
	if err != nil {
		return nil
	}
	return p.references
}

type parser struct {
	tokens       []token // ends with the token "end", which is never passed
	references   []Reference
	doubts       []string
	alternatives bool // there is a || outside of parentheses
	depth        int
	not          bool // within an odd number of negations
}

func parse(expression string) (*parser, error) {
	tokens, err := lex(expression)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	if p.tokens[0].kind == end {
		return nil, &Error{1, "the expression is empty"}
	}
	if err := p.expression(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, &Error{t.column, fmt.Sprintf("unexpected %s after a complete expression: join conditions with && or ||", t)}
	}
	return p, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind == addressSet || t.kind == portGroup {
		p.references = append(p.references, Reference{t.text[1:], t.kind == portGroup, t.column})
	}
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) expect(k kind, what string) (token, error) {
	t := p.take()
	if t.kind != k {
		return t, &Error{t.column, fmt.Sprintf("expected %s, got %s", what, t)}
	}
	return t, nil
}

// expression is terms joined by operators of one sort: OVN has no precedence between && and ||.
func (p *parser) expression() error {
	if err := p.term(); err != nil {
		return err
	}
	joiner := p.peek().kind
	p.alternatives = p.alternatives || p.depth == 0 && joiner == or
	for p.peek().kind == and || p.peek().kind == or {
		if t := p.take(); t.kind != joiner {
			return &Error{t.column, "&& and || must be parenthesized when used together"}
		}
		if err := p.term(); err != nil {
			return err
		}
	}
	return nil
}

// term is a condition, or one "!" with a condition that is not a comparison.
func (p *parser) term() error {
	if p.peek().kind != not {
		_, err := p.primary()
		return err
	}
	p.take()
	column := p.peek().column
	p.not = !p.not
	defer func() { p.not = !p.not }()
	atomic, err := p.primary()
	if err == nil && !atomic {
		return &Error{column, "! needs parentheses around a comparison: write !(...)"}
	}
	return err
}

// primary reports whether the condition is one that "!" takes without parentheses.
func (p *parser) primary() (atomic bool, err error) {
	switch t := p.peek(); t.kind {
	case open:
		return true, p.parenthesized()
	case identifier:
		if p.tokens[1].kind == open {
			return true, p.function()
		}
		return p.field()
	case integer, text, addressSet, portGroup, openBrace:
		return p.reversed()
	case not:
		return false, &Error{t.column, "! needs parentheses around what it negates: write !(!...)"}
	default:
		return false, &Error{t.column, fmt.Sprintf("expected a condition, got %s", t)}
	}
}

func (p *parser) parenthesized() error {
	t := p.take()
	if p.depth++; p.depth > maxDepth {
		return &Error{t.column, fmt.Sprintf("parentheses are nested deeper than %d", maxDepth)}
	}
	defer func() { p.depth-- }()
	if err := p.expression(); err != nil {
		return err
	}
	_, err := p.expect(shut, fmt.Sprintf("\")\" to close \"(\" of column %d", t.column))
	return err
}

func (p *parser) function() error {
	if name := p.take(); name.text != "is_chassis_resident" {
		return &Error{name.column, fmt.Sprintf("%s is no function that OVN has: there is is_chassis_resident(\"port\")", name)}
	}
	p.take()
	if _, err := p.expect(text, "a quoted name"); err != nil {
		return err
	}
	_, err := p.expect(shut, "\")\"")
	return err
}

// field is "tcp", "reg0[3]" or "ip4.src == 10.0.0.1".
func (p *parser) field() (atomic bool, err error) {
	f, err := p.operand()
	if err != nil {
		return false, err
	}
	if p.peek().kind != comparison {
		return true, p.alone(f)
	}
	op := p.take()
	cs, err := p.constants()
	if err != nil {
		return false, err
	}
	return false, p.compare(f, op, op.text, cs)
}

// operand is a field with an optional range of bits.
func (p *parser) operand() (operand, error) {
	name, err := p.expect(identifier, "a field to compare with")
	if err != nil {
		return operand{}, err
	}
	s, known := symbols[name.text]
	if !known {
		return operand{}, &Error{name.column, fmt.Sprintf("%s is no field that OVN is known to have", name)}
	}
	f := operand{token: name, symbol: s, bits: s.width}
	if p.peek().kind != openBracket {
		return f, nil
	}
	bracket := p.take()
	low, err := p.bit()
	if err != nil {
		return f, err
	}
	high := low
	if p.peek().kind == ellipsis {
		p.take()
		if high, err = p.bit(); err != nil {
			return f, err
		}
	}
	if _, err := p.expect(shutBracket, fmt.Sprintf("\"]\" to close \"[\" of column %d", bracket.column)); err != nil {
		return f, err
	}
	f.bits = high - low + 1
	switch {
	case s.width == 0:
		return f, &Error{bracket.column, fmt.Sprintf("%s holds a name, which has no bits", f.text)}
	case low > high || high >= s.width:
		return f, &Error{bracket.column, fmt.Sprintf("%s has no bits %d to %d: it has %d", f.text, low, high, s.width)}
	case s.level == nominal && f.bits != s.width:
		return f, &Error{bracket.column, fmt.Sprintf("OVN compares only the whole of %s", f.text)}
	}
	return f, nil
}

// bit is the number of a bit.
func (p *parser) bit() (int, error) {
	t := p.take()
	if t.kind != integer || t.value.format != decimal || t.value.masked || t.value.width() > 31 {
		return 0, &Error{t.column, fmt.Sprintf("%s is not a bit or a range of bits, as [0] or [0..15]", t)}
	}
	return int(t.value.value.low), nil
}

// reversed is "10.0.0.1 == ip4.src", "0 < tcp.dst < 5" or one of the constants "0" and "1" alone.
func (p *parser) reversed() (atomic bool, err error) {
	first := p.peek()
	left, err := p.constants()
	if err != nil {
		return false, err
	}
	if p.peek().kind != comparison {
		if first.kind == integer && !first.value.masked && first.value.format == decimal && first.value.width() <= 1 {
			return true, nil
		}
		return false, &Error{p.peek().column, fmt.Sprintf("expected a comparison after %s, got %s", first, p.peek())}
	}
	op := p.take()
	f, err := p.operand()
	if err != nil {
		return false, err
	}
	if p.peek().kind != comparison {
		return false, p.compare(f, op, turned(op.text), left)
	}
	second := p.take()
	right, err := p.constants()
	if err != nil {
		return false, err
	}
	if d := op.text[0]; d != second.text[0] || d != '<' && d != '>' {
		return false, &Error{second.column, "a range must be written x < field < y or x > field > y, each with or without ="}
	}
	if err := p.compare(f, op, turned(op.text), left); err != nil {
		return false, err
	}
	return false, p.compare(f, second, second.text, right)
}

// turned is the operator with its sides exchanged.
func turned(op string) string {
	switch op[0] {
	case '<':
		return ">" + op[1:]
	case '>':
		return "<" + op[1:]
	}
	return op
}

// constants is one constant, or a set of them in braces; commas are optional.
func (p *parser) constants() (constants, error) {
	isConstant := []kind{integer, text, addressSet, portGroup}
	t := p.take()
	if slices.Contains(isConstant, t.kind) {
		return constants{tokens: []token{t}}, nil
	}
	if t.kind != openBrace {
		return constants{}, &Error{t.column, fmt.Sprintf("expected a constant, got %s", t)}
	}
	cs := constants{braces: true}
	for {
		switch m := p.take(); {
		case slices.Contains(isConstant, m.kind):
			if cs.tokens = append(cs.tokens, m); m.isName() != cs.tokens[0].isName() {
				return cs, &Error{m.column, fmt.Sprintf("a set holds either names or numbers: %s is not as %s", m, cs.tokens[0])}
			}
			if p.peek().kind == comma {
				p.take()
			}
		case m.kind == shutBrace && len(cs.tokens) == 0:
			return cs, &Error{m.column, "the set is empty"}
		case m.kind == shutBrace:
			return cs, nil
		case m.kind == end:
			return cs, &Error{m.column, fmt.Sprintf("expected \"}\" to close \"{\" of column %d", t.column)}
		default:
			return cs, &Error{m.column, fmt.Sprintf("expected a constant, got %s", m)}
		}
	}
}
