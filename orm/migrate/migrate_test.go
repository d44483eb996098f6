package migrate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm/migrate"
)

const (
	first = "-- +goose Up\nCREATE TABLE first (id integer PRIMARY KEY);\n\n-- +goose Down\nDROP TABLE first;\n"
	other = "-- +goose Up\nCREATE TABLE other (id integer PRIMARY KEY);\n\n-- +goose Down\nDROP TABLE other;\n"
)

func tables(t *testing.T, p place) []string {
	t.Helper()
	query := map[string]string{
		"sqlite":   "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
		"postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
	}[p.Dialect]
	rows, err := p.db(t).QueryContext(t.Context(), query)
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

func wantTables(t *testing.T, p place, want ...string) {
	t.Helper()
	if got := tables(t, p); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func TestUpDownAndUpAgain(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		db := p.db(t)
		db.SetMaxOpenConns(1)
		m := newMigrator(t, db, p, map[string]string{"1_first.sql": first, p.Dialect + "/00002_other.sql": other})
		begin := time.Now().Add(-time.Minute) // the clock of the database may differ a little, and has whole seconds
		up := func(want ...string) {
			t.Helper()
			applied, err := m.Up(t.Context())
			if got := names(applied); err != nil || !slices.Equal(got, want) {
				t.Fatalf("up: got %q, %v, want %q", got, err, want)
			}
		}
		down := func(want string) {
			t.Helper()
			taken, err := m.Down(t.Context())
			if err != nil || taken == nil || taken.String() != want {
				t.Fatalf("down: got %v, %v, want %s", taken, err, want)
			}
		}
		second := p.Dialect + "/00002_other.sql"
		up("1_first.sql", second)
		up()
		wantTables(t, p, "first", "goose_db_version", "other")
		status, err := m.Status(t.Context())
		if err != nil || len(status) != 2 {
			t.Fatalf("got %v, %v", status, err)
		}
		for _, one := range status {
			if !one.Applied || one.AppliedAt.Before(begin) || one.AppliedAt.After(begin.Add(time.Hour)) || one.AppliedAt.Location() != time.UTC {
				t.Errorf("%v was applied at %v", one, one.AppliedAt)
			}
		}
		down(second)
		wantTables(t, p, "first", "goose_db_version")
		up(second)
		down(second)
		down("1_first.sql")
		if taken, err := m.Down(t.Context()); taken != nil || err != nil {
			t.Errorf("nothing left to take back: %v, %v", taken, err)
		}
		wantTables(t, p, "goose_db_version")
		up("1_first.sql", second)
	})
}

func TestLookingChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first})
		if pending, err := m.Pending(t.Context()); err != nil || len(pending) != 1 || pending[0].Applied {
			t.Errorf("got %v, %v", pending, err)
		}
		if err := m.Check(t.Context()); !errors.Is(err, migrate.ErrPending) {
			t.Errorf("got %v", err)
		}
		wantTables(t, p)
	})
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		applied, has []string
		kind         error
		says         string
		up           []string // what Up applies; nil where it refuses
	}{
		"up to date": {applied: []string{"1_a.sql"}, has: []string{"1_a.sql"}, up: []string{}},
		"pending": {
			applied: []string{"1_a.sql"}, has: []string{"1_a.sql", "2_b.sql", "3_c.sql"},
			kind: migrate.ErrPending, says: "migrate: migrations are pending: 2_b.sql, 3_c.sql", up: []string{"2_b.sql", "3_c.sql"},
		},
		"many pending": {
			has: []string{"1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql", "5_e.sql"}, kind: migrate.ErrPending,
			says: "migrate: migrations are pending: 1_a.sql, 2_b.sql, 3_c.sql and 2 more",
			up:   []string{"1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql", "5_e.sql"},
		},
		"newer": {
			applied: []string{"1_a.sql", "2_b.sql"}, has: []string{"1_a.sql"},
			kind: migrate.ErrNewer, says: "migrate: the database is newer than this program: it has version 2", up: []string{},
		},
		"one below": {
			applied: []string{"1_a.sql", "3_c.sql"}, has: []string{"1_a.sql", "2_b.sql", "3_c.sql"}, kind: migrate.ErrDiverged,
			says: "2_b.sql is not applied, but version 3 is, which comes after it; give the file a later version",
		},
		"one gone": {
			applied: []string{"1_a.sql", "2_b.sql", "3_c.sql"}, has: []string{"1_a.sql", "3_c.sql"}, kind: migrate.ErrDiverged,
			says: "the database has version 2, which this program lacks, though it has later ones",
		},
		"two lines": {
			applied: []string{"1_a.sql", "2_b.sql"}, has: []string{"1_a.sql", "3_c.sql"}, kind: migrate.ErrDiverged,
			says: "the database has version 2, which this program lacks",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db := openSQLite(t)
			if test.applied != nil {
				before, err := migrate.New(db, "sqlite", sqlFiles(test.applied...))
				if err == nil {
					_, err = before.Up(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			m, err := migrate.New(db, "sqlite", sqlFiles(test.has...))
			if err != nil {
				t.Fatal(err)
			}
			wrong := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, test.kind) || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: got %v, want %q", what, err, test.says)
				}
			}
			wrong("check", m.Check(t.Context()))
			applied, err := m.Up(t.Context())
			if test.up == nil {
				wrong("up", err)
			} else if err != nil || !slices.Equal(names(applied), test.up) {
				t.Errorf("up: got %q, %v, want %q", names(applied), err, test.up)
			}
		})
	}
}

func TestWhatCannotBeTakenBackStays(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		kind  error
		says  string
	}{
		"a version of a newer program": {
			files: map[string]string{"1_first.sql": first},
			kind:  migrate.ErrNewer, says: "it has version 2, which only a program that has it too can take back",
		},
		"a file that does not say how": {
			files: map[string]string{"1_first.sql": first, "2_other.sql": "-- +goose Up\nSELECT 1;\n"},
			says:  `2_other.sql cannot be taken back: it has no "-- +goose Down"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, p place) {
				db := p.db(t)
				if _, err := newMigrator(t, db, p, map[string]string{"1_first.sql": first, "2_other.sql": other}).Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, err := newMigrator(t, db, p, test.files).Down(t.Context())
				if err == nil || !strings.Contains(err.Error(), test.says) || test.kind != nil && !errors.Is(err, test.kind) {
					t.Errorf("got %v, want %q", err, test.says)
				}
				wantTables(t, p, "first", "goose_db_version", "other")
			})
		})
	}
}

func TestADatabaseInMemoryNeedsNoLock(t *testing.T) {
	p := place{"sqlite", ":memory:"}
	db := p.db(t)
	db.SetMaxOpenConns(1)
	applied, err := newMigrator(t, db, p, map[string]string{"1_first.sql": first}).Up(t.Context())
	if err != nil || len(applied) != 1 {
		t.Errorf("got %v, %v", applied, err)
	}
}

func TestACancelledContextIsTheError(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first}).Up(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		wantTables(t, p)
	})
}
