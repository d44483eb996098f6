package orm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// BulkOption changes how [Query.BulkCreate] works.
type BulkOption func(*bulk)

type bulk struct {
	size    int
	ignore  bool
	update  bool
	on, set []string
}

// BatchSize is the most rows of one statement; 1000 without it. There are fewer where
// their values are more than the database takes in a statement.
func BatchSize(n int) BulkOption { return func(b *bulk) { b.size = n } }

// IgnoreConflicts leaves out rows that collide with others that are unique. No keys
// are read back then: nobody knows whose they are.
func IgnoreConflicts() BulkOption { return func(b *bulk) { b.ignore = true } }

// UpdateConflicts sets fields of the rows that are there already, those equal in the
// fields on, which the database must have unique together, to what the new ones
// have. What the database makes is read back, the key of the row that was there too.
func UpdateConflicts(on, set []string) BulkOption {
	return func(b *bulk) { b.update, b.on, b.set = true, on, set }
}

// maxParams are the most parameters of one statement.
var maxParams = map[string]int{SQLite: 32766, PostgreSQL: 65535}

const (
	defaultBatch = 1000
	maxBatch     = 100_000
)

// bulk reads options.
func (s *spec) bulk(options []BulkOption) (*bulk, *collision, error) {
	b := &bulk{size: defaultBatch}
	for _, o := range options {
		o(b)
	}
	if b.size < 1 || b.size > maxBatch {
		return nil, nil, fmt.Errorf("%w: a batch of %d rows; 1 to %d are possible", ErrType, b.size, maxBatch)
	}
	switch {
	case b.ignore && b.update:
		return nil, nil, fmt.Errorf("%w: conflicts are either ignored or updated", ErrType)
	case b.ignore:
		return b, &collision{}, nil
	case !b.update:
		return b, nil, nil
	}
	on, err := s.m.pick(b.on)
	if err != nil {
		return nil, nil, err
	}
	set, err := s.m.toSet(b.set)
	if err == nil && (len(on) == 0 || len(set) == 0) {
		err = fmt.Errorf("%w: UpdateConflicts names the fields that are unique, and those that are set", ErrField)
	}
	return b, &collision{on, set}, err
}

// batch is how many rows of so many parameters each a statement takes.
func (b *bulk) batch(db *DB, params int) int {
	if params == 0 { // INSERT … DEFAULT VALUES is of one row
		return 1
	}
	return max(min(b.size, maxParams[db.dialect]/params), 1)
}

// BulkCreate inserts rows as [Query.Create] does each, in as few statements as the
// database takes, all or none of them. Rows that leave different fields to the
// database are in different statements. Return values of the database are in the
// rows only when all are inserted.
func (q Query[T]) BulkCreate(ctx context.Context, rows []*T, options ...BulkOption) error {
	return q.s.do(ctx, "bulk create", func(on session) error {
		b, unless, err := q.s.bulk(options)
		if err != nil {
			return err
		}
		batches, err := q.s.m.batches(anys(rows), b)
		if err != nil || len(batches) == 0 {
			return err
		}
		made := make([][]any, len(batches))
		insertAll := func(ctx context.Context, on session) error {
			for i, one := range batches {
				got, n, err := insert[T](ctx, on, q.s, one.shape, one.rows, unless)
				if err != nil {
					return err
				}
				if !b.ignore && n != int64(len(one.rows)) {
					return keptOut(n, len(one.rows))
				}
				made[i] = anys(got)
				ctx = goingOn(ctx)
			}
			return nil
		}
		if len(batches) == 1 {
			err = insertAll(ctx, on)
		} else {
			err = atomically(ctx, on, insertAll)
		}
		if err != nil || b.ignore {
			return err
		}
		for i, one := range batches {
			q.s.created(on, one.shape, one.rows, made[i])
		}
		return nil
	})
}

// batch is rows of one shape that one statement takes.
type batch struct {
	shape
	rows []any
}

// batches sorts new rows into statements.
func (m *model) batches(rows []any, b *bulk) ([]*batch, error) {
	var all []*batch
	open := map[string]*batch{} // the one of a shape that has room
	for i, row := range rows {
		v := reflect.ValueOf(row)
		if v.IsNil() {
			return nil, fmt.Errorf("row %d: %w", i, errNil)
		}
		sh := m.shapeOf(v.Elem())
		key := sh.key(m)
		one := open[key]
		if one == nil || len(one.rows) == b.batch(m.db, len(sh.written)) {
			one = &batch{shape: sh}
			open[key] = one
			all = append(all, one)
		}
		one.rows = append(one.rows, row)
	}
	return all, nil
}

// key is equal for equal shapes.
func (sh shape) key(m *model) string {
	key := make([]byte, len(m.list))
	for i, c := range m.list {
		for _, left := range sh.left {
			if left == c {
				key[i] = 1
			}
		}
	}
	return string(key)
}

// BulkUpdate stores fields of rows that are there, those of the same primary keys, in
// as few statements as the database takes, all or none of them. It returns how many
// rows were there and of the query.
func (q Query[T]) BulkUpdate(ctx context.Context, rows []*T, fields ...string) (n int64, err error) {
	err = q.s.do(ctx, "bulk update", func(on session) error {
		columns, err := q.s.m.toSet(fields)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			return fmt.Errorf("%w: nothing is set", ErrField)
		}
		keys, err := q.s.m.keysOf(anys(rows))
		if err != nil || len(rows) == 0 || q.s.limit == 0 {
			return err
		}
		size := (&bulk{size: defaultBatch}).batch(q.s.db, len(keys)+len(columns))
		update := func(ctx context.Context, on session) error {
			n = 0
			for some := range slices.Chunk(anys(rows), size) {
				w, err := q.s.bulkUpdating(keys, columns, some)
				if err != nil {
					return err
				}
				updated, err := affect(ctx, on, w)
				if err != nil {
					return err
				}
				n += updated
				ctx = goingOn(ctx)
			}
			return nil
		}
		if len(rows) <= size {
			return update(ctx, on)
		}
		return atomically(ctx, on, update)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// keysOf are the columns of the primary key, which all rows must have, no two the same.
func (m *model) keysOf(rows []any) ([]*column, error) {
	keys, err := m.keys()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]int, len(rows))
	for i, row := range rows {
		v := reflect.ValueOf(row)
		if v.IsNil() {
			return nil, fmt.Errorf("row %d: %w", i, errNil)
		}
		id := ""
		for _, c := range keys {
			if c.isLeft(v.Elem()) {
				return nil, fmt.Errorf("row %d: %w", i, errNoKey)
			}
			arg, err := c.bound(v.Elem())
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", i, err)
			}
			id += fmt.Sprintf("%q ", fmt.Sprint(arg))
		}
		if first, twice := seen[id]; twice {
			return nil, fmt.Errorf("%w: rows %d and %d have the same primary key", ErrType, first, i)
		}
		seen[id] = i
	}
	return keys, nil
}

// bulkUpdating joins the table with the values. Before these comes a row of NULLs
// that has the columns' types: PostgreSQL does not know those of parameters in VALUES.
func (s *spec) bulkUpdating(keys, columns []*column, rows []any) (*writer, error) {
	w := s.writer()
	table, given := string(s.m.table.SQLName), s.db.ident("given_rows")
	w.put("UPDATE ", table, " AS ", w.joins.base, " SET ")
	for i, c := range columns {
		if i > 0 {
			w.put(", ")
		}
		w.put(string(c.SQLName), " = ", given, ".column", strconv.Itoa(len(keys)+i+1))
	}
	w.put(" FROM (VALUES ")
	all := added(keys, columns...)
	for i, c := range all {
		w.put([]string{"(", ", "}[min(i, 1)], "(SELECT ", string(c.SQLName), " FROM ", table, " WHERE FALSE)")
	}
	w.put("), ")
	if err := w.values(all, rows); err != nil {
		return nil, err
	}
	w.put(") AS ", given, " WHERE ")
	for i, c := range keys {
		if i > 0 {
			w.put(" AND ")
		}
		w.put(w.joins.base, ".", string(c.SQLName), " = ", given, ".column", strconv.Itoa(i+1))
	}
	return w, s.target(w, " AND ")
}
