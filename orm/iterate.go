package orm

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/uptrace/bun"
)

// defaultChunk is how many rows All reads at once.
const defaultChunk = 500

// Chunk has All read n rows at once, instead of 500.
func (q Query[T]) Chunk(n int) Query[T] {
	return q.with(func(s *spec) error {
		if n < 1 {
			return fmt.Errorf("%w: chunks of %d rows", ErrType, n)
		}
		s.chunk = n
		return nil
	})
}

// All iterates over the rows, chunk by chunk: no connection is held and no cursor is
// open while the loop's body runs, so it may query, and may leave the loop at any
// row. What is loaded with the rows is loaded for each chunk. An error is the last
// that it yields.
//
// Each chunk begins behind the last row of the one before, in the query's order and
// then by primary key, whatever was added or removed meanwhile; so a model without a
// primary key cannot be iterated over. Chunks are not of one moment unless they are
// read in a transaction whose isolation makes them so.
func (q Query[T]) All(ctx context.Context) iter.Seq2[*T, error] {
	return q.iterate(ctx.Err, func(it *iteration[T]) ([]*T, error) { return it.next(ctx, q.s) })
}

// All is [Query.All] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) All() iter.Seq2[*T, error] {
	goesOn := func() error { return nil }
	return q.q.iterate(goesOn, func(it *iteration[T]) ([]*T, error) {
		return inSync(q, "All", func(ctx context.Context, a Query[T]) ([]*T, error) { return it.next(ctx, a.s) })
	})
}

func (q Query[T]) iterate(ended func() error, next func(*iteration[T]) ([]*T, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		it := &iteration[T]{left: q.s.limit}
		for !it.done {
			rows, err := next(it)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range rows {
				if err := ended(); err != nil {
					yield(nil, q.s.wrap("iterate over", err))
					return
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// iteration is how far All has come.
type iteration[T any] struct {
	left  int   // rows to come; negative: all
	after []any // what the last row is ordered by; nil at the start
	done  bool
}

// next reads the next chunk.
func (it *iteration[T]) next(ctx context.Context, of *spec) ([]*T, error) {
	on, err := of.run(ctx)
	if err != nil {
		return nil, err
	}
	s := *of
	if s.order, err = s.keyed(); err != nil {
		return nil, s.wrap("iterate over", err)
	}
	if s.chunk == 0 {
		s.chunk = defaultChunk
	}
	s.limit = s.chunk
	if it.left >= 0 {
		s.limit = min(s.chunk, it.left)
	}
	if s.limit == 0 {
		it.done = true
		return nil, nil
	}
	if it.after != nil {
		s.offset = 0
		ctx = goingOn(ctx)
	}
	st, err := s.selection(func(sel *bun.SelectQuery, w *writer) error {
		for _, o := range s.order {
			sel.ColumnExpr(w.stored(o))
		}
		if it.after != nil {
			w.b = w.b[:0]
			w.behind(s.order, it.after)
			sel.Where(string(w.b))
		}
		return nil
	})
	if err != nil {
		return nil, s.wrap("iterate over", err)
	}
	st.plan.keys = len(s.order)
	rows, keys, err := fetchKeyed[T](ctx, on, &s, st)
	if err != nil {
		return nil, s.wrap("iterate over", err)
	}
	it.after = keys
	it.done = len(rows) < s.limit
	if it.left >= 0 {
		it.left -= len(rows)
		it.done = it.done || it.left == 0
	}
	return rows, nil
}

// keyed is the query's order with the primary key behind it, so that no two rows
// are at the same place.
func (s *spec) keyed() ([]ordering, error) {
	order := s.order
next:
	for _, c := range s.m.list {
		if !c.IsPK {
			continue
		}
		for _, o := range s.order {
			if len(o.by.over) == 0 && o.by.column == c {
				continue next
			}
		}
		order = added(order, ordering{by: &path{column: c}})
	}
	if len(s.m.table.PKs) == 0 {
		return nil, fmt.Errorf("%w: %s has no primary key to go on from; use List", ErrField, s.m.typ.Name())
	}
	return order, nil
}

// stored is the value that a row is ordered by, as the database has stored it.
// SQLite's driver would make a time of it, whose text need not be the stored one.
func (w *writer) stored(o ordering) string {
	at := w.at(o.by)
	if w.db.dialect == SQLite {
		return "+" + at
	}
	return at
}

// at is where a field over relations to one is found.
func (w *writer) at(f *path) string {
	return w.joins.alias(w.joins.reach(f.over)) + "." + string(f.column.SQLName)
}

// behind writes that a row comes after the one that is ordered by these values:
// a > ? OR a = ? AND (b > ? OR …), with NULL where the database puts it: PostgreSQL
// above all values, SQLite below. Where no NULL can come, a >= ? says so first:
// a database finds the place in an index by it, but not by an OR, for which it
// reads all that came before.
func (w *writer) behind(order []ordering, values []any) {
	at, value := w.at(order[0].by), values[0]
	nullsLast := (w.db.dialect == PostgreSQL) != order[0].desc && !order[0].by.neverNull()
	var after []string
	if value == nil {
		if !nullsLast {
			after = append(after, at+" IS NOT NULL")
		}
	} else {
		op := " >"
		if order[0].desc {
			op = " <"
		}
		if len(order) > 1 && !nullsLast {
			w.put(at, op, "= ", w.placeholder(value), " AND ")
		}
		after = append(after, at+op+" "+w.placeholder(value))
		if nullsLast {
			after = append(after, at+" IS NULL")
		}
	}
	w.put("(", strings.Join(after, " OR "))
	if len(order) > 1 {
		if len(after) > 0 {
			w.put(" OR ")
		}
		if value == nil {
			w.put("(", at, " IS NULL AND ")
		} else {
			w.put("(", at, " = ", w.placeholder(value), " AND ")
		}
		w.behind(order[1:], values[1:])
		w.put(")")
	} else if len(after) == 0 {
		w.put("FALSE")
	}
	w.put(")")
}

// neverNull says whether every row has a value there: it is a column of the row's
// own, and a key or said to be so by bun's notnull.
func (p *path) neverNull() bool {
	return len(p.over) == 0 && (p.column.IsPK || p.column.NotNull)
}
