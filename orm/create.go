package orm

import (
	"context"
	"fmt"
	"reflect"
)

// Create inserts a row. Fields that are zero and have the tag autoincrement,
// identity or nullzero, and nil pointers with the tag default, are left to the
// database; what it made of them is in the row then. The conditions of the query do
// not matter.
func (q Query[T]) Create(ctx context.Context, row *T) error {
	return q.s.do(ctx, "create", func(on session) error {
		if row == nil {
			return errNil
		}
		return create(ctx, on, q.s, row)
	})
}

var errNil = fmt.Errorf("%w: the row is nil", ErrType)

func create[T any](ctx context.Context, on session, s *spec, row *T) error {
	created, err := createUnless(ctx, on, s, row, nil)
	if err == nil && !created {
		err = keptOut(0, 1)
	}
	return err
}

// keptOut is the error of rows that are not there after an INSERT that went well.
func keptOut(taken int64, of int) error {
	return fmt.Errorf("%w: it has taken %d of %d rows: a trigger or a rule keeps the others out", ErrCheck, taken, of)
}

// createUnless inserts a row, unless it collides in the way that is given.
func createUnless[T any](ctx context.Context, on session, s *spec, row *T, unless *collision) (created bool, err error) {
	sh := s.m.shapeOf(reflect.ValueOf(row).Elem())
	made, n, err := insert[T](ctx, on, s, sh, []any{row}, unless)
	if err != nil || n == 0 {
		return false, err
	}
	s.created(on, sh, []any{row}, anys(made))
	forgetPart(row)
	return true, nil
}

// shape is which columns of a row an INSERT writes, and which it leaves to the
// database.
type shape struct{ written, left []*column }

// shapeOf is the shape of a new row.
func (m *model) shapeOf(row reflect.Value) (sh shape) {
	for _, c := range m.list {
		if c.isLeft(row) {
			sh.left = append(sh.left, c)
		} else {
			sh.written = append(sh.written, c)
		}
	}
	return sh
}

// isLeft says whether a new row leaves the column to the database.
func (c *column) isLeft(row reflect.Value) bool {
	if c.AutoIncrement || c.Identity || c.NullZero || c.SQLDefault != "" && (c.IsPK || c.IsPtr) {
		return c.HasZeroValue(row)
	}
	return false
}

// collision is what an INSERT does about rows that are there.
type collision struct {
	on  []*column // that are unique together; none: any
	set []*column // of the row that is there; none: it is left alone, and the new one out
}

// insert inserts rows of one shape. It returns rows that have what the database has
// made of the columns that were left to it, in the order of the rows if it inserted
// all, and how many it inserted or changed.
func insert[T any](ctx context.Context, on session, s *spec, sh shape, rows []any, unless *collision) ([]*T, int64, error) {
	w := s.writer()
	if err := w.insert(s.m, sh, rows, unless); err != nil {
		return nil, 0, err
	}
	if len(sh.left) == 0 {
		n, err := affect(ctx, on, w)
		return nil, n, err
	}
	made, err := returning[T](ctx, on, s, w, sh.left)
	return made, int64(len(made)), err
}

func (w *writer) insert(m *model, sh shape, rows []any, unless *collision) error {
	w.put("INSERT INTO ", string(m.table.SQLName))
	if len(sh.written) == 0 { // of one row: see batches
		w.put(" DEFAULT VALUES")
		return nil
	}
	w.put(" (")
	w.names(sh.written)
	w.put(") VALUES ")
	if err := w.values(sh.written, rows); err != nil {
		return err
	}
	if unless == nil {
		return nil
	}
	w.put(" ON CONFLICT ")
	if len(unless.on) > 0 {
		w.put("(")
		w.names(unless.on)
		w.put(") ")
	}
	if len(unless.set) == 0 {
		w.put("DO NOTHING")
		return nil
	}
	w.put("DO UPDATE SET ")
	for i, c := range unless.set {
		if i > 0 {
			w.put(", ")
		}
		w.put(string(c.SQLName), " = excluded.", string(c.SQLName))
	}
	return nil
}

// values writes columns of rows: "($1, $2), ($3, $4)".
func (w *writer) values(columns []*column, rows []any) error {
	for i, row := range rows {
		if i > 0 {
			w.put(", ")
		}
		v := reflect.ValueOf(row).Elem()
		for j, c := range columns {
			w.put([]string{"(", ", "}[min(j, 1)])
			arg, err := c.bound(v)
			if err != nil {
				return err
			}
			w.bind(arg)
		}
		w.put(")")
	}
	return nil
}

func (w *writer) names(columns []*column) {
	for i, c := range columns {
		if i > 0 {
			w.put(", ")
		}
		w.put(string(c.SQLName))
	}
}

// created gives new rows what the database made of them, and tells their relations
// where they are.
func (s *spec) created(on session, sh shape, rows, made []any) {
	from := s.origin(on)
	for i, row := range rows {
		v := reflect.ValueOf(row).Elem()
		if len(sh.left) > 0 {
			copyColumns(v, reflect.ValueOf(made[i]).Elem(), sh.left)
		}
		from.adopt(s.m, v)
	}
	if tx, ok := on.(*Tx); ok && tx.at.again && len(sh.left) > 0 {
		tx.at.made = append(tx.at.made, func() { leave(rows, sh.left) })
	}
}

// leave makes columns of rows zero, as they were before the database filled them in.
func leave(rows []any, columns []*column) {
	for _, row := range rows {
		for _, c := range columns {
			c.Value(reflect.ValueOf(row).Elem()).SetZero()
		}
	}
}

func copyColumns(to, from reflect.Value, columns []*column) {
	for _, c := range columns {
		c.Value(to).Set(c.Value(from))
	}
}
