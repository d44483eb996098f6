package orm

import (
	"fmt"
)

// constant is the text of a condition. Its name cannot be written outside of this
// package, so only constants can be passed for one: what a user has typed never
// becomes part of a statement's text.
type constant string

// Cond is a condition, made by [Q] or [Is] and put together by its methods. It is
// immutable. Its fields are looked up by the query that it is given to.
type Cond struct {
	text  constant
	args  []any
	field string // of Is
	op    string // "AND", "OR", "NOT"
	of    []Cond
}

// Q is a condition as [Query.Filter] takes it.
func Q(cond constant, args ...any) Cond { return Cond{text: cond, args: args} }

// Is says that a field, whose name may be data, equals a value; that it is NULL if
// the value is nil.
func Is(field string, value any) Cond { return Cond{field: field, args: []any{value}} }

// And says that c and all others hold.
func (c Cond) And(others ...Cond) Cond {
	return Cond{op: "AND", of: append([]Cond{c}, others...)}
}

// Or says that c or one of the others holds.
func (c Cond) Or(others ...Cond) Cond {
	return Cond{op: "OR", of: append([]Cond{c}, others...)}
}

// Not says that c does not hold. Where c is unknown, for a NULL in it, it does not
// hold.
func (c Cond) Not() Cond { return Cond{op: "NOT", of: []Cond{c}} }

// checked is a condition of a model.
type checked struct {
	n    node
	args []any
	op   string
	of   []checked
}

// check looks a condition's fields up, and counts its arguments.
func (m *model) check(c Cond) (checked, error) {
	switch {
	case c.op != "":
		all := checked{op: c.op}
		for _, one := range c.of {
			part, err := m.check(one)
			if err != nil {
				return checked{}, err
			}
			all.of = append(all.of, part)
		}
		return all, nil
	case c.field != "":
		f, err := m.path(c.field)
		if err != nil {
			return checked{}, err
		}
		arg, err := (&param{of: f}).bound(c.args[0])
		if err != nil {
			return checked{}, err
		}
		return m.tried(equal(f, arg))
	}
	n, err := m.parse(string(c.text))
	if err != nil {
		return checked{}, err
	}
	one, err := m.tried(checked{n: n, args: c.args})
	if err != nil {
		return checked{}, fmt.Errorf("condition %q: %w", c.text, err)
	}
	return one, nil
}

// tried writes a condition once, so that its arguments are known to be right, and are
// from then on what they are now.
func (m *model) tried(c checked) (checked, error) {
	w := &writer{db: m.db, joins: &joins{}}
	err := c.write(w)
	c.args = w.settled
	return c, err
}

func (c checked) write(w *writer) error {
	switch c.op {
	case "NOT":
		w.put("(")
		if err := c.of[0].write(w); err != nil {
			return err
		}
		w.put(") IS NOT TRUE")
		return nil
	case "AND", "OR":
		w.put("(")
		for i, one := range c.of {
			if i > 0 {
				w.put(" ", c.op, " ")
			}
			if err := one.write(w); err != nil {
				return err
			}
		}
		w.put(")")
		return nil
	}
	w.given = c.args
	if err := c.n.write(w); err != nil {
		return err
	}
	if len(w.given) > 0 {
		return fmt.Errorf("%d more arguments than ?", len(w.given))
	}
	return nil
}
