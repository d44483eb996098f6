package orm

import (
	"fmt"
	"slices"
	"strings"
)

// node is a part of a condition that was parsed and whose fields are there. It
// holds no values: ? is the next argument.
type node interface {
	// write appends the part's SQL.
	write(w *writer) error
}

type (
	// logic is AND or OR.
	logic struct {
		op    string
		parts []node
	}
	not struct{ of node }

	// comparison is operands with words between and behind them, in order.
	comparison struct {
		parts []node
		field *path // what its arguments are compared with; nil: nothing that is known
	}
	word  string
	param struct {
		of   *path
		list bool // IN (?)
	}
	call struct {
		name string
		arg  node
	}
)

// path is a field, reached over relations.
type path struct {
	over   []*relation
	column *column
}

// String is how errors name it.
func (p *path) String() string { return p.column.name() }

// parser reads conditions:
//
//	or         = and { OR and }
//	and        = not { AND not }
//	not        = NOT not | "(" or ")" | comparison
//	comparison = operand [ op operand | [NOT] (LIKE|ILIKE) operand | [NOT] IN "(" "?" ")"
//	           | [NOT] BETWEEN operand AND operand | IS [NOT] (NULL|TRUE|FALSE) ]
//	operand    = field | "?" | TRUE | FALSE | NULL | (lower|upper) "(" operand ")"
type parser struct {
	m     *model
	text  string
	rest  string
	token string // the current one; "" at the end
	depth int
}

// maxDepth bounds how deep conditions nest.
const maxDepth = 50

// parse returns a condition's parts. Texts are constants of the program, so those
// that were parsed are kept.
func (m *model) parse(text string) (node, error) {
	if known, ok := m.conds.Load(text); ok {
		return known.(node), nil
	}
	p := &parser{m: m, text: text, rest: text}
	p.next()
	n, err := p.or()
	if err == nil && p.token != "" {
		err = p.wrong("AND, OR or the end")
	}
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	m.conds.Store(text, n)
	return n, nil
}

func (p *parser) wrong(want string) error {
	got := fmt.Sprintf("%q", p.token)
	if p.token == "" {
		got = "its end"
	}
	return fmt.Errorf("at %s, want %s", got, want)
}

// operators, those that begin with another one first.
var operators = []string{"<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", "?"}

func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	n := 0
	for n < len(p.rest) && isName(p.rest[n]) {
		n++
	}
	for _, op := range operators {
		if n == 0 && strings.HasPrefix(p.rest, op) {
			n = len(op)
		}
	}
	if n == 0 && p.rest != "" {
		n = 1
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

func isName(c byte) bool {
	return c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// accept takes the token if it is that word, in any case.
func (p *parser) accept(words ...string) (string, bool) {
	for _, w := range words {
		if strings.EqualFold(p.token, w) {
			p.next()
			return w, true
		}
	}
	return "", false
}

func (p *parser) or() (node, error)  { return p.logic("OR", p.and) }
func (p *parser) and() (node, error) { return p.logic("AND", p.not) }

func (p *parser) logic(op string, part func() (node, error)) (node, error) {
	if p.depth++; p.depth > 2*maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	first, err := part()
	if err != nil {
		return nil, err
	}
	all := &logic{op: op, parts: []node{first}}
	for {
		if _, ok := p.accept(op); !ok {
			break
		}
		n, err := part()
		if err != nil {
			return nil, err
		}
		all.parts = append(all.parts, n)
	}
	if len(all.parts) == 1 {
		return first, nil
	}
	return all, nil
}

func (p *parser) not() (node, error) {
	negated := 0
	for {
		if _, ok := p.accept("NOT"); !ok {
			break
		}
		negated++
	}
	var n node
	var err error
	if _, ok := p.accept("("); ok {
		if n, err = p.or(); err == nil {
			if _, ok := p.accept(")"); !ok {
				err = p.wrong(")")
			}
		}
	} else {
		n, err = p.comparison()
	}
	if err != nil {
		return nil, err
	}
	if negated%2 == 1 {
		n = &not{n}
	}
	return n, nil
}

func (p *parser) comparison() (node, error) {
	c := &comparison{}
	operand := func() error {
		n, err := p.operand(c)
		c.parts = append(c.parts, n)
		return err
	}
	if err := operand(); err != nil {
		return nil, err
	}
	op, ok := p.accept("<>", "!=", "<=", ">=", "=", "<", ">")
	if ok {
		if op == "!=" {
			op = "<>"
		}
		c.parts = append(c.parts, word(op))
		return c, p.settle(c, operand())
	}
	if _, ok := p.accept("IS"); ok {
		is := "IS"
		if _, ok := p.accept("NOT"); ok {
			is = "IS NOT"
		}
		what, ok := p.accept("NULL", "TRUE", "FALSE")
		if !ok {
			return nil, p.wrong("NULL, TRUE or FALSE")
		}
		c.parts = append(c.parts, word(is+" "+what))
		return c, p.settle(c, nil)
	}
	var negation string
	if _, ok := p.accept("NOT"); ok {
		negation = "NOT "
	}
	switch op, _ := p.accept("LIKE", "ILIKE", "IN", "BETWEEN"); op {
	case "LIKE", "ILIKE":
		c.parts = append(c.parts, word(negation+op))
		return c, p.settle(c, operand())
	case "BETWEEN":
		c.parts = append(c.parts, word(negation+op))
		if err := operand(); err != nil {
			return nil, err
		}
		if _, ok := p.accept("AND"); !ok {
			return nil, p.wrong("AND of BETWEEN")
		}
		c.parts = append(c.parts, word("AND"))
		return c, p.settle(c, operand())
	case "IN":
		for _, want := range []string{"(", "?", ")"} {
			if _, ok := p.accept(want); !ok {
				return nil, p.wrong("(?), one ? for all of a slice")
			}
		}
		c.parts = append(c.parts, word(negation+op), &param{list: true})
		return c, p.settle(c, nil)
	}
	if negation != "" {
		return nil, p.wrong("LIKE, ILIKE, IN or BETWEEN")
	}
	switch alone := c.parts[0].(type) {
	case *param:
		return nil, p.wrong("an operator")
	case *call:
		return nil, fmt.Errorf("%w: %s() is text, which is no condition by itself", ErrType, alone.name)
	case *path:
		if is := alone.column.class(); !alone.column.maybe("a boolean") {
			return nil, fmt.Errorf("%w: %s is %s, which is no condition by itself", ErrType, alone, is)
		}
	}
	return c, p.settle(c, nil)
}

// settle tells the arguments of a comparison what they are compared with.
func (p *parser) settle(c *comparison, err error) error {
	for _, n := range c.parts {
		if a, ok := n.(*param); ok {
			a.of = c.field
		}
	}
	return err
}

func (p *parser) operand(c *comparison) (node, error) {
	if what, ok := p.accept("?"); ok {
		_ = what
		return &param{}, nil
	}
	if what, ok := p.accept("TRUE", "FALSE", "NULL"); ok {
		return word(what), nil
	}
	name := p.token
	if name == "" || !isName(name[0]) || '0' <= name[0] && name[0] <= '9' {
		return nil, p.wrong("a field or ?; a value is written ? and given as an argument")
	}
	p.next()
	if p.token == "(" && slices.Contains([]string{"lower", "upper"}, strings.ToLower(name)) {
		p.next()
		arg, err := p.operand(c)
		if err != nil {
			return nil, err
		}
		if _, ok := p.accept(")"); !ok {
			return nil, p.wrong(")")
		}
		return &call{strings.ToLower(name), arg}, nil
	}
	f, err := p.m.path(name)
	if err != nil {
		return nil, err
	}
	if c.field == nil {
		c.field = f
	}
	return f, nil
}

// path finds a field, over relations: "Author.name".
func (m *model) path(name string) (*path, error) {
	parts := strings.Split(name, ".")
	last := len(parts) - 1
	over, at, err := m.over(parts[:last])
	if err != nil {
		return nil, err
	}
	f := &path{over: over}
	f.column, err = at.column(parts[last])
	return f, err
}

// maxOver bounds the relations of a path: it may be data, and each is a join.
const maxOver = 10

// over finds relations, each of the model that the one before it leads to.
func (m *model) over(names []string) (over []*relation, at *model, err error) {
	if len(names) > maxOver {
		return nil, nil, fmt.Errorf("%w: it leads over %d relations; %d are the most", ErrField, len(names), maxOver)
	}
	at = m
	for _, name := range names {
		r, err := at.relationNamed(name)
		if err != nil {
			return nil, nil, err
		}
		if at, err = r.other(); err != nil {
			return nil, nil, err
		}
		over = append(over, r)
	}
	return over, at, nil
}
