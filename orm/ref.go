package orm

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/tandem-go/tandem/bridge"
)

// Ref is a relation to one row: a field that is the key's column, as in
//
//	Author orm.Ref[Author] `bun:"author_id"`
//
// or, where the key is on the other side, bun:"-". It remembers how its own row was
// loaded. It must not be used by several goroutines at once, as the row it is in.
type Ref[T any] struct {
	key    any // nil: NULL, or not known
	row    *T
	loaded bool
	rel    *relation
	from   *origin
	of     any // the row that it is a field of
}

// RefTo is a reference to a row that is there.
func RefTo[T any](row *T) Ref[T] {
	var r Ref[T]
	r.Set(row)
	return r
}

// RefKey is a reference by a key alone.
func RefKey[T any](key any) Ref[T] { return Ref[T]{key: key} }

// Get is the row. nil is none: the key is NULL. If it was not loaded, sync code
// that loaded its own row has it loaded now; a row that async code loaded answers
// with an error that matches [bridge.ErrSynchronousOnly] and names the relation and
// the remedy.
func (r *Ref[T]) Get() (*T, error) {
	if r.loaded {
		return r.row, nil
	}
	if r.rel == nil {
		return nil, r.unknown()
	}
	if err := r.from.lazily(r.rel, r.of); err != nil {
		return nil, err
	}
	return r.row, nil
}

// Load is Get for async code: it asks the database if the row was not loaded.
func (r *Ref[T]) Load(ctx context.Context) (*T, error) {
	if r.loaded {
		return r.row, nil
	}
	if r.rel == nil {
		return nil, r.unknown()
	}
	if err := r.from.load(r.from.rowByRow(ctx, r.rel), r.rel, r.of); err != nil {
		return nil, err
	}
	return r.row, nil
}

func (r *Ref[T]) unknown() error {
	return fmt.Errorf("orm: a reference to %s was not loaded, and no query has loaded its row: load it with a query of %s",
		reflect.TypeFor[T]().Name(), reflect.TypeFor[T]().Name())
}

// Must is Get where the relation is known to be loaded: it panics otherwise.
func (r *Ref[T]) Must() *T {
	row, err := r.Get()
	if err != nil {
		panic(err)
	}
	return row
}

// Loaded says whether Get answers without asking the database.
func (r *Ref[T]) Loaded() bool { return r.loaded }

// PK is the key of the row, as the database holds it; nil is NULL, or, where the
// key is on the other side, not known.
func (r *Ref[T]) PK() any {
	if r.loaded && r.row != nil {
		if key := keyOf(r.row); key != nil {
			return key
		}
	}
	return r.key
}

// Set makes it a reference to row; nil makes it NULL. The key that is stored is the
// one that row has then.
func (r *Ref[T]) Set(row *T) { r.row, r.loaded, r.key = row, true, nil }

// SetPK makes it a reference to the row with that key.
func (r *Ref[T]) SetPK(key any) { r.row, r.loaded, r.key = nil, key == nil, key }

// Value gives the key, for the database.
func (r Ref[T]) Value() (driver.Value, error) {
	key := r.PK()
	if key == nil {
		if r.loaded && r.row != nil {
			return nil, fmt.Errorf("%w: the %s that is referred to has no key yet: create it first", ErrType, reflect.TypeFor[T]().Name())
		}
		return nil, nil
	}
	return bindable(reflect.ValueOf(key))
}

// Scan takes a key from the database.
func (r *Ref[T]) Scan(src any) error {
	if b, ok := src.([]byte); ok {
		src = string(b)
	}
	r.row, r.loaded, r.key = nil, src == nil, src
	return nil
}

// IsZero says that it is NULL; see the omitzero of package json.
func (r Ref[T]) IsZero() bool { return r.row == nil && r.key == nil }

// MarshalJSON gives the row if it is loaded, else the key. It never asks the
// database.
func (r Ref[T]) MarshalJSON() ([]byte, error) {
	if r.loaded {
		return json.Marshal(r.row)
	}
	return json.Marshal(r.key)
}

func (r *Ref[T]) relatedType() reflect.Type { return reflect.TypeFor[T]() }
func (r *Ref[T]) many() bool                { return false }
func (r *Ref[T]) isLoaded() bool            { return r.loaded }

func (r *Ref[T]) attach(from *origin, rel *relation, row any) {
	r.from, r.rel, r.of = from, rel, row
}

func (r *Ref[T]) put(rows []any) {
	r.loaded, r.row = true, nil
	if len(rows) > 0 {
		r.row = rows[0].(*T)
	}
}

// lazily loads a relation for sync code, if the mode lets it.
func (o *origin) lazily(rel *relation, row any) error {
	what := fmt.Sprintf("orm: %s was not loaded", rel)
	remedy := o.related(rel) + ", or call Load(ctx)"
	if o.mode == FetchRaise {
		if o.scope == nil {
			return fmt.Errorf("%s, and its row came from async code: %w: %s", what, bridge.ErrSynchronousOnly, remedy)
		}
		return fmt.Errorf("%s, and the query says FetchRaise: %w: %s", what, ErrNotLoaded, remedy)
	}
	if o.scope == nil {
		return fmt.Errorf("%s, and its row came from async code: %w: %s", what, bridge.ErrSynchronousOnly, remedy)
	}
	ctx, done, err := bridge.Detached(o.scope, what)
	if err != nil {
		return err
	}
	defer done()
	return o.load(o.rowByRow(ctx, rel), rel, row)
}
