package orm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// selecting is a SELECT of rows of a model, and how they are read.
type selecting struct {
	statement
	plan *plan
}

// source is a table whose columns are selected: the model's own, or a join's.
type source struct {
	m      *model
	join   *join // nil: the model's own
	parent int   // index of the source that it is joined to
	path   string
}

// plan says what each column of a result is.
type plan struct {
	sources []source // the model's own first, parents before those joined to them
	cells   []cellPlan
	later   []*loading // relations to many, loaded when the rows are there
	keys    int        // columns behind the cells, which are not the rows': see iteration
}

type cellPlan struct {
	source int
	column *column
}

// selection makes the SELECT of the query's rows. more, which may be nil, adds to
// it.
func (s *spec) selection(more func(*bun.SelectQuery, *writer) error) (*selecting, error) {
	return s.selectionBy(s.writer(), more)
}

func (s *spec) selectionBy(w *writer, more func(*bun.SelectQuery, *writer) error) (*selecting, error) {
	pl := &plan{sources: []source{{m: s.m}}}
	if err := s.pickRelated(w.joins, pl); err != nil {
		return nil, err
	}
	sel := s.db.bun.NewSelect().Model(s.m.zero).ColumnExpr(s.columnList(w.joins, pl))
	if s.distinct && len(s.m.table.PKs) == 0 { // else no two rows are equal; and PostgreSQL would want to select what it orders by
		sel.Distinct()
	}
	if err := s.where(w, func(text string) { sel.Where(text) }); err != nil {
		return nil, err
	}
	for _, o := range s.order {
		sel.OrderExpr(w.ordering(o))
	}
	if more != nil {
		if err := more(sel, w); err != nil {
			return nil, err
		}
	}
	for _, j := range w.joins.all {
		sel.Join(w.joins.text(j))
	}
	s.window(sel)
	text, err := s.db.text(sel)
	if err != nil {
		return nil, err
	}
	return &selecting{statement{text: text, args: w.args}, pl}, nil
}

// window limits a SELECT.
func (s *spec) window(sel *bun.SelectQuery) {
	if s.limit > 0 {
		sel.Limit(int64(s.limit))
	}
	if s.offset > 0 {
		if s.limit < 0 && s.db.dialect == SQLite { // which has no OFFSET by itself
			sel.Limit(maxInt)
		}
		sel.Offset(int64(s.offset))
	}
}

const maxInt = 1<<63 - 1

// where writes the conditions.
func (s *spec) where(w *writer, add func(text string)) error {
	for _, c := range s.conds {
		w.b = w.b[:0]
		if err := c.write(w); err != nil {
			return err
		}
		add(string(w.b))
	}
	return nil
}

func (w *writer) ordering(o ordering) string {
	if o.desc {
		return w.at(o.by) + " DESC"
	}
	return w.at(o.by)
}

// pickRelated joins with the relations to one that are to be loaded.
func (s *spec) pickRelated(j *joins, pl *plan) error {
	for _, p := range s.related {
		n := slices.IndexFunc(p, (*relation).toMany)
		if n >= 0 {
			pl.leave(p[:n], p[n], p[n+1:])
			p = p[:n]
		}
		for i := range p {
			one := j.reach(p[:i+1])
			if one.picked {
				continue
			}
			one.picked = true
			parent := slices.IndexFunc(pl.sources, func(s source) bool { return s.join == one.parent })
			pl.sources = append(pl.sources, source{m: one.rel.target, join: one, parent: parent, path: one.name})
		}
	}
	return nil
}

// leave leaves a relation for when the rows are there, with what is on the path
// behind it.
func (pl *plan) leave(over relatedPath, rel *relation, rest relatedPath) {
	i := slices.IndexFunc(pl.later, func(l *loading) bool { return l.rel == rel && slices.Equal(l.over, over) })
	if i < 0 {
		i = len(pl.later)
		pl.later = append(pl.later, &loading{over: over, rel: rel})
	}
	if len(rest) > 0 {
		pl.later[i].rest = append(pl.later[i].rest, rest)
	}
}

// typicalColumn is about how long a column is in a text, with its table.
const typicalColumn = 24

// columnList is what is selected: of joined tables the primary key first, which
// says whether there is a row.
func (s *spec) columnList(j *joins, pl *plan) string {
	n := len(s.loaded())
	for _, from := range pl.sources[1:] {
		n += len(from.m.list)
	}
	pl.cells = make([]cellPlan, 0, n)
	var b strings.Builder
	b.Grow(n * typicalColumn)
	add := func(at int, alias string, c *column) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(alias)
		b.WriteByte('.')
		b.WriteString(string(c.SQLName))
		pl.cells = append(pl.cells, cellPlan{at, c})
	}
	for at, from := range pl.sources {
		alias := j.alias(from.join)
		if from.join == nil {
			for _, c := range s.loaded() {
				add(at, alias, c)
			}
			continue
		}
		for _, c := range from.m.list {
			if c.IsPK {
				add(at, alias, c)
			}
		}
		for _, c := range from.m.list {
			if !c.IsPK {
				add(at, alias, c)
			}
		}
	}
	return b.String()
}

// loaded are the columns of the model that are loaded.
func (s *spec) loaded() []*column {
	if s.columns == nil {
		return s.m.list
	}
	return s.columns
}

// run is where the query's statements run, given the ctx of its caller.
func (s *spec) run(ctx context.Context) (session, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.tx != nil {
		return s.tx, nil
	}
	if tx := txOf(ctx, s.db); tx != nil {
		return tx, nil
	}
	return s.db, nil
}

// list runs the query.
func list[T any](ctx context.Context, s *spec) (rows []*T, err error) {
	err = s.do(ctx, "select", func(on session) error {
		if s.limit == 0 {
			rows = []*T{}
			return nil
		}
		st, err := s.selection(nil)
		if err == nil {
			rows, err = fetch[T](ctx, on, s, st)
		}
		return err
	})
	return rows, err
}

// fetch runs a statement and reads its rows, and then what is loaded with them.
func fetch[T any](ctx context.Context, on session, s *spec, st *selecting) ([]*T, error) {
	rows, _, err := fetchKeyed[T](ctx, on, s, st)
	return rows, err
}

// fetchKeyed is fetch with the keys of the last row.
func fetchKeyed[T any](ctx context.Context, on session, s *spec, st *selecting) (rows []*T, keys []any, err error) {
	result, err := on.query(ctx, st.statement)
	if err != nil {
		return nil, nil, err
	}
	from := s.origin(on)
	if rows, keys, err = read[T](result, st.plan, from); err != nil {
		return nil, nil, err
	}
	if s.columns != nil {
		for _, row := range rows {
			rememberPart(row, s.columns)
		}
	}
	if len(st.plan.later) > 0 {
		if err := st.plan.after(ctx, on, anys(rows), from); err != nil {
			return nil, nil, err
		}
	}
	return rows, keys, nil
}

func anys[T any](rows []*T) []any {
	all := make([]any, len(rows))
	for i, r := range rows {
		all[i] = r
	}
	return all
}

// wrap says what was attempted, on what.
func (s *spec) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("orm: %s %s: %w", op, s.m.typ.Name(), err)
}
