package migrate_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"
	"modernc.org/sqlite"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm/migrate"
)

// runAsMigrator has the test binary be a process that migrates: a place and files, in JSON.
const runAsMigrator = "TEST_RUN_AS_MIGRATOR"

func TestMain(m *testing.M) {
	if work := os.Getenv(runAsMigrator); work != "" {
		os.Exit(beMigrator(work))
	}
	goleak.VerifyTestMain(m)
}

// place is where a database is, in a form that another process can be given.
type place struct{ Dialect, URL string }

func (p place) open() (*sql.DB, error) {
	if p.Dialect == "sqlite" {
		return sql.Open("sqlite", p.URL)
	}
	config, err := pgx.ParseConfig(p.URL)
	if err != nil {
		return nil, err
	}
	if os.Getenv(runAsMigrator) != "" {
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Println(n.Message) }
	}
	return stdlib.OpenDB(*config), nil
}

func (p place) db(t *testing.T) *sql.DB {
	t.Helper()
	db, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// each runs a test on an empty database of each kind.
func each(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqlitePlace(filepath.Join(t.TempDir(), "test.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, place{"postgres", pgtest.URL(t)}) })
}

func sqlitePlace(path string) place {
	return place{"sqlite", "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_txlock=immediate"}
}

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	return sqlitePlace(filepath.Join(t.TempDir(), "test.db")).db(t)
}

func newMigrator(t *testing.T, db *sql.DB, p place, files map[string]string, opts ...migrate.Option) *migrate.Migrator {
	t.Helper()
	m, err := migrate.New(db, p.Dialect, mapFS(files), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mapFS(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// process is another process that migrates. It says "stalled" when it comes to a statement of stall, and what it has
// applied when it is done.
func process(t *testing.T, p place, files map[string]string) (*exec.Cmd, io.Reader) {
	t.Helper()
	work, err := json.Marshal(map[string]any{"Place": p, "Files": files})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), runAsMigrator+"="+string(work))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// stall is a statement that says so and then does not end.
var stall = map[string]string{
	"sqlite":   "SELECT stall();\n",
	"postgres": "-- +goose StatementBegin\nDO $$ BEGIN RAISE NOTICE 'stalled'; PERFORM pg_sleep(3600); END $$;\n-- +goose StatementEnd\n",
}

func beMigrator(work string) int {
	var given struct {
		Place place
		Files map[string]string
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	err := json.Unmarshal([]byte(work), &given)
	if err == nil {
		err = sqlite.RegisterScalarFunction("stall", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
			fmt.Println("stalled")
			select {}
		})
	}
	if err == nil {
		err = migrateAndTell(given.Place, given.Files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func migrateAndTell(p place, files map[string]string) error {
	db, err := p.open()
	if err != nil {
		return err
	}
	defer db.Close()
	m, err := migrate.New(db, p.Dialect, mapFS(files))
	if err != nil {
		return err
	}
	applied, err := m.Up(context.Background())
	for _, one := range applied {
		fmt.Println(one)
	}
	return err
}
