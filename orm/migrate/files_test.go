package migrate_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tandem-go/tandem/orm/migrate"
)

// sqlFiles makes a file system of names that have nothing to say.
func sqlFiles(names ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, name := range names {
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n-- +goose Down\n")}
	}
	return files
}

func TestADialectHasTheSharedFilesAndItsOwn(t *testing.T) {
	tests := map[string]struct {
		names []string
		want  []string // of SQLite
		err   string
	}{
		"shared":               {names: []string{"00002_b.sql", "1_a.sql"}, want: []string{"1_a.sql", "00002_b.sql"}},
		"its own":              {names: []string{"sqlite/1_a.sql", "postgres/1_a.sql"}, want: []string{"sqlite/1_a.sql"}},
		"both":                 {names: []string{"2_b.sql", "sqlite/1_a.sql", "postgres/1_a.sql"}, want: []string{"sqlite/1_a.sql", "2_b.sql"}},
		"its own in place":     {names: []string{"1_a.sql", "sqlite/1_a.sql"}, want: []string{"sqlite/1_a.sql"}},
		"another's in place":   {names: []string{"1_a.sql", "postgres/1_a.sql"}, want: []string{"1_a.sql"}},
		"one that another has": {names: []string{"1_a.sql", "postgres/2_b.sql"}, want: []string{"1_a.sql"}},
		"not SQL":              {names: []string{"1_a.sql", "README.md", "helpers/x.go"}, want: []string{"1_a.sql"}},
		"by time":              {names: []string{"20261110120000_a.sql"}, want: []string{"20261110120000_a.sql"}},

		"nothing":        {err: "no migrations: neither *.sql nor sqlite/*.sql is there"},
		"another's":      {names: []string{"postgres/1_a.sql"}, err: "no migrations"},
		"no version":     {names: []string{"schema.sql"}, err: "schema.sql: a migration's name is its version"},
		"version zero":   {names: []string{"0_a.sql"}, err: "0_a.sql: a migration's name"},
		"no words":       {names: []string{"1.sql"}, err: "1.sql: a migration's name"},
		"same version":   {names: []string{"1_a.sql", "001_b.sql"}, err: "001_b.sql and 1_a.sql have the same version"},
		"same, in two":   {names: []string{"1_a.sql", "sqlite/1_b.sql"}, err: "sqlite/1_b.sql and 1_a.sql have the same version"},
		"no such dir":    {names: []string{"1_a.sql", "postgresql/1_a.sql"}, err: "postgresql/1_a.sql: no database is called postgresql"},
		"one level down": {names: []string{"migrations/1_a.sql"}, err: `give fs.Sub(files, "migrations")`},
	}
	db := openSQLite(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := migrate.New(db, "sqlite", sqlFiles(test.names...))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			pending, err := m.Pending(t.Context())
			if got := names(pending); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
	if _, err := migrate.New(db, "mysql", sqlFiles("1_a.sql")); err == nil || err.Error() != `migrate: no dialect "mysql"; there are postgres and sqlite` {
		t.Errorf("got %v", err)
	}
}

func names(list []migrate.Migration) []string {
	var all []string
	for _, m := range list {
		all = append(all, m.String())
	}
	return all
}
