package orm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Save stores a row: the row of its primary key is updated; if there is none, or the
// key is one that the database makes and has not yet, it is inserted, as by
// [Query.Create]. Fields with the tag skipupdate keep what they were created with.
//
// With names of fields, only those are updated. So it is for a row that was loaded
// with some of its fields alone, by Only or Defer: Save updates these, never those
// that were not loaded; a copy of such a row is not known to be one. In both cases
// nothing is inserted: if the row is gone, the error matches [ErrNotFound].
//
// The conditions of the query do not matter.
func (q Query[T]) Save(ctx context.Context, row *T, fields ...string) error {
	return q.s.do(ctx, "save", func(on session) error {
		if row == nil {
			return errNil
		}
		v := reflect.ValueOf(row).Elem()
		columns, part, err := q.s.m.toSave(partOf(row), fields)
		if err != nil {
			return err
		}
		at, err := q.s.at(v)
		if errors.Is(err, errNoKey) && !part {
			return create(ctx, on, q.s, row)
		} else if err != nil {
			return err
		}
		set, err := valuesOf(v, columns)
		if err != nil {
			return err
		}
		n, err := at.update(ctx, on, set)
		switch {
		case err != nil || n > 0:
			return err
		case part:
			return ErrNotFound
		}
		return create(ctx, on, q.s, row)
	})
}

// toSave are the columns that Save updates, and whether it was asked for a part of
// the row.
func (m *model) toSave(loaded, fields []string) (columns []*column, part bool, err error) {
	if len(fields) > 0 {
		columns, err = m.toSet(fields)
		return columns, true, err
	}
	keys, err := m.keys()
	if err != nil {
		return nil, false, err
	}
	for _, c := range m.list {
		if !c.IsPK && !c.SkipUpdate() && (loaded == nil || slices.Contains(loaded, c.Name)) {
			columns = append(columns, c)
		}
	}
	if len(columns) == 0 { // then it is only asked whether the row is there
		columns = keys[:1]
	}
	return columns, loaded != nil, nil
}

// toSet are the columns of fields, which are none of the primary key.
func (m *model) toSet(fields []string) ([]*column, error) {
	columns, err := m.pick(fields)
	if err != nil {
		return nil, err
	}
	for i, c := range columns {
		switch {
		case c.IsPK:
			return nil, fmt.Errorf("%w: %s is of the primary key, which says which row is meant", ErrField, c.name())
		case slices.Contains(columns[:i], c):
			return nil, fmt.Errorf("%w: %s is named twice", ErrField, c.name())
		}
	}
	return columns, nil
}

var errNoKey = fmt.Errorf("%w: the row has no primary key yet: create it first", ErrType)

// at is the query of one row by its primary key, without other conditions.
func (s *spec) at(row reflect.Value) (*spec, error) {
	keys, err := s.m.keys()
	if err != nil {
		return nil, err
	}
	one := *s
	one.conds, one.order, one.limit, one.offset, one.columns, one.distinct = nil, nil, -1, 0, nil, false
	for _, c := range keys {
		if c.isLeft(row) {
			return nil, errNoKey
		}
		arg, err := c.bound(row)
		if err != nil {
			return nil, err
		}
		one.conds = append(one.conds, equal(&path{column: c}, arg))
	}
	return &one, nil
}

// equal says that a field has a value, which was checked.
func equal(f *path, arg any) checked {
	if arg == nil {
		return checked{n: &comparison{parts: []node{f, word("IS NULL")}, field: f}}
	}
	return checked{n: &comparison{parts: []node{f, word("="), bind{arg}}, field: f}}
}

// valuesOf sets columns to what a row has.
func valuesOf(row reflect.Value, columns []*column) ([]assigned, error) {
	set := make([]assigned, len(columns))
	for i, c := range columns {
		arg, err := c.bound(row)
		if err != nil {
			return nil, err
		}
		set[i] = assigned{c, checked{n: bind{arg}}}
	}
	return set, nil
}

// DeleteRow deletes a row by its primary key, as Django's Model.delete does. The
// error matches [ErrNotFound] if it was gone. The row in memory stays as it is; the
// conditions of the query do not matter.
func (q Query[T]) DeleteRow(ctx context.Context, row *T) error {
	return q.s.do(ctx, "delete", func(on session) error {
		if row == nil {
			return errNil
		}
		at, err := q.s.at(reflect.ValueOf(row).Elem())
		if err != nil {
			return err
		}
		n, err := at.delete(ctx, on)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Refresh loads a row anew, by its primary key, into the memory it is in: all of it,
// or some fields. Relations forget what they had loaded; those of the query's
// Related are loaded anew. The error matches [ErrNotFound] if the row is gone. The
// conditions of the query do not matter.
func (q Query[T]) Refresh(ctx context.Context, row *T, fields ...string) error {
	return q.s.do(ctx, "refresh", func(on session) error {
		if row == nil {
			return errNil
		}
		v := reflect.ValueOf(row).Elem()
		at, err := q.s.at(v)
		if err != nil {
			return err
		}
		columns := q.s.m.list
		if len(fields) > 0 {
			if columns, err = q.s.m.pick(fields); err != nil {
				return err
			}
			at.columns = q.s.m.withKey(columns)
		}
		st, err := at.selection(nil)
		if err != nil {
			return err
		}
		fresh, err := fetch[T](ctx, on, at, st)
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			return ErrNotFound
		}
		from := reflect.ValueOf(fresh[0]).Elem()
		copyColumns(v, from, columns)
		for _, r := range q.s.m.related {
			if len(fields) == 0 || slices.Contains(columns, r.key) || slices.ContainsFunc(q.s.related, func(p relatedPath) bool { return p[0] == r }) {
				v.FieldByIndex(r.index).Set(from.FieldByIndex(r.index))
				r.field(v).move(row)
			}
		}
		if len(fields) > 0 {
			growPart(row, columns)
		} else {
			forgetPart(row)
		}
		return nil
	})
}
