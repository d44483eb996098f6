package orm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/bridge"
)

// Query says which rows of a model are meant. It is an immutable value, cheap to
// copy and safe for concurrent use; each method returns another one. It asks the
// database nothing until a method with a ctx is called.
//
// A mistake in building it, such as a field that is not there, is what the first
// such method returns, and Err.
type Query[T any] struct{ s *spec }

// spec is what a query says. It is never changed once it is in a Query.
type spec struct {
	db    *DB
	tx    *Tx
	scope bridge.Scoped // of sync code; nil in async code
	m     *model
	err   error

	conds    []checked
	order    []ordering
	limit    int // -1: all
	offset   int
	columns  []*column // nil: all
	distinct bool
	related  []relatedPath
	mode     FetchMode
	chunk    int // 0: defaultChunk
}

// ordering is a field that rows are ordered by.
type ordering struct {
	by   *path
	desc bool
}

// relatedPath is a relation, over others, that is loaded with the rows.
type relatedPath []*relation

// For returns the query of all rows of a model, a struct with bun's tags. It
// panics on a model that is wrong: that is a mistake of the program's.
func For[T any](db *DB) Query[T] {
	m, err := db.modelOf(reflect.TypeFor[T]())
	if err == nil {
		for _, r := range m.related {
			if _, err = r.other(); err != nil {
				break
			}
		}
	}
	if err != nil {
		panic(fmt.Sprintf("orm.For[%s]: %v", reflect.TypeFor[T](), err))
	}
	return Query[T]{&spec{db: db, m: m, limit: -1}}
}

// Err is what is wrong with the query; nil if nothing is.
func (q Query[T]) Err() error { return q.s.err }

// with is the query changed by f, which may say that the change is wrong.
func (q Query[T]) with(f func(*spec) error) Query[T] {
	s := *q.s
	if s.err == nil {
		if err := f(&s); err != nil {
			s.err = fmt.Errorf("orm: query of %s: %w", s.m.typ.Name(), err)
		}
	}
	return Query[T]{&s}
}

// added is list with more behind it, in memory of its own.
func added[E any](list []E, more ...E) []E {
	return append(slices.Clip(list), more...)
}

// Filter keeps the rows for which the condition holds, as in
//
//	posts.Filter("published = ? AND Author.name ILIKE ?", true, "a%")
//
// A condition compares fields, by their Go names or their columns' names, over
// relations too, with arguments: = <> < <= > >= LIKE ILIKE BETWEEN, IN (?) with a
// slice, IS NULL, lower() and upper(), joined by AND, OR, NOT and parentheses. A
// boolean field may stand alone. Values are arguments, never text. A comparison
// over a relation to many holds if it does for one of its rows.
func (q Query[T]) Filter(cond constant, args ...any) Query[T] { return q.Where(Q(cond, args...)) }

// Exclude keeps the rows for which the condition does not hold, also those for
// which it is unknown because something in it is NULL.
func (q Query[T]) Exclude(cond constant, args ...any) Query[T] {
	return q.Where(Q(cond, args...).Not())
}

// Where keeps the rows for which all conditions hold.
func (q Query[T]) Where(conds ...Cond) Query[T] {
	return q.with(func(s *spec) error {
		for _, c := range conds {
			one, err := s.m.check(c)
			if err != nil {
				return err
			}
			s.conds = added(s.conds, one)
		}
		return nil
	})
}

// Order orders by fields, over relations to one too, each descending if a - is
// before it. It replaces an earlier order; none at all is any order.
func (q Query[T]) Order(fields ...string) Query[T] {
	return q.with(func(s *spec) error {
		s.order = nil
		for _, name := range fields {
			name, desc := strings.CutPrefix(name, "-")
			f, err := s.m.path(name)
			if err != nil {
				return fmt.Errorf("order: %w", err)
			}
			for _, r := range f.over {
				if r.toMany() {
					return fmt.Errorf("order: %w: %s is to many rows, which have no order as one", ErrField, r)
				}
			}
			s.order = append(s.order, ordering{f, desc})
		}
		return nil
	})
}

// Limit keeps at most n rows.
func (q Query[T]) Limit(n int) Query[T] {
	return q.with(func(s *spec) error {
		if n < 0 {
			return fmt.Errorf("%w: limit %d is negative", ErrType, n)
		}
		s.limit = n
		return nil
	})
}

// Offset leaves the first n rows out.
func (q Query[T]) Offset(n int) Query[T] {
	return q.with(func(s *spec) error {
		if n < 0 {
			return fmt.Errorf("%w: offset %d is negative", ErrType, n)
		}
		s.offset = n
		return nil
	})
}

// Distinct leaves out rows that are equal in all columns that are loaded: of a model
// without a primary key, which is loaded always. The distinct values of one field are
// counted and added up by [Aggregation.Distinct].
func (q Query[T]) Distinct() Query[T] {
	return q.with(func(s *spec) error { s.distinct = true; return nil })
}

// Only loads these fields and the primary key. The others keep their zero values;
// Save leaves them alone.
func (q Query[T]) Only(fields ...string) Query[T] {
	return q.with(func(s *spec) error {
		picked, err := s.m.pick(fields)
		if err != nil {
			return err
		}
		s.columns = s.m.withKey(picked)
		return nil
	})
}

// withKey are columns, and those of the primary key.
func (m *model) withKey(columns []*column) []*column {
	return slices.DeleteFunc(slices.Clone(m.list), func(c *column) bool { return !c.IsPK && !slices.Contains(columns, c) })
}

// Defer loads all fields but these. The primary key is loaded always.
func (q Query[T]) Defer(fields ...string) Query[T] {
	return q.with(func(s *spec) error {
		left, err := s.m.pick(fields)
		if err != nil {
			return err
		}
		from := s.columns
		if from == nil {
			from = s.m.list
		}
		s.columns = slices.DeleteFunc(slices.Clone(from), func(c *column) bool { return !c.IsPK && slices.Contains(left, c) })
		return nil
	})
}

func (m *model) pick(fields []string) ([]*column, error) {
	var picked []*column
	for _, name := range fields {
		c, err := m.column(name)
		if err != nil {
			return nil, err
		}
		picked = append(picked, c)
	}
	return picked, nil
}

// Related loads relations with the rows: those to one by a JOIN in the same
// statement, those to many by one more statement each. A path such as
// "Author.Profile" loads all relations on it.
func (q Query[T]) Related(paths ...string) Query[T] {
	return q.with(func(s *spec) error {
		for _, name := range paths {
			p, _, err := s.m.over(strings.Split(name, "."))
			if err != nil {
				return fmt.Errorf("related %.60q: %w", name, err)
			}
			s.related = added(s.related, p)
		}
		return nil
	})
}

// Fetch says what happens when a relation is asked for that was not loaded. Without
// it that is [FetchOne] for rows that sync code has loaded and [FetchRaise] for
// others.
func (q Query[T]) Fetch(mode FetchMode) Query[T] {
	return q.with(func(s *spec) error { s.mode = mode; return nil })
}

// With has the query run in a transaction.
func (q Query[T]) With(tx *Tx) Query[T] {
	return q.with(func(s *spec) error {
		if tx.database() != s.db {
			return fmt.Errorf("%w: the transaction is one of another database", ErrTxDone)
		}
		s.tx = tx
		return nil
	})
}
