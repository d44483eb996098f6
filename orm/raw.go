package orm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/bridge"
)

// Raw returns the rows that a SELECT of one's own finds: each column it names is
// one of the model's, once, in any order; fields that it does not name keep their
// zero values, and Save leaves them alone. Each ? is a parameter, ?? a question mark;
// text in quotes and comments is left alone. What the query says besides is no part of
// it, but for its transaction and its fetch mode.
func (q Query[T]) Raw(ctx context.Context, text constant, args ...any) ([]*T, error) {
	rows, err := raw[T](ctx, q.s, string(text), args)
	return rows, q.s.wrap("raw query of", err)
}

// Raw is [Query.Raw] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Raw(text constant, args ...any) ([]*T, error) {
	return inSync(q, "Raw", func(ctx context.Context, a Query[T]) ([]*T, error) { return a.Raw(ctx, text, args...) })
}

func raw[T any](ctx context.Context, s *spec, text string, args []any) ([]*T, error) {
	on, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	st, err := rawStatement(text, args)
	if err != nil {
		return nil, err
	}
	result, err := on.query(ctx, st)
	if err != nil {
		return nil, err
	}
	pl, err := s.m.planOf(result)
	if err != nil {
		_ = result.Close()
		return nil, err
	}
	from := s.origin(on)
	from.columns = pl.columns()
	rows, _, err := read[T](result, pl, from)
	if err == nil && len(from.columns) < len(s.m.list) {
		for _, row := range rows {
			rememberPart(row, from.columns)
		}
	}
	return rows, err
}

// planOf is the plan of a result whose columns are the model's.
func (m *model) planOf(result *results) (*plan, error) {
	names, err := result.Columns()
	if err != nil {
		return nil, err
	}
	pl := &plan{sources: []source{{m: m}}}
	for _, name := range names {
		c, err := m.column(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(pl.cells, func(other cellPlan) bool { return other.column == c }) {
			return nil, fmt.Errorf("%w: column %s is there twice, as where tables are joined: name those of the model", ErrField, name)
		}
		pl.cells = append(pl.cells, cellPlan{column: c})
	}
	return pl, nil
}

// columns are those that the plan reads.
func (pl *plan) columns() []*column {
	all := make([]*column, len(pl.cells))
	for i, c := range pl.cells {
		all[i] = c.column
	}
	return all
}

// Exec runs a statement of one's own, in the transaction that ctx carries if it
// carries one, and returns how many rows it changed. Parameters are as in
// [Query.Raw].
func (db *DB) Exec(ctx context.Context, text constant, args ...any) (int64, error) {
	var on session = db
	if tx := txOf(ctx, db); tx != nil {
		on = tx
	}
	return execRaw(ctx, on, string(text), args)
}

// ExecSync is [DB.Exec] for the sync code of a scope.
//
//tandem:synconly
func (db *DB) ExecSync(s bridge.Scoped, text constant, args ...any) (int64, error) {
	ctx, done, err := bridge.Detached(s, "orm: DB.ExecSync")
	if err != nil {
		return 0, err
	}
	defer done()
	if tx := db.txOfScope(s); tx != nil {
		return execRaw(ctx, tx, string(text), args)
	}
	return db.Exec(ctx, text, args...)
}

func execRaw(ctx context.Context, on session, text string, args []any) (int64, error) {
	st, err := rawStatement(text, args)
	if err != nil {
		return 0, fmt.Errorf("orm: exec: %w", err)
	}
	st.writes = true
	result, err := on.exec(ctx, st)
	if err != nil {
		return 0, fmt.Errorf("orm: exec: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("orm: exec: %w", err)
	}
	return n, nil
}

func rawStatement(text string, args []any) (statement, error) {
	numbered, n := number(text)
	if n != len(args) {
		return statement{}, fmt.Errorf("%w: the statement has %d ? and is given %d arguments", ErrType, n, len(args))
	}
	st := statement{text: numbered}
	for _, arg := range args {
		bound, err := (&param{}).bound(arg)
		if err != nil {
			return statement{}, err
		}
		st.args = append(st.args, bound)
	}
	return st, nil
}

// number makes $1, $2 … of each ? that is a parameter, and counts them.
func number(text string) (string, int) {
	var b strings.Builder
	n := 0
	for i := 0; i < len(text); {
		rest := text[i:]
		var skip int
		switch {
		case rest[0] == '\'', rest[0] == '"':
			skip = through(rest, rest[:1], 1)
		case strings.HasPrefix(rest, "--"):
			skip = through(rest, "\n", 2)
		case strings.HasPrefix(rest, "/*"):
			skip = through(rest, "*/", 2)
		case strings.HasPrefix(rest, "??"):
			b.WriteByte('?')
			i += 2
			continue
		case rest[0] == '?':
			n++
			b.WriteString("$" + strconv.Itoa(n))
			i++
			continue
		default:
			skip = 1
		}
		b.WriteString(rest[:skip])
		i += skip
	}
	return b.String(), n
}

// through is how long text is up to and with the next end, looked for from byte
// from on.
func through(text, end string, from int) int {
	if at := strings.Index(text[from:], end); at >= 0 {
		return from + at + len(end)
	}
	return len(text)
}
