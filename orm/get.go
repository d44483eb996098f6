package orm

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// List returns all rows.
func (q Query[T]) List(ctx context.Context) ([]*T, error) { return list[T](ctx, q.s) }

// Get returns the row with that primary key, and an error that matches
// [ErrNotFound] if the query has none such. A key may come as text, out of a path:
// one that cannot be a key is not found.
func (q Query[T]) Get(ctx context.Context, pk any) (*T, error) {
	return q.with(func(s *spec) error {
		key, err := s.m.onlyKey()
		if err != nil {
			return err
		}
		arg, err := key.keyArgument(pk)
		if err != nil {
			return err
		}
		f := &path{column: key}
		s.conds = added(s.conds, checked{n: &comparison{parts: []node{f, word("="), &param{of: f}}, field: f}, args: []any{arg}})
		return nil
	}).One(ctx)
}

// One returns the only row there is, as Django's get() does. Errors match
// [ErrNotFound] if there is none, [ErrMultiple] if there are more.
func (q Query[T]) One(ctx context.Context) (*T, error) {
	limit := q.s.limit
	if limit < 0 || limit > 2 {
		q = q.Limit(2)
	}
	rows, err := list[T](ctx, q.s)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, q.s.wrap("get", ErrNotFound)
	case len(rows) > 1:
		return nil, q.s.wrap("get", fmt.Errorf("%w: narrow the query, or use First", ErrMultiple))
	}
	return rows[0], nil
}

// First returns the first row, by primary key if the query has no order.
// [ErrNotFound] if there is none.
func (q Query[T]) First(ctx context.Context) (*T, error) { return q.end(ctx, "first", false) }

// Last returns the last row, by primary key if the query has no order.
func (q Query[T]) Last(ctx context.Context) (*T, error) { return q.end(ctx, "last", true) }

// Earliest returns the row that is first by these fields.
func (q Query[T]) Earliest(ctx context.Context, fields ...string) (*T, error) {
	return q.Order(fields...).end(ctx, "earliest", false)
}

// Latest returns the row that is last by these fields.
func (q Query[T]) Latest(ctx context.Context, fields ...string) (*T, error) {
	return q.Order(fields...).end(ctx, "latest", true)
}

func (q Query[T]) end(ctx context.Context, op string, last bool) (*T, error) {
	q = q.with(func(s *spec) error {
		if last && (s.limit >= 0 || s.offset > 0) {
			return fmt.Errorf("%s: %w: not of a query with a limit or an offset", op, ErrType)
		}
		if len(s.order) == 0 {
			key, err := s.m.onlyKey()
			if err != nil {
				return err
			}
			s.order = []ordering{{by: &path{column: key}}}
		}
		if last {
			s.order = added(s.order)
			for i := range s.order {
				s.order[i].desc = !s.order[i].desc
			}
		}
		if s.limit < 0 {
			s.limit = 1
		}
		return nil
	})
	rows, err := list[T](ctx, q.s)
	if err == nil && len(rows) == 0 {
		err = q.s.wrap(op, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Count returns how many rows there are.
func (q Query[T]) Count(ctx context.Context) (int64, error) {
	return scalar[int64](ctx, q.s, "count", func(inner string) string { return "SELECT count(*) FROM (" + inner + ") AS counted" })
}

// Exists says whether there is a row.
func (q Query[T]) Exists(ctx context.Context) (bool, error) {
	return scalar[bool](ctx, q.s, "exists", func(inner string) string { return "SELECT EXISTS (" + inner + ")" })
}

// scalar runs a statement around the query's own and reads one value.
func scalar[R any](ctx context.Context, s *spec, op string, around func(inner string) string) (value R, err error) {
	err = s.do(ctx, op, func(on session) error {
		if s.limit == 0 {
			return nil
		}
		st, err := s.inner(nil)
		if err != nil {
			return err
		}
		st.text = around(st.text)
		value, err = readOne[R](ctx, on, st.statement)
		return err
	})
	return value, err
}

// readOne reads the one value that a statement gives.
func readOne[R any](ctx context.Context, on session, st statement) (value R, err error) {
	err = readRow(ctx, on, st, &value)
	return value, err
}

// readRow reads the one row that a statement gives.
func readRow(ctx context.Context, on session, st statement, dest ...any) error {
	rows, err := on.query(ctx, st)
	if err != nil {
		return err
	}
	if rows.Next() {
		err = rows.Scan(dest...)
	}
	if closed := rows.Close(); closed != nil {
		err = closed
	}
	return err
}

// inner is the query as a subquery of whose rows something is computed: without what
// is loaded with its rows, and, unless they must differ in it, without their columns.
func (s *spec) inner(more func(*bun.SelectQuery, *writer) error) (*selecting, error) {
	bare := *s
	bare.related, bare.order = nil, nil
	if s.limit >= 0 || s.offset > 0 {
		bare.order = s.order
	}
	if !s.distinct {
		bare.columns = s.m.columnsOfKey()
	}
	return bare.selection(more)
}

// columnsOfKey are those of the primary key, or all where there is none.
func (m *model) columnsOfKey() []*column {
	var key []*column
	for _, c := range m.list {
		if c.IsPK {
			key = append(key, c)
		}
	}
	if len(key) == 0 {
		return m.list
	}
	return key
}
