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
}

// cell is one column of the row that is being read.
type cell struct {
	cellPlan
	of    *reading
	first bool // of its source
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) error {
	r := c.of
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
		return fmt.Errorf("%w: column %s is read into %s, of type %s: %w", ErrType, c.column.Name, c.column.name(), c.column.StructField.Type, err)
	}
	return nil
}

// read reads all rows and closes them. keys is what the last row has in the columns
// behind the plan's cells; nil without rows.
func read[T any](result *results, pl *plan, from *origin) (rows []*T, keys []any, err error) {
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
	last := make([]any, pl.keys)
	for i := range last {
		dest = append(dest, &last[i])
	}
	origins := from.ofSources(pl)
	rows = []*T{}
	for result.Next() {
		row := new(T)
		r.rows[0] = reflect.ValueOf(row).Elem()
		if err := result.Scan(dest...); err != nil {
			return nil, nil, err
		}
		r.attach(origins)
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		keys = last
	}
	return rows, keys, result.Err()
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
		var rows []any
		if !r.absent[i] {
			rows = []any{r.rows[i].Addr().Interface()}
		}
		from.join.rel.field(r.rows[from.parent]).put(rows)
	}
}
