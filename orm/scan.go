package orm

import (
	"fmt"
	"reflect"
)

// reading is the row that is being read.
type reading struct {
	plan   *plan
	rows   []reflect.Value // of each source, its struct
	absent []bool          // joined, and not there
	one    [1]any          // the row that is put where it is joined
	guard
}

// cell is one column of the row that is being read.
type cell struct {
	cellPlan
	of    *reading
	first bool // of its source
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) (err error) {
	r := c.of
	defer r.keep(&err)
	if c.first && c.source > 0 {
		r.absent[c.source] = src == nil
		if src != nil {
			r.rows[c.source] = reflect.New(r.plan.sources[c.source].m.typ).Elem()
		}
	}
	if r.absent[c.source] {
		return nil
	}
	if err := c.column.ScanValue(r.rows[c.source], src); err != nil {
		return unread(fmt.Sprintf("column %s is read into %s, of type", c.column.Name, c.column.name()), c.column.StructField.Type, src, err)
	}
	return nil
}

// taker takes the rows that are read.
type taker interface {
	// place is where the next row is read into.
	place() reflect.Value
	// beside is where the columns behind the plan's cells are read into.
	beside() []any
	// take takes the row that was read, and says whether it is kept.
	take(row reflect.Value) (bool, error)
}

// taken takes rows into a slice.
type taken[T any] struct {
	rows []*T
	keys []any // what the last row has in the columns behind the cells
}

func (l *taken[T]) place() reflect.Value { return reflect.ValueOf(new(T)).Elem() }
func (l *taken[T]) beside() []any {
	all := make([]any, len(l.keys))
	for i := range all {
		all[i] = &l.keys[i]
	}
	return all
}

func (l *taken[T]) take(row reflect.Value) (bool, error) {
	l.rows = append(l.rows, row.Addr().Interface().(*T))
	return true, nil
}

// read reads all rows and closes them. keys is what the last row has in the columns
// behind the plan's cells; nil without rows.
func read[T any](result *results, pl *plan, from *origin) (rows []*T, keys []any, err error) {
	to := &taken[T]{rows: []*T{}, keys: make([]any, pl.keys)}
	if err := pl.read(result, from.ofSources(pl), to); err != nil {
		return nil, nil, err
	}
	if len(to.rows) > 0 {
		keys = to.keys
	}
	return to.rows, keys, nil
}

// read reads all rows and closes them. origins are those of the sources.
func (pl *plan) read(result *results, origins []*origin, to taker) (err error) {
	defer func() {
		if closed := result.Close(); closed != nil {
			err = closed // what went wrong with the reading, with its kind
		}
	}()
	r := &reading{plan: pl, rows: make([]reflect.Value, len(pl.sources)), absent: make([]bool, len(pl.sources))}
	cells := make([]cell, len(pl.cells))
	dest := make([]any, len(pl.cells), len(pl.cells)+pl.keys)
	for i, c := range pl.cells {
		cells[i] = cell{cellPlan: c, of: r, first: i == 0 || pl.cells[i-1].source != c.source}
		dest[i] = &cells[i]
	}
	dest = append(dest, to.beside()...)
	for result.Next() {
		r.rows[0] = to.place()
		err := result.Scan(dest...)
		r.raise()
		if err != nil {
			return err
		}
		switch isNew, err := to.take(r.rows[0]); {
		case err != nil:
			return err
		case isNew:
			r.attach(origins)
		}
	}
	return result.Err()
}

// attach tells the relations of the row, and of those joined to it, where they come
// from, and puts the joined rows into their places.
func (r *reading) attach(origins []*origin) {
	for i, from := range r.plan.sources {
		if r.absent[i] {
			continue
		}
		origins[i].adopt(from.m, r.rows[i])
	}
	for i, from := range r.plan.sources {
		if i == 0 || r.absent[from.parent] {
			continue
		}
		rel, parent := from.join.rel, r.rows[from.parent]
		if r.absent[i] {
			rel.field(parent).put(nil)
			continue
		}
		r.one[0] = r.rows[i].Addr().Interface()
		rel.field(parent).put(r.one[:])
		if rel.inverse != nil {
			rel.inverse.field(r.rows[i]).putBack(parent.Addr().Interface())
		}
	}
}
