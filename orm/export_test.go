package orm

import (
	"context"
	"reflect"
)

// ExecIn runs a statement in a transaction.
func ExecIn(ctx context.Context, tx *Tx, text string, args ...any) error {
	_, err := tx.exec(ctx, statement{text: text, args: args, writes: true})
	return err
}

// Within runs f as statements of one operation are run: in a transaction of its own,
// or in a part of the one that ctx carries.
func Within(ctx context.Context, db *DB, f func(ctx context.Context) error) error {
	on, err := (&spec{db: db}).run(ctx)
	if err != nil {
		return err
	}
	return atomically(ctx, on, func(ctx context.Context, _ session) error { return f(ctx) })
}

// Written is the statement that a query with a condition becomes, with values that
// are right for it.
func Written[T any](db *DB, cond string) (text string, args []any, err error) {
	q := For[T](db)
	n, err := q.s.m.parse(cond)
	if err != nil {
		return "", nil, err
	}
	c := checked{n: n}
	params(n, func(p *param) {
		var value any = "x"
		if p.of != nil {
			typ := p.of.column.IndirectType
			if rel := p.of.column.rel; rel != nil {
				typ = rel.target.key.IndirectType
			}
			value = reflect.Zero(typ).Interface()
		}
		if p.list {
			value = []any{value}
		}
		c.args = append(c.args, value)
	})
	return Text(q.with(func(s *spec) error { s.conds = added(s.conds, c); return nil }))
}

// Text is the statement of a query.
func Text[T any](q Query[T]) (text string, args []any, err error) {
	st, err := q.s.selection(nil)
	if err != nil {
		return "", nil, err
	}
	return st.text, st.args, nil
}

func params(n node, found func(*param)) {
	switch n := n.(type) {
	case *logic:
		for _, part := range n.parts {
			params(part, found)
		}
	case *not:
		params(n.of, found)
	case *comparison:
		for _, part := range n.parts {
			params(part, found)
		}
	case *call:
		params(n.arg, found)
	case *param:
		found(n)
	}
}

// Exec runs a statement that writes, outside of any transaction.
func Exec(ctx context.Context, db *DB, text string, args ...any) error {
	_, err := db.exec(ctx, statement{text: text, args: args, writes: true})
	return err
}

// Column runs a statement that reads, and returns the one column of its rows.
func Column[T any](ctx context.Context, db *DB, text string, args ...any) (all []T, err error) {
	rows, err := db.query(ctx, statement{text: text, args: args})
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := rows.Close(); closed != nil {
			err = closed
		}
	}()
	for rows.Next() {
		var one T
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// Classified is an error of the driver's with its kind.
func Classified(db *DB, err error) error { return db.classify(err) }

// QOf is [Q] of a text that a test has made.
func QOf(text string, args ...any) Cond { return Q(constant(text), args...) }
