package orm_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

// onEach runs a test on a fresh database of each kind, with the tests' tables and
// rows in it.
func onEach(t *testing.T, test func(t *testing.T, db *orm.DB)) {
	t.Run("sqlite", func(t *testing.T) { test(t, open(t, filepath.Join(t.TempDir(), "test.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, open(t, pgtest.URL(t))) })
}

// open opens a database that ends with the test, and fills it.
func open(tb testing.TB, url string, options ...orm.Option) *orm.DB {
	tb.Helper()
	db, err := orm.Open(tb.Context(), url, options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	create(tb, db)
	return db
}

// create makes the tables and their rows.
func create(tb testing.TB, db *orm.DB) {
	tb.Helper()
	id, at, json := "INTEGER PRIMARY KEY AUTOINCREMENT", "timestamp", "text"
	if db.Dialect() == orm.PostgreSQL {
		id, at, json = "bigserial PRIMARY KEY", "timestamptz", "jsonb"
	}
	text := fmt.Sprintf(schema+rows, id, at, json)
	if db.Dialect() == orm.SQLite { // PostgreSQL makes one transaction of it by itself
		text = "BEGIN;\n" + text + "COMMIT;\n"
	}
	if db.Dialect() == orm.PostgreSQL { // rows above took numbers by themselves
		for _, table := range []string{"authors", "profiles", "posts", "tags", "remarks"} {
			text += fmt.Sprintf("SELECT setval('%s_id_seq', 100);\n", table)
		}
	}
	if _, err := db.SQL().ExecContext(context.Background(), text); err != nil {
		tb.Fatal(err)
	}
}
