package orm

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-go/tandem/internal/stmtcache"
)

// poll is how long one attempt to get the file's lock for writing lasts. The
// driver's busy handler asks again ever more seldom, up to every 100 ms: beside a
// process that writes all the time it would not find the lock free within seconds.
const poll = 10 * time.Millisecond

// openSQLite opens a file by two pools: one connection that writes, in turns, and
// others that read. One in memory is its one connection.
func (db *DB) openSQLite(ctx context.Context, to *location) error {
	readers, err := sqlite.NewConnector(to.dsn(db.lockTimeout))
	if err != nil {
		return err
	}
	db.sql = openedBy(readers)
	db.bun = bun.NewDB(db.sql, sqlitedialect.New())
	if to.memory {
		db.single, db.idleTime = true, 0
		return db.sql.PingContext(ctx)
	}
	writers, err := sqlite.NewConnector(to.dsn(poll))
	if err != nil {
		return err
	}
	db.writer, db.turn = openedBy(writers), newGate(1)
	db.writer.SetMaxOpenConns(1)
	if err := db.writeAhead(ctx); err != nil {
		return to.explain(err)
	}
	if err := db.sql.PingContext(ctx); err != nil {
		return to.explain(err)
	}
	db.file, err = remember(to.path)
	return err
}

// keptStatements is how many each connection to SQLite keeps prepared. pgx does so
// by itself.
const keptStatements = 100

func openedBy(c driver.Connector) *sql.DB {
	return sql.OpenDB(interruptible{stmtcache.New(c, keptStatements)})
}

// writeAhead puts the file into WAL mode, which it then stays in: readers see the
// last commit while somebody writes.
func (db *DB) writeAhead(ctx context.Context) error {
	var mode string
	read := func(text string) error {
		return db.patiently(ctx, func() error { return db.writer.QueryRowContext(ctx, text).Scan(&mode) })
	}
	if err := read("PRAGMA journal_mode"); err != nil || mode == "wal" {
		return err
	}
	err := read("PRAGMA journal_mode=WAL")
	if codeOf(err)&0xff == sqlite3.SQLITE_READONLY {
		return nil // it can be read
	}
	return err
}

// patiently runs f until it finds the file unlocked, for as long as the lock is
// waited for.
func (db *DB) patiently(ctx context.Context, f func() error) error {
	began := time.Now()
	for {
		err := f()
		if code := codeOf(err); code&0xff != sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_BUSY_SNAPSHOT || time.Since(began) > db.lockTimeout {
			return err
		}
		if err := sleep(ctx, poll/10); err != nil { // where the busy handler was not called
			return err
		}
	}
}

// codeOf is SQLite's code of an error; 0 if it is not one of its.
func codeOf(err error) int {
	var of *sqlite.Error
	if errors.As(err, &of) {
		return of.Code()
	}
	return 0
}

// dsn is what the driver is given. Times are stored in UTC, so that they sort as
// text; "quoted" is a column and never a string.
func (to *location) dsn(busy time.Duration) string {
	params := url.Values{
		"_txlock": {"immediate"}, "_time_format": {"sqlite"}, "_timezone": {"UTC"}, "_dqs": {"0"}, "_error_rc": {"1"},
		"_pragma": append([]string{
			"busy_timeout(" + strconv.FormatInt(max(1, busy.Milliseconds()), 10) + ")",
			"foreign_keys(1)", "synchronous(NORMAL)", "case_sensitive_like(1)",
		}, to.params["_pragma"]...),
	}
	for _, name := range []string{"mode", "immutable"} {
		if v, ok := to.params[name]; ok {
			params[name] = v
		}
	}
	if to.memory {
		return "file::memory:?" + params.Encode()
	}
	path := to.path
	if strings.HasPrefix(path, "/") { // as // would begin a host
		path = "/" + strings.TrimLeft(path, "/")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params.Encode()
}

// explain says why a file could not be opened, which SQLite does not.
func (to *location) explain(err error) error {
	switch codeOf(err) & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return errors.New("the file is not a SQLite database")
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
	default:
		return err
	}
	dir := filepath.Dir(to.path)
	about, no := os.Stat(dir)
	switch {
	case errors.Is(no, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s: create it first", dir)
	case no != nil:
		return no
	case !about.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	if about, err := os.Stat(to.path); err == nil && about.IsDir() {
		return errors.New("it is a directory")
	}
	file, no := os.OpenFile(to.path, os.O_RDONLY, 0)
	remedy := ""
	if no == nil {
		_ = file.Close()
		remedy = "; one that nobody writes to is read as file:" + to.path + "?immutable=1"
	} else if !errors.Is(no, fs.ErrNotExist) || to.params.Get("mode") == "ro" || to.params.Get("mode") == "rw" {
		return no
	}
	if no := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); no != nil {
		return &classified{
			cmp.Or(sqliteKinds[codeOf(err)&0xff], ErrUnavailable),
			fmt.Sprintf("the process cannot write to directory %s, where SQLite keeps files beside the database: %v%s", dir, no, remedy), err,
		}
	}
	return err
}
