package orm

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"net/http"
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
	back   bool // row is the one that loaded the row that it is a field of
	rel    *relation
	from   *origin
	of     any    // the row that it is a field of
	around *chain // while it is marshalled
}

// RefTo is a reference to a row that is there.
func RefTo[T any](row *T) Ref[T] {
	var r Ref[T]
	r.Set(row)
	return r
}

// RefKey is a reference by a key alone.
func RefKey[T any](key any) Ref[T] { return Ref[T]{key: key} }

// Get is the row. nil is none: the key is NULL, or no row refers to this one. If it
// was not loaded, sync code that loaded its own row has it loaded now; a row that
// async code loaded answers with an error that matches [bridge.ErrSynchronousOnly]
// and names the relation and the remedy. A key that no row has is an error that
// matches [ErrNotFound].
//
// It loads as its own row was loaded: in the same transaction while that lives, and
// with the same [FetchMode], which the rows that it finds have too.
func (r *Ref[T]) Get() (*T, error) {
	if !r.loaded {
		if r.rel == nil {
			return nil, r.unknown()
		}
		if err := r.from.lazily(r.rel, r.of, r); err != nil {
			return nil, err
		}
	}
	return r.there()
}

// Load is Get for async code: it asks the database if the row was not loaded.
func (r *Ref[T]) Load(ctx context.Context) (*T, error) {
	if !r.loaded {
		if r.rel == nil {
			return nil, r.unknown()
		}
		if err := r.from.load(ctx, r.rel, r.of, r); err != nil {
			return nil, err
		}
	}
	return r.there()
}

// there is the row, which was loaded.
func (r *Ref[T]) there() (*T, error) {
	if r.row == nil && r.key != nil {
		return nil, &dangling{to: reflect.TypeFor[T]().Name(), by: r.rel, key: r.PK()}
	}
	return r.row, nil
}

// dangling is a key that no row has. It matches ErrNotFound, but it is no client
// that has asked for the row.
type dangling struct {
	to  string
	by  *relation // nil: not known
	key any
}

func (d *dangling) Error() string {
	if d.by == nil {
		return fmt.Sprintf("orm: a reference is to a %s that is not there, with the key %v", d.to, d.key)
	}
	return fmt.Sprintf("orm: %s refers to a %s that is not there, with the key %v", d.by, d.to, d.key)
}

func (d *dangling) Is(target error) bool { return target == ErrNotFound }

// HTTPStatus is that of a failure of the server's own.
func (d *dangling) HTTPStatus() int { return http.StatusInternalServerError }

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

// PK is the key of the row, of the type that its field of T has; nil is NULL, or,
// where the key is on the other side, not known.
func (r *Ref[T]) PK() any {
	if r.row != nil {
		if key := keyOf(r.row); key != nil {
			return key
		}
	}
	return keyAs(reflect.TypeFor[T](), r.key)
}

// Set makes it a reference to row; nil makes it NULL. The key that is stored is the
// one that row has then. Where the key is on the other side nothing is stored.
func (r *Ref[T]) Set(row *T) { r.row, r.loaded, r.back, r.key = row, true, false, nil }

// SetPK makes it a reference to the row with that key, which is loaded when asked
// for; nil makes it NULL.
func (r *Ref[T]) SetPK(key any) { r.row, r.loaded, r.back, r.key = nil, key == nil, false, key }

// Value gives the key, for the database.
func (r Ref[T]) Value() (driver.Value, error) {
	key := r.PK()
	if key == nil {
		if r.row != nil {
			return nil, fmt.Errorf("%w: the %s that is referred to has no key yet: create it first", ErrType, reflect.TypeFor[T]().Name())
		}
		return nil, nil
	}
	return bindable(reflect.ValueOf(key))
}

// Scan takes a key from the database.
func (r *Ref[T]) Scan(src any) error {
	if b, ok := src.([]byte); ok { // the driver's memory
		src = bytes.Clone(b)
	}
	r.SetPK(src)
	return nil
}

// IsZero says that it is NULL; see the omitzero of package json.
func (r Ref[T]) IsZero() bool { return r.row == nil && r.key == nil }

func (r *Ref[T]) relatedType() reflect.Type { return reflect.TypeFor[T]() }
func (r *Ref[T]) many() bool                { return false }
func (r *Ref[T]) isLoaded() bool            { return r.loaded }

func (r *Ref[T]) attach(from *origin, rel *relation, row any) {
	r.from, r.rel, r.of = from, rel, row
}

func (r *Ref[T]) move(to any) {
	r.rel.follow(r.loadedRows(), r.of, to)
	r.from.move(r.of, to)
	r.of = to
}

func (r *Ref[T]) put(rows []any) {
	r.loaded, r.back, r.row = true, false, nil
	if len(rows) > 0 {
		r.row = rows[0].(*T)
	}
}

func (r *Ref[T]) putBack(row any) {
	if !r.loaded {
		r.loaded, r.back, r.row = true, true, row.(*T)
	}
}

func (r *Ref[T]) point(row any) {
	if r.SetPK(nil); row != nil {
		r.row, r.back = row.(*T), true
	}
}

func (r *Ref[T]) loadedRows() []any {
	if r.row == nil {
		return nil
	}
	return []any{r.row}
}

func (r *Ref[T]) refKey() any        { return r.PK() }
func (r *Ref[T]) within(rows *chain) { r.around = rows }

// lazily loads a relation for sync code, if the mode lets it.
func (o *origin) lazily(rel *relation, row any, field relational) error {
	what := fmt.Sprintf("orm: %s was not loaded", rel)
	remedy := o.related(rel) + ", or call Load(ctx)"
	if o.scope == nil {
		return fmt.Errorf("%s, and its row came from async code: %w: %s", what, bridge.ErrSynchronousOnly, remedy)
	}
	if o.mode == FetchRaise {
		return fmt.Errorf("%s, and the query says FetchRaise: %w: %s", what, ErrNotLoaded, remedy)
	}
	ctx, done, err := bridge.Detached(o.scope, what)
	if err != nil {
		return fmt.Errorf("%w, or %s", err, remedy)
	}
	defer done()
	return o.load(ctx, rel, row, field)
}
