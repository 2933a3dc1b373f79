package match

import (
	"fmt"
	"strings"
)

// maxDepth bounds the nesting of parentheses and negations; ovn-controller's own limit is 100 (ovn/lib/expr.c).
const maxDepth = 100

// Check returns an *Error when the expression is not one that OVN reads, nil otherwise.
func Check(expression string) error {
	_, err := parse(expression)
	return err
}

// UnknownFields returns the names in a correct expression that are no fields or predicates of OVN, in their order.
func UnknownFields(expression string) []string {
	p, err := parse(expression)
	if err != nil {
		return nil
	}
	var unknown []string
	for _, name := range p.names {
		base, _, _ := strings.Cut(name, "[")
		if !isKnown(base) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

type parser struct {
	tokens []token // ends with the token "end", which is never passed
	names  []string
	depth  int
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
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

// expression is terms joined by operators of one sort: OVN has no precedence between && and ||.
func (p *parser) expression() error {
	if p.depth++; p.depth > maxDepth {
		return &Error{p.peek().column, fmt.Sprintf("parentheses are nested deeper than %d", maxDepth)}
	}
	defer func() { p.depth-- }()
	if err := p.term(); err != nil {
		return err
	}
	joiner := p.peek().kind
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

func (p *parser) term() error {
	switch t := p.peek(); t.kind {
	case not:
		p.take()
		if p.depth++; p.depth > maxDepth {
			return &Error{t.column, fmt.Sprintf("negations are nested deeper than %d", maxDepth)}
		}
		defer func() { p.depth-- }()
		return p.term()
	case open:
		p.take()
		if err := p.expression(); err != nil {
			return err
		}
		if s := p.take(); s.kind != shut {
			return &Error{s.column, fmt.Sprintf("expected \")\" to close \"(\" of column %d, got %s", t.column, s)}
		}
		return nil
	case identifier:
		return p.field()
	case constant, text, set, openBrace:
		return p.reversed()
	default:
		return &Error{t.column, fmt.Sprintf("expected a condition, got %s", t)}
	}
}

// field is "tcp", "ip4.src == 10.0.0.1" or "is_chassis_resident("port")".
func (p *parser) field() error {
	name := p.take()
	p.names = append(p.names, name.text)
	switch p.peek().kind {
	case open:
		return p.arguments(name)
	case comparison:
		p.take()
		return p.constants()
	}
	return nil
}

func (p *parser) arguments(function token) error {
	p.take()
	if t := p.take(); t.kind != text {
		return &Error{t.column, fmt.Sprintf("%s takes a quoted name, got %s", function, t)}
	}
	if t := p.take(); t.kind != shut {
		return &Error{t.column, fmt.Sprintf("expected \")\", got %s", t)}
	}
	return nil
}

// reversed is "10.0.0.1 == ip4.src", "0 < ip.ttl < 5" or one of the constants "0" and "1" alone.
func (p *parser) reversed() error {
	first := p.peek()
	if err := p.constants(); err != nil {
		return err
	}
	if p.peek().kind != comparison {
		if first.kind == constant && (first.text == "0" || first.text == "1") {
			return nil
		}
		return &Error{p.peek().column, fmt.Sprintf("expected a comparison after %s, got %s", first, p.peek())}
	}
	p.take()
	name := p.take()
	if name.kind != identifier {
		return &Error{name.column, fmt.Sprintf("expected a field to compare with, got %s", name)}
	}
	p.names = append(p.names, name.text)
	if p.peek().kind == comparison {
		p.take()
		return p.constants()
	}
	return nil
}

// constants is one constant, or a set of them in braces; commas are optional.
func (p *parser) constants() error {
	t := p.take()
	switch t.kind {
	case constant, text, set:
		return nil
	case openBrace:
	default:
		return &Error{t.column, fmt.Sprintf("expected a constant, got %s", t)}
	}
	for members := 0; ; members++ {
		switch m := p.take(); m.kind {
		case constant, text, set:
			if p.peek().kind == comma {
				p.take()
			}
		case shutBrace:
			if members == 0 {
				return &Error{m.column, "the set is empty"}
			}
			return nil
		case end:
			return &Error{m.column, fmt.Sprintf("expected \"}\" to close \"{\" of column %d", t.column)}
		default:
			return &Error{m.column, fmt.Sprintf("expected a constant, got %s", m)}
		}
	}
}
