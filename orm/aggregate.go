package orm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Aggregation is a value computed of all rows of a query, and where it goes. NULL,
// as the sum of no rows is, leaves that as it is; a pointer to a pointer takes it.
type Aggregation struct {
	function string
	field    string
	distinct bool
	to       any
}

// Sum adds a field up.
func Sum(field string, to any) Aggregation { return Aggregation{function: "sum", field: field, to: to} }

// Avg is the mean of a field.
func Avg(field string, to any) Aggregation { return Aggregation{function: "avg", field: field, to: to} }

// Min is the least value of a field.
func Min(field string, to any) Aggregation { return Aggregation{function: "min", field: field, to: to} }

// Max is the greatest value of a field.
func Max(field string, to any) Aggregation { return Aggregation{function: "max", field: field, to: to} }

// CountOf counts the rows in which a field is not NULL.
func CountOf(field string, to any) Aggregation {
	return Aggregation{function: "count", field: field, to: to}
}

// Distinct computes it of values that differ.
func (a Aggregation) Distinct() Aggregation {
	a.distinct = true
	return a
}

// Aggregate computes values of the query's rows, by one statement:
//
//	var views int64
//	var latest time.Time
//	err := posts.Filter("published").Aggregate(ctx, orm.Sum("views", &views), orm.Max("created_at", &latest))
//
// Fields may be over relations to one.
func (q Query[T]) Aggregate(ctx context.Context, of ...Aggregation) error {
	return q.s.wrap("aggregate", q.s.aggregate(ctx, of))
}

func (s *spec) aggregate(ctx context.Context, of []Aggregation) error {
	on, err := s.run(ctx)
	if err != nil || len(of) == 0 {
		return err
	}
	if s.limit == 0 {
		empty := *s // so that the statement is made all the same
		empty.limit = -1
		empty.conds = added(s.conds, checked{n: word("FALSE")})
		s = &empty
	}
	dest := make([]any, len(of))
	var g guard
	outer := "SELECT "
	st, err := s.inner(func(sel *bun.SelectQuery, w *writer) error {
		for i, a := range of {
			f, err := s.m.path(a.field)
			if err != nil {
				return err
			}
			for _, r := range f.over {
				if r.toMany() {
					return fmt.Errorf("%w: %s is to many rows: aggregate a query of theirs", ErrField, r)
				}
			}
			if adds := a.function == "sum" || a.function == "avg"; adds && !f.column.maybe("a number") && slices.Contains([]string{"text", "a boolean", "a time"}, f.column.class()) {
				return fmt.Errorf("%w: %s is %s, which has no %s", ErrType, f, f.column.class(), a.function)
			}
			if dest[i], err = a.into(f, &g); err != nil {
				return err
			}
			if i > 0 {
				outer += ", "
			}
			alias := w.db.ident("of_" + strconv.Itoa(i))
			sel.ColumnExpr(w.at(f) + " AS " + alias)
			outer += a.text(alias)
		}
		return nil
	})
	if err != nil {
		return err
	}
	st.text = outer + " FROM (" + st.text + ") AS aggregated"
	err = readRow(ctx, on, st.statement, dest...)
	g.raise()
	return err
}

func (a Aggregation) text(alias string) string {
	if a.distinct {
		alias = "DISTINCT " + alias
	}
	return a.function + "(" + alias + ")"
}

// target is where a value of the database's goes.
type target struct {
	*guard
	of   string
	to   reflect.Value
	scan schema.ScannerFunc
}

func (a Aggregation) into(f *path, g *guard) (*target, error) {
	to := reflect.ValueOf(a.to)
	if to.Kind() != reflect.Pointer || to.IsNil() {
		return nil, fmt.Errorf("%w: the %s of %s goes to a pointer, not to a %T", ErrType, a.function, f, a.to)
	}
	t := &target{g, fmt.Sprintf("%s of %s", a.function, f), to.Elem(), inFull(to.Type().Elem(), schema.Scanner(to.Type().Elem()))}
	if t.scan == nil {
		return nil, fmt.Errorf("%w: the %s does not go to a %T", ErrType, t.of, a.to)
	}
	return t, nil
}

// Scan implements sql.Scanner.
func (t *target) Scan(src any) (err error) {
	defer t.keep(&err)
	if src == nil && t.to.Kind() != reflect.Pointer {
		return nil
	}
	if f, ok := src.(float64); ok && t.to.CanInt() && f == float64(int64(f)) { // SQLite's avg and sum of reals
		src = int64(f)
	}
	if err = t.scan(t.to, src); err != nil {
		return unread("the "+t.of+" goes to a", t.to.Type(), src, err)
	}
	return nil
}
