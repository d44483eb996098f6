package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/orm/migrate"
)

// onEach runs a test with an empty database of each kind.
func onEach(t *testing.T, test func(t *testing.T, u databaseURL)) {
	t.Run("sqlite", func(t *testing.T) { test(t, databaseURL(filepath.Join(t.TempDir(), "test.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, databaseURL(pgtest.URL(t))) })
}

// openEmpty opens a database that nobody has migrated; up has it migrated.
func openEmpty(t *testing.T, u databaseURL) (*orm.DB, *migrate.Migrator) {
	t.Helper()
	db, err := openDatabase(t.Context(), u, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := migrator(db, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	return db, m
}

func openMigrated(t *testing.T, u databaseURL) *orm.DB {
	t.Helper()
	db, m := openEmpty(t, u)
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// rows is what the demonstration data is, by a query for each count.
func wantDemoData(t *testing.T, db *orm.DB) {
	t.Helper()
	for query, want := range map[string]int{
		"SELECT count(*) FROM authors":                   5,
		"SELECT count(*) FROM posts":                     50,
		"SELECT count(*) FROM posts WHERE published":     40,
		"SELECT count(*) FROM tags":                      6,
		"SELECT count(*) FROM post_tags":                 75,
		"SELECT count(DISTINCT title) FROM posts":        50,
		"SELECT count(DISTINCT author_id) FROM posts":    5,
		"SELECT count(DISTINCT tag_id) FROM post_tags":   6,
		"SELECT count(DISTINCT created_at) FROM posts":   50,
		"SELECT count(*) FROM posts WHERE body = ''":     0,
		"SELECT count(*) FROM authors WHERE email = ''":  0,
		"SELECT count(DISTINCT post_id) FROM post_tags":  50,
		"SELECT count(*) FROM goose_db_version":          3,
		"SELECT max(version_id) FROM goose_db_version":   2,
		"SELECT count(*) FROM posts WHERE author_id = 0": 0,
	} {
		var got int
		if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", query, got, err, want)
		}
	}
}

func TestOneOfEightMakesTheDefaultDatabase(t *testing.T) {
	setEnvironment(t, nil)
	dir := t.TempDir()
	var apps []*launched
	for range 8 {
		apps = append(apps, launchApp(t, dir, nil))
	}
	done := map[string]int{}
	for _, app := range apps {
		app.serving(t)
		for _, line := range app.said {
			for _, what := range []string{"migrated the default database", "filled the default database"} {
				if strings.Contains(line, what) {
					done[what]++
				}
			}
		}
	}
	if fmt.Sprint(done) != "map[filled the default database:1 migrated the default database:1]" {
		t.Errorf("done %v", done)
	}
	for _, app := range apps {
		if err := app.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := app.cmd.Wait(); err != nil {
			t.Errorf("after TERM: %v", err)
		}
	}
	t.Chdir(dir)
	db, _ := openEmpty(t, "")
	wantDemoData(t, db)
}

func TestAStartThatWasKilledBeforeItFilledIsMadeGood(t *testing.T) {
	t.Chdir(t.TempDir())
	openMigrated(t, "")
	db, err := bootDatabase(t.Context(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wantDemoData(t, db)
}

func TestRepeatedQueriesAreReportedWhereThatIsAsked(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		openMigrated(t, u)
		for asked, want := range map[repeats]bool{0: false, 2: true, 3: false} {
			s := newSettings()
			s.RepeatedQueries = asked
			var log strings.Builder
			db, err := bootDatabase(t.Context(), u, slog.New(slog.NewTextHandler(&log, nil)), s.seeing()...)
			if err != nil {
				t.Fatal(err)
			}
			record := tally.New(nil, "GET /", nil)
			for range 2 {
				if _, err := orm.For[Post](db).Count(record.Context(t.Context())); err != nil {
					t.Error(err)
				}
			}
			record.End()
			if got := strings.Contains(log.String(), `msg="query repeated in one request" route="GET /"`); got != want {
				t.Errorf("APP_REPEATED_QUERIES=%d: it said %s", asked, &log)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestADatabaseThatIsNamedIsNotChangedByAStart(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		_, m := openEmpty(t, u)
		boot := func() error {
			db, err := bootDatabase(t.Context(), u, slog.New(slog.DiscardHandler))
			if err == nil {
				err = db.Close()
			}
			return err
		}
		want := regexp.MustCompile("^migrate: migrations are pending: (sqlite|postgres)/00001_blog.sql, 00002_indexes.sql; `app migrate` applies them$")
		if err := boot(); !errors.Is(err, migrate.ErrPending) || !want.MatchString(err.Error()) {
			t.Errorf("got %v", err)
		}
		if pending, err := m.Pending(t.Context()); err != nil || len(pending) != 2 {
			t.Errorf("pending: %v, %v", pending, err)
		}
		db := openMigrated(t, u)
		if err := boot(); err != nil {
			t.Error(err)
		}
		var authors int
		if err := db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM authors").Scan(&authors); err != nil || authors != 0 {
			t.Errorf("%d authors, %v", authors, err)
		}
	})
}

func TestANewerDatabaseIsServedWithAWarning(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		db := openMigrated(t, u)
		applied := func(version int) {
			t.Helper()
			if _, err := db.SQL().ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", version, true); err != nil {
				t.Fatal(err)
			}
		}
		applied(3)
		var log strings.Builder
		served, err := bootDatabase(t.Context(), u, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := served.Close(); err != nil {
			t.Error(err)
		}
		if want := `level=WARN msg="serving with a database that is newer than this program" error="migrate: the database is newer than this program: it has version 3"`; !strings.Contains(log.String(), want) {
			t.Errorf("it said %s, want %s", &log, want)
		}
	})
}

func TestConnectionsThatDoNotFitAreWarnedOf(t *testing.T) {
	db, _ := openEmpty(t, databaseURL(pgtest.URL(t)))
	limit, err := db.ServerLimit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db.SetPool(limit / 4)
	for workers, want := range map[int]string{
		4: "",
		5: fmt.Sprintf("--db-connections\" workers=5 connections_each=%d server_admits=%d\n", limit/4, limit),
	} {
		var log strings.Builder
		warnOfConnections(t.Context(), db, workers, slog.New(slog.NewTextHandler(&log, nil)))
		if !strings.HasSuffix(log.String(), want) || want == "" && log.Len() > 0 || strings.Count(log.String(), "\n") > 1 {
			t.Errorf("%d workers: it said %q, want %q", workers, &log, want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var log strings.Builder
	warnOfConnections(gone, db, 1, slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), "it is not known whether the connections of all workers fit") {
		t.Errorf("without an answer it said %q", &log)
	}
}

func TestTheDefaultDatabasesPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := openDatabase(t.Context(), "", false); err == nil || err.Error() != "there is no database var/app.db; `app migrate` makes it" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("var"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("var: %v", err)
	}
	if err := os.WriteFile("var", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "make a place for the default database: mkdir var: not a directory; APP_DATABASE_URL names another"
	if _, err := openDatabase(t.Context(), "", true); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// lockDefault has this process migrate the default database of a directory, for as long as the test lasts.
func lockDefault(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "var"), 0o750); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, defaultDatabase+"-migrate.lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if _, err := lock.WriteString("process 7 (app) on host\n"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

func TestAStartGivesUpOnOneThatMigrates(t *testing.T) {
	t.Chdir(t.TempDir())
	lockDefault(t, ".")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := bootDatabase(ctx, "", slog.New(slog.DiscardHandler))
	if !errors.Is(err, migrate.ErrLocked) || !strings.Contains(err.Error(), "process 7 (app) on host has locked ") {
		t.Errorf("got %v", err)
	}
}

func TestAStartThatWaitsCanBeStopped(t *testing.T) {
	setEnvironment(t, nil)
	dir := t.TempDir()
	lockDefault(t, dir)
	app := launchApp(t, dir, nil)
	if app.until(`(waiting for another process to migrate the database)`) == "" {
		t.Fatalf("it does not wait: %s", strings.Join(app.said, "\n"))
	}
	if err := app.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if said, code := app.ends(); code != 0 || !strings.Contains(said, `msg="stopped before it served" because=TERM starting=database`) {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
