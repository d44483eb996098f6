package orm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Assignment is what [Query.Update] sets a field to, made by [Set] or [SetExpr].
type Assignment struct {
	field   string
	value   any
	isExpr  bool
	express constant
	args    []any
}

// Set sets a field, whose name may be data, to a value; nil is NULL. A relation is
// set to a row or to its key.
func Set(field string, value any) Assignment { return Assignment{field: field, value: value} }

// SetExpr sets a field to what the database computes from the row as it is then,
// so that nothing that others have written meanwhile is lost:
//
//	posts.Filter("id = ?", 7).Update(ctx, orm.SetExpr("views", "views + ?", 1))
//
// An expression has fields of the row itself, of the same kind as the field that is
// set (integers, numbers, text, times …), ? for arguments, + - * / of numbers,
// parentheses, coalesce(), lower() and upper(). Integers are divided to integers.
func SetExpr(field string, expr constant, args ...any) Assignment {
	return Assignment{field: field, isExpr: true, express: expr, args: args}
}

// assigned is an assignment whose field is there and whose value was checked.
type assigned struct {
	column *column
	to     checked
}

// bind is a value that was checked already.
type bind struct{ arg any }

func (b bind) write(w *writer) error {
	w.bind(b.arg)
	return nil
}

// assignments checks what is to be set.
func (m *model) assignments(set []Assignment) ([]assigned, error) {
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: nothing is set", ErrField)
	}
	var all []assigned
	for _, a := range set {
		c, err := m.column(a.field)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(other assigned) bool { return other.column == c }) {
			return nil, fmt.Errorf("%w: %s is set twice", ErrField, c.name())
		}
		one := assigned{column: c}
		if !a.isExpr {
			arg, err := c.argument(a.value)
			if err != nil {
				return nil, err
			}
			one.to = checked{n: bind{arg}}
		} else if one.to, err = m.expression(c, a.express, a.args); err != nil {
			return nil, fmt.Errorf("expression %q: %w", a.express, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (m *model) expression(of *column, text constant, args []any) (checked, error) {
	type key struct {
		of   *column
		text constant
	}
	n, ok := m.conds.Load(key{of, text})
	if !ok {
		p := &parser{m: m, text: string(text), rest: string(text)}
		p.next()
		parsed, err := p.sum(of)
		if err == nil && p.token != "" {
			err = p.wrong("+ - * / or the end")
		}
		if err != nil {
			return checked{}, err
		}
		n = parsed
		m.conds.Store(key{of, text}, n)
	}
	return m.tried(checked{n: n.(node), args: args})
}

// computed is operands with operators between, evaluated from the left.
type computed struct {
	parts []node
	ops   []string
	name  string // of a function, whose arguments they are; "" otherwise
	end   string // behind them
}

func (c *computed) write(w *writer) error {
	w.put(c.name, "(")
	for i, n := range c.parts {
		if i > 0 {
			w.put(c.ops[i-1])
		}
		if err := n.write(w); err != nil {
			return err
		}
	}
	w.put(c.end, ")")
	return nil
}

// sum reads an expression that a column is set to:
//
//	sum     = product { (+|-) product }
//	product = value { (*|/) value }
//	value   = "(" sum ")" | (coalesce|lower|upper) "(" sum { "," sum } ")" | operand
func (p *parser) sum(of *column) (node, error) {
	return p.operators(of, func() (node, error) { return p.operators(of, func() (node, error) { return p.value(of) }, "*", "/") }, "+", "-")
}

func (p *parser) operators(of *column, part func() (node, error), ops ...string) (node, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	all := &computed{parts: []node{first}}
	for {
		op, ok := p.accept(ops...)
		if !ok {
			break
		}
		if slices.Contains([]string{"text", "a boolean", "a time"}, of.class()) {
			return nil, fmt.Errorf("%w: %s is %s, and %s is for numbers", ErrType, of.name(), of.class(), op)
		}
		next, err := part()
		if err != nil {
			return nil, err
		}
		all.parts, all.ops = append(all.parts, next), append(all.ops, " "+op+" ")
	}
	if len(all.ops) == 0 {
		return first, nil
	}
	return all, all.check(strings.TrimSpace(all.ops[0]))
}

// check refuses to compute with nothing but arguments: PostgreSQL would not know
// of what type they are.
func (c *computed) check(what string) error {
	if !c.hasField() {
		return fmt.Errorf("%w: %s of arguments alone: what they make is to be the argument", ErrType, what)
	}
	return nil
}

func (c *computed) hasField() bool {
	return slices.ContainsFunc(c.parts, func(n node) bool {
		inner, ok := n.(*computed)
		_, isField := n.(*path)
		return isField || ok && inner.hasField()
	})
}

func (p *parser) value(of *column) (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if _, ok := p.accept("("); ok {
		n, err := p.sum(of)
		if err == nil {
			err = p.close()
		}
		return n, err
	}
	if name := strings.ToLower(p.token); slices.Contains([]string{"coalesce", "lower", "upper"}, name) && strings.HasPrefix(strings.TrimSpace(p.rest), "(") {
		return p.function(of, name)
	}
	n, err := p.operand(&comparison{})
	switch n := n.(type) {
	case *param:
		n.of = &path{column: of}
	case *path:
		if len(n.over) > 0 {
			return nil, fmt.Errorf("%w: %s is of another row, and an expression has the row's own fields", ErrField, n)
		}
		if got, want := n.column.class(), of.class(); got != want && (got != "an integer" || want != "a number") {
			return nil, fmt.Errorf("%w: %s is %s, %s %s", ErrType, of.name(), want, n, got)
		} else if got != want {
			return &computed{parts: []node{n}, name: "CAST", end: " AS double precision"}, nil // PostgreSQL would compute with integers
		}
	case word:
		if n != "NULL" && of.class() != "a boolean" {
			return nil, fmt.Errorf("%w: %s is %s, not %s", ErrType, of.name(), of.class(), n)
		}
	}
	return n, err
}

func (p *parser) function(of *column, name string) (node, error) {
	p.next()
	p.next()
	if name != "coalesce" && of.class() != "text" {
		return nil, fmt.Errorf("%w: %s is %s, and %s() is for text", ErrType, of.name(), of.class(), name)
	}
	call := &computed{name: name}
	for {
		arg, err := p.sum(of)
		if err != nil {
			return nil, err
		}
		call.parts = append(call.parts, arg)
		if name != "coalesce" { // of an argument: that is text
			return call, p.close()
		}
		if _, more := p.accept(","); !more && len(call.parts) > 1 {
			if err := p.close(); err != nil {
				return nil, err
			}
			return call, call.check(name)
		} else if !more {
			return nil, p.wrong(", and what is taken where that is NULL")
		}
		call.ops = append(call.ops, ", ")
	}
}

func (p *parser) close() error {
	if _, ok := p.accept(")"); !ok {
		return p.wrong(")")
	}
	return nil
}

// maybe says whether a column may have values of a class: one whose SQL type the
// model names may be anything there.
func (c *column) maybe(class string) bool {
	return c.Tag.HasOption("type") || c.class() == class
}

// class is what kind of values a column has, in words.
func (c *column) class() string {
	typ := c.IndirectType
	if c.rel != nil {
		if other, err := c.rel.other(); err == nil {
			typ = other.key.IndirectType
		}
	}
	zero := reflect.Zero(typ)
	switch {
	case zero.CanInt(), zero.CanUint():
		return "an integer"
	case zero.CanFloat():
		return "a number"
	case typ.Kind() == reflect.String:
		return "text"
	case typ.Kind() == reflect.Bool:
		return "a boolean"
	case typ == timeType:
		return "a time"
	}
	return "of type " + typ.String()
}
