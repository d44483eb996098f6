package orm

import (
	"context"
	"fmt"
	"slices"
)

// Add makes rows part of the relation, which must be in the database: it sets their
// keys, or adds to the table between what is not there yet (where both columns
// together must be unique). It does so for all of them or for none. An error matches
// [ErrNotFound] or [ErrForeignKey] if one of them is gone.
//
// As all changes of a relation it is made in the transaction that ctx carries, or
// that has loaded the row if that lives. What is loaded of the relation follows when
// it is done, and the rows know where they are; it is not taken back if the
// transaction is rolled back later, and nothing else that is loaded follows.
func (r *Refs[T]) Add(ctx context.Context, rows ...*T) error {
	err := r.change(ctx, "add to", rows, len(rows) > 1, func(c *change) error { return c.add(c.keys) })
	if err == nil {
		r.added(rows)
	}
	return err
}

// Remove takes rows out of the relation: it makes their keys NULL, which needs the
// tag orm:"null" on that field of theirs, or takes them out of the table between.
// Rows that are not in it are left alone. See [Refs.Add].
func (r *Refs[T]) Remove(ctx context.Context, rows ...*T) error {
	err := r.change(ctx, "remove from", rows, len(rows) > maxList, func(c *change) error { return c.remove(c.keys) })
	if err == nil {
		r.removed(rows)
	}
	return err
}

// Set makes the relation of these rows and no others, in one transaction: what is
// not among them is removed, what is missing is added. See [Refs.Add] and
// [Refs.Remove].
func (r *Refs[T]) Set(ctx context.Context, rows ...*T) error {
	err := r.change(ctx, "set", rows, true, func(c *change) error { return c.set() })
	if err == nil {
		r.empty()
		r.added(rows)
	}
	return err
}

// Clear takes all rows out of the relation. See [Refs.Remove].
func (r *Refs[T]) Clear(ctx context.Context) error {
	err := r.change(ctx, "clear", nil, false, func(c *change) error { return c.clear() })
	if err == nil {
		r.empty()
	}
	return err
}

// Create inserts a row as part of the relation. See [Query.Create] and [Refs.Add].
func (r *Refs[T]) Create(ctx context.Context, row *T) error {
	several := r.rel != nil && r.rel.kind == manyToMany
	err := r.change(ctx, "create in", nil, several, func(c *change) error {
		if row == nil {
			return errNil
		}
		if r.rel.kind == hasMany {
			r.rel.inverse.in(row).point(r.of)
		}
		s := r.Query().s
		if s.err != nil {
			return s.err
		}
		if err := create(c.ctx, c.on, s, row); err != nil || !several {
			return err
		}
		key, _, err := r.rel.target.keyOfRow(row)
		if err != nil {
			return err
		}
		return c.add([]any{key})
	})
	if err == nil {
		r.added([]*T{row})
	}
	return err
}

// added has what is loaded follow.
func (r *Refs[T]) added(rows []*T) {
	known := r.rel.target.keySet(anys(r.rows))
	for _, row := range rows {
		if r.rel.kind == hasMany {
			r.rel.inverse.in(row).point(r.of)
		}
		if _, key, err := r.rel.target.keyOfRow(row); r.loaded && err == nil && !known[key] {
			known[key] = true
			r.rows = append(slices.Clip(r.rows), row)
		}
	}
}

// removed has what is loaded follow.
func (r *Refs[T]) removed(rows []*T) {
	gone := r.rel.target.keySet(anys(rows))
	var left []*T
	for _, row := range r.rows {
		if _, key, _ := r.rel.target.keyOfRow(row); gone[key] {
			rows = append(slices.Clip(rows), row)
		} else {
			left = append(left, row)
		}
	}
	r.leave(rows)
	r.rows = left
}

// empty has what is loaded follow.
func (r *Refs[T]) empty() {
	r.leave(r.rows)
	r.rows, r.loaded = []*T{}, true
}

// leave makes the keys of rows NULL that are the owner's.
func (r *Refs[T]) leave(rows []*T) {
	if r.rel.kind != hasMany {
		return
	}
	_, own, _ := r.rel.owner.keyOfRow(r.of)
	for _, row := range rows {
		field := r.rel.inverse.in(row)
		if _, key, err := boundKey(field.refKey()); err == nil && key == own {
			field.point(nil)
		}
	}
}

// keySet is the keys of rows, as maps have them.
func (m *model) keySet(rows []any) map[any]bool {
	keys := make(map[any]bool, len(rows))
	for _, row := range rows {
		if _, key, err := m.keyOfRow(row); err == nil {
			keys[key] = true
		}
	}
	return keys
}

// change runs a change of the relation in the database.
func (r *Refs[T]) change(ctx context.Context, op string, rows []*T, several bool, f func(*change) error) error {
	if r.rel == nil {
		return r.unknown()
	}
	c, err := newChange(r.rel, r.of, anys(rows))
	if err == nil {
		if on := r.from.session(ctx); several {
			err = atomically(ctx, on, func(ctx context.Context, on session) error { return f(c.in(ctx, on)) })
		} else {
			err = f(c.in(ctx, on))
		}
	}
	if err != nil {
		return fmt.Errorf("orm: %s %s: %w", op, r.rel, err)
	}
	return nil
}
