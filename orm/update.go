package orm

import (
	"context"
	"fmt"
	"strings"
)

// Update sets fields of all rows of the query, in one statement, and returns how
// many rows there were. A limit, an offset and conditions over relations hold: the
// rows are picked by a subquery on the primary key.
func (q Query[T]) Update(ctx context.Context, set ...Assignment) (n int64, err error) {
	err = q.s.do(ctx, "update", func(on session) error {
		all, err := q.s.m.assignments(set)
		if err != nil {
			return err
		}
		n, err = q.s.update(ctx, on, all)
		return err
	})
	return n, err
}

// Delete deletes all rows of the query, in one statement, and returns how many there
// were, not counting those that the database deletes with them (ON DELETE CASCADE).
// A limit, an offset and conditions over relations hold, as for [Query.Update].
func (q Query[T]) Delete(ctx context.Context) (n int64, err error) {
	err = q.s.do(ctx, "delete", func(on session) error {
		n, err = q.s.delete(ctx, on)
		return err
	})
	return n, err
}

// do does something to rows of the query, and says what went wrong with it.
func (s *spec) do(ctx context.Context, op string, f func(session) error) error {
	on, err := s.run(ctx)
	if err != nil {
		return err
	}
	return s.wrap(op, f(on))
}

// affect runs a statement that writes and returns how many rows it was about.
func affect(ctx context.Context, on session, w *writer) (int64, error) {
	result, err := on.exec(ctx, w.statement())
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// statement is what was written, a statement that writes.
func (w *writer) statement() statement {
	return statement{text: string(w.b), args: w.args, writes: true}
}

func (s *spec) writer() *writer {
	return &writer{db: s.db, joins: &joins{base: string(s.m.table.SQLAlias)}}
}

func (s *spec) update(ctx context.Context, on session, set []assigned) (int64, error) {
	if s.limit == 0 {
		return 0, nil
	}
	w, err := s.updating(set)
	if err != nil {
		return 0, err
	}
	return affect(ctx, on, w)
}

func (s *spec) updating(set []assigned) (*writer, error) {
	w := s.writer()
	w.put("UPDATE ", string(s.m.table.SQLName), " AS ", w.joins.base, " SET ")
	for i, a := range set {
		if i > 0 {
			w.put(", ")
		}
		w.put(string(a.column.SQLName), " = ")
		if err := a.to.write(w); err != nil {
			return nil, err
		}
	}
	return w, s.target(w, " WHERE ")
}

// updateOne updates the query's only row and returns it; nil if there is none.
func updateOne[T any](ctx context.Context, on session, s *spec, set []assigned) (*T, error) {
	w, err := s.updating(set)
	if err != nil {
		return nil, err
	}
	return only(returning[T](ctx, on, s, w, s.m.list))
}

// returning runs a statement that writes and reads columns of the rows that it was
// about.
func returning[T any](ctx context.Context, on session, s *spec, w *writer, columns []*column) ([]*T, error) {
	pl := &plan{sources: []source{{m: s.m}}}
	for _, c := range columns {
		pl.cells = append(pl.cells, cellPlan{0, c})
	}
	w.put(" RETURNING ")
	w.names(columns)
	result, err := on.query(ctx, w.statement())
	if err != nil {
		return nil, err
	}
	rows, _, err := read[T](result, pl, s.origin(on))
	return rows, err
}

func (s *spec) delete(ctx context.Context, on session) (int64, error) {
	if s.limit == 0 {
		return 0, nil
	}
	w := s.writer()
	w.put("DELETE FROM ", string(s.m.table.SQLName), " AS ", w.joins.base)
	if err := s.target(w, " WHERE "); err != nil {
		return 0, err
	}
	return affect(ctx, on, w)
}

// target writes, behind before, which rows of the model a statement is about: the
// query's conditions, or, where these need a join or there is a window, a subquery
// that picks primary keys. It writes nothing if all rows are meant.
func (s *spec) target(w *writer, before string) error {
	if s.limit < 0 && s.offset == 0 {
		text, args := w.b, len(w.args)
		var conds []string
		w.b = nil
		err := s.where(w, func(cond string) { conds = append(conds, cond) })
		w.b = text
		if err != nil {
			return err
		}
		if len(w.joins.all) == 0 {
			if len(conds) > 0 {
				w.put(before, strings.Join(conds, " AND "))
			}
			return nil
		}
		w.args = w.args[:args]
	}
	keys, err := s.m.keys()
	if err != nil {
		return err
	}
	picked := *s
	picked.related, picked.distinct, picked.columns = nil, false, keys
	if s.limit < 0 && s.offset == 0 {
		picked.order = nil
	}
	text := w.b
	w.b, w.joins = nil, s.writer().joins
	st, err := picked.selectionBy(w, nil)
	w.b = text
	if err != nil {
		return err
	}
	w.put(before, tuple(w.joins.base, keys), " IN (", st.text, ")")
	return nil
}

// keys are the columns of the primary key.
func (m *model) keys() ([]*column, error) {
	if len(m.table.PKs) == 0 {
		return nil, fmt.Errorf("%w: %s has no primary key", ErrField, m.typ.Name())
	}
	return m.columnsOfKey(), nil
}

// tuple is columns of a table as one value.
func tuple(alias string, columns []*column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = alias + "." + string(c.SQLName)
	}
	if len(names) == 1 {
		return names[0]
	}
	return "(" + strings.Join(names, ", ") + ")"
}
