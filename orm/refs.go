package orm

import (
	"context"
	"fmt"
	"reflect"
)

// Refs is a relation to many rows, either one whose key is in the other model, or
// one over a table between:
//
//	Posts orm.Refs[Post] `bun:"-"`
//	Tags  orm.Refs[Tag]  `bun:"-" orm:"m2m:post_tags"`
//
// It remembers how its own row was loaded. It must not be used by several
// goroutines at once, as the row it is in.
type Refs[T any] struct {
	rows   []*T
	loaded bool
	rel    *relation
	from   *origin
	of     any    // the row that it is a field of
	around *chain // while it is marshalled
}

// All is the rows, by primary key; see [Ref.Get] for when they were not loaded. Rows
// that were added since are the last. The slice is the relation's own.
func (r *Refs[T]) All() ([]*T, error) {
	if r.loaded {
		return r.rows, nil
	}
	if r.rel == nil {
		return nil, r.unknown()
	}
	if err := r.from.lazily(r.rel, r.of, r); err != nil {
		return nil, err
	}
	return r.rows, nil
}

// Load is All for async code: it asks the database if the rows were not loaded.
func (r *Refs[T]) Load(ctx context.Context) ([]*T, error) {
	if r.loaded {
		return r.rows, nil
	}
	if r.rel == nil {
		return nil, r.unknown()
	}
	if err := r.from.load(ctx, r.rel, r.of, r); err != nil {
		return nil, err
	}
	return r.rows, nil
}

func (r *Refs[T]) unknown() error {
	return fmt.Errorf("orm: rows of %s were not loaded, and no query has loaded the row that refers to them", reflect.TypeFor[T]().Name())
}

// Loaded says whether All answers without asking the database.
func (r *Refs[T]) Loaded() bool { return r.loaded }

// IsZero says that nothing was loaded; see the omitzero of package json.
func (r Refs[T]) IsZero() bool { return !r.loaded }

func (r *Refs[T]) relatedType() reflect.Type { return reflect.TypeFor[T]() }
func (r *Refs[T]) many() bool                { return true }
func (r *Refs[T]) isLoaded() bool            { return r.loaded }

func (r *Refs[T]) attach(from *origin, rel *relation, row any) {
	r.from, r.rel, r.of = from, rel, row
	r.rows, r.loaded = nil, false
}

func (r *Refs[T]) move(to any) {
	r.rel.follow(r.loadedRows(), r.of, to)
	r.from.move(r.of, to)
	r.of = to
}

func (r *Refs[T]) put(rows []any) {
	r.rows, r.loaded = make([]*T, len(rows)), true
	for i, row := range rows {
		r.rows[i] = row.(*T)
	}
}

func (r *Refs[T]) putBack(any) {} // there is no way back to many
func (r *Refs[T]) point(any)   {}

func (r *Refs[T]) loadedRows() []any  { return anys(r.rows) }
func (r *Refs[T]) refKey() any        { return nil }
func (r *Refs[T]) within(rows *chain) { r.around = rows }
