package stmtcache

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"modernc.org/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spy counts what its one connection is asked to prepare, and what of that is
// closed.
type spy struct {
	driver.Connector
	prepared []string
	closed   int
}

func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	own, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &spied{own.(Conn), s}, nil
}

type spied struct {
	Conn
	spy *spy
}

func (c *spied) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	st, err := c.Conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.spy.prepared = append(c.spy.prepared, text)
	return &spiedStatement{st.(prepared), c.spy}, nil
}

type spiedStatement struct {
	prepared
	spy *spy
}

func (s *spiedStatement) Close() error {
	s.spy.closed++
	return s.prepared.Close()
}

// open opens a pool of one connection to a SQLite file, with a table of three rows.
func open(t *testing.T, size int) (*sql.DB, *spy) {
	t.Helper()
	connector, err := sqlite.NewConnector(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	s := &spy{Connector: connector}
	db := sql.OpenDB(New(s, size))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if len(s.prepared) != s.closed {
			t.Errorf("%d statements were prepared, %d closed", len(s.prepared), s.closed)
		}
	})
	exec(t, db, "CREATE TABLE things (id integer PRIMARY KEY, name text UNIQUE)")
	for i, name := range []string{"one", "two", "three"} {
		exec(t, db, insert, i+1, name)
	}
	return db, s
}

func exec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatal(err)
	}
}

// names reads the one column of a query.
func names(t *testing.T, on interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}, text string, args ...any,
) []string {
	t.Helper()
	rows, err := on.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

const (
	insert = "INSERT INTO things (id, name) VALUES (?, ?)"
	byID   = "SELECT name FROM things WHERE id >= ? ORDER BY id"
)

func TestAStatementIsPreparedOnce(t *testing.T) {
	db, s := open(t, 10)
	for id, want := range [][]string{1: {"one", "two", "three"}, 2: {"two", "three"}, 3: {"three"}, 4: nil} {
		if id == 0 {
			continue
		}
		if got := names(t, db, byID, id); !slices.Equal(got, want) {
			t.Errorf("from %d on: %q, want %q", id, got, want)
		}
	}
	if want := []string{insert, byID}; !slices.Equal(s.prepared, want) {
		t.Errorf("prepared %q, want %q", s.prepared, want)
	}
}

func TestTheOneThatWasNotRunForLongestGoes(t *testing.T) {
	db, s := open(t, 2)
	a, b, c := byID, "SELECT name FROM things WHERE id = ?", "SELECT name FROM things WHERE id < ?"
	for _, text := range []string{a, b, a, c, a, b} {
		names(t, db, text, 2)
	}
	if want := []string{insert, a, b, c, b}; !slices.Equal(s.prepared, want) || s.closed != 3 {
		t.Errorf("prepared %q, closed %d; want %q, 3", s.prepared, s.closed, want)
	}
}

func TestOnlyWhatReadsAndWritesRowsIsKept(t *testing.T) {
	db, s := open(t, 10)
	long := "SELECT name FROM things WHERE id = 2 AND '" + strings.Repeat("x", MaxText) + "' <> ''"
	for range 2 {
		for _, text := range []string{"PRAGMA user_version", "EXPLAIN QUERY PLAN SELECT 1", "-- why\nSELECT 1", "", long} {
			rows, err := db.QueryContext(t.Context(), text)
			if err == nil {
				for rows.Next() {
				}
				err = errors.Join(rows.Err(), rows.Close())
			}
			if err != nil {
				t.Fatalf("%.30q: %v", text, err)
			}
		}
	}
	const lower = "select name FROM things WHERE id = ?"
	if got := names(t, db, lower, 2); !slices.Equal(got, []string{"two"}) {
		t.Errorf("%q", got)
	}
	if want := []string{insert, lower}; !slices.Equal(s.prepared, want) {
		t.Errorf("prepared %q, want %q", s.prepared, want)
	}
}

func TestTheSameInsideItsOwnRows(t *testing.T) {
	db, _ := open(t, 10)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(t.Context(), byID, 1)
	if err != nil {
		t.Fatal(err)
	}
	var outer []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		outer = append(outer, name)
		if got := names(t, tx, byID, 2); !slices.Equal(got, []string{"two", "three"}) {
			t.Errorf("inside %s: %q", name, got)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || !slices.Equal(outer, []string{"one", "two", "three"}) {
		t.Errorf("outside: %q, %v", outer, err)
	}
}

func TestErrorsAreTheDrivers(t *testing.T) {
	db, s := open(t, 10)
	for range 2 {
		_, err := db.ExecContext(t.Context(), insert, 9, "one")
		own, ok := err.(*sqlite.Error) //nolint:errorlint // the very error
		if !ok || own.Code() != 2067 {
			t.Fatalf("%T %v, want the driver's of a value that is there", err, err)
		}
	}
	if _, err := db.QueryContext(t.Context(), "SELECT missing FROM things WHERE id = ?", 1); err == nil || !strings.Contains(err.Error(), "no such column: missing") {
		t.Errorf("a column that is not there: %v", err)
	}
	exec(t, db, insert, 4, "four")
	if n := len(s.prepared); n != 1 {
		t.Errorf("%d were prepared: %q", n, s.prepared)
	}
	if got := names(t, db, byID, 4); !slices.Equal(got, []string{"four"}) {
		t.Errorf("afterwards: %q", got)
	}
}

func TestAKeptStatementSeesAChangedSchema(t *testing.T) {
	db, _ := open(t, 10)
	columns := func() []string {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM things WHERE id = ?", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range types {
			all = append(all, c.Name()+" "+c.DatabaseTypeName())
		}
		return all
	}
	if got := columns(); !slices.Equal(got, []string{"id INTEGER", "name TEXT"}) {
		t.Errorf("before: %q", got)
	}
	exec(t, db, "ALTER TABLE things ADD COLUMN at datetime")
	if got := columns(); !slices.Equal(got, []string{"id INTEGER", "name TEXT", "at DATETIME"}) {
		t.Errorf("after: %q", got)
	}
}

func TestUnwrapIsTheDriversOwn(t *testing.T) {
	db, _ := open(t, 10)
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(own any) error {
		if _, ok := own.(interface{ Unwrap() driver.Conn }).Unwrap().(*spied); !ok {
			t.Errorf("%T", own)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// bare is a driver's connection without contexts.
type bare struct{ closed bool }

func (*bare) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (*bare) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
func (b *bare) Close() error                      { b.closed = true; return nil }

func (b *bare) Connect(context.Context) (driver.Conn, error) { return b, nil }
func (b *bare) Driver() driver.Driver                        { return nil }

func TestAConnectionWithoutContextsIsRefused(t *testing.T) {
	b := new(bare)
	if _, err := New(b, 1).Connect(t.Context()); err == nil || !b.closed {
		t.Errorf("%v, closed %t", err, b.closed)
	}
}
