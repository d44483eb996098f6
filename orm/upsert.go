package orm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// GetOrCreate returns the query's row that has, in the fields that by names, the
// values that row has, and false; if there is none it creates row and returns it, and
// true:
//
//	tag, created, err := tags.GetOrCreate(ctx, &Tag{Name: "go"}, "name")
//
// Two at once give one row if the database has these fields unique together. Errors
// match [ErrMultiple] if there are several such rows, [ErrUnique] if the new row
// collides with one that is not of the query or not by these fields.
func (q Query[T]) GetOrCreate(ctx context.Context, row *T, by ...string) (found *T, created bool, err error) {
	err = q.s.do(ctx, "get or create", func(on session) error {
		found, created, err = getOrCreate(ctx, on, q.s, row, by)
		return err
	})
	return found, created, err
}

func getOrCreate[T any](ctx context.Context, on session, s *spec, row *T, by []string) (*T, bool, error) {
	at, _, err := s.sameAs(row, by)
	if err != nil {
		return nil, false, err
	}
	return orCreate(ctx, on, s, row, func() (*T, error) {
		st, err := at.selection(nil)
		if err != nil {
			return nil, err
		}
		return only(fetch[T](ctx, on, at, st))
	})
}

// orCreate does what find does about a row that is there, or creates it. It loses no
// race: who comes too late to create the row finds it.
func orCreate[T any](ctx context.Context, on session, s *spec, row *T, find func() (*T, error)) (*T, bool, error) {
	for range 2 {
		if found, err := find(); found != nil || err != nil {
			return found, false, err
		}
		created, err := createUnless(ctx, on, s, row, &collision{})
		if created {
			return row, true, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	if err := create(ctx, on, s, row); err != nil { // says what it collides with
		return nil, false, err
	}
	return row, true, nil
}

// only is the row if there is one, nil if there is none.
func only[T any](rows []*T, err error) (*T, error) {
	switch {
	case err != nil || len(rows) == 0:
		return nil, err
	case len(rows) > 1:
		return nil, ErrMultiple
	}
	return rows[0], nil
}

// sameAs is the query of the rows that have the same values as row in some fields,
// which it returns too. Two of the rows are enough.
func (s *spec) sameAs(row any, by []string) (*spec, []*column, error) {
	v := reflect.ValueOf(row)
	if v.IsNil() {
		return nil, nil, errNil
	}
	if len(by) == 0 {
		return nil, nil, fmt.Errorf("%w: no field is named that says which row is meant", ErrField)
	}
	if s.limit >= 0 || s.offset > 0 {
		return nil, nil, errWindow
	}
	columns, err := s.m.pick(by)
	if err != nil {
		return nil, nil, err
	}
	set, err := valuesOf(v.Elem(), columns)
	if err != nil {
		return nil, nil, err
	}
	one := *s
	one.order, one.limit = nil, 2
	for _, a := range set {
		one.conds = added(one.conds, equal(&path{column: a.column}, a.to.n.(bind).arg))
	}
	return &one, columns, nil
}

var errWindow = fmt.Errorf("%w: not of a query with a limit or an offset", ErrType)

// UpdateOrCreate finds a row as [Query.GetOrCreate] does and sets the fields that set
// names to what row has in them: without names, all that Create would write besides
// the primary key and those of by, and that were loaded if row was, as for Save. It returns the row as the database has it then.
// If there is none it creates row, and returns it and true.
//
//	author, created, err := authors.UpdateOrCreate(ctx, &Author{Email: &email, Name: name}, []string{"email"})
//
// Two at once give one row if the database has the fields of by unique together.
// Nothing is changed if there are several such rows: the error matches [ErrMultiple].
func (q Query[T]) UpdateOrCreate(ctx context.Context, row *T, by []string, set ...string) (found *T, created bool, err error) {
	err = q.s.do(ctx, "update or create", func(on session) error {
		at, known, err := q.s.sameAs(row, by)
		if err != nil {
			return err
		}
		columns, err := q.s.m.toUpdate(reflect.ValueOf(row).Elem(), partOf(row), known, set)
		if err != nil {
			return err
		}
		values, err := valuesOf(reflect.ValueOf(row).Elem(), columns)
		if err != nil {
			return err
		}
		at.limit = -1
		return atomically(ctx, on, func(ctx context.Context, on session) error {
			found, created, err = orCreate(ctx, on, q.s, row, func() (*T, error) { return updateOne[T](ctx, on, at, values) })
			return err
		})
	})
	if err != nil {
		return nil, false, err
	}
	return found, created, nil
}

// toUpdate are the columns that UpdateOrCreate sets.
func (m *model) toUpdate(row reflect.Value, loaded []string, by []*column, set []string) ([]*column, error) {
	if len(set) > 0 {
		return m.toSet(set)
	}
	columns := slices.DeleteFunc(m.shapeOf(row).written, func(c *column) bool {
		return c.IsPK || c.SkipUpdate() || slices.Contains(by, c) || loaded != nil && !slices.Contains(loaded, c.Name)
	})
	if len(columns) == 0 {
		return nil, fmt.Errorf("%w: no field is left to set: GetOrCreate does that", ErrField)
	}
	return columns, nil
}
