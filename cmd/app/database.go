package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/orm/migrate"
	"github.com/tandem-go/tandem/worker"
)

// defaultDatabase is the app's own: it is made, migrated and filled by whoever starts first. A database that the
// settings name is its operator's, and is changed by app migrate and app seed alone.
const defaultDatabase = "var/app.db"

// openTimeout bounds what a command waits for before it begins. A worker's start has a bound of its own.
const openTimeout = 25 * time.Second

var errNotReady = fmt.Errorf("the database was not ready within %v", openTimeout)

// databaseURL is where the rows are: a postgres:// URL, or a SQLite file; "" is the default file. It may hold a password:
// it is never printed.
type databaseURL string

var errDatabaseURL = errors.New("neither a postgres:// URL nor a SQLite file, such as /srv/app.db")

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *databaseURL) UnmarshalText(text []byte) error {
	*u = databaseURL(text)
	switch scheme := u.scheme(); {
	case scheme == "postgres:", scheme == "postgresql:":
		if parsed, err := url.Parse(string(text)); err != nil || parsed.Opaque != "" {
			return errors.New("not a URL that can be read; give one such as postgres://user:password@host/database")
		}
	case scheme != "" && scheme != "sqlite:" && scheme != "file:":
		return errDatabaseURL
	// Another form of PostgreSQL's, or a URL that has lost its scheme: either may hold a password, and a path is printed.
	case scheme == "" && (strings.Contains(string(text), "=") || strings.HasPrefix(string(text), "//")):
		return errDatabaseURL
	case strings.Contains(string(text), ":memory:"), strings.Contains(string(text), "mode=memory"):
		return errors.New("a database in memory is gone with its process: name a file")
	}
	return nil
}

var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// scheme is the URL's, in small letters, with its colon; "" for a path.
func (u databaseURL) scheme() string { return strings.ToLower(urlScheme.FindString(string(u))) }

// file is the path of the SQLite file; "" for PostgreSQL.
func (u databaseURL) file() string {
	if u == "" {
		return defaultDatabase
	}
	scheme := u.scheme()
	if strings.HasPrefix(scheme, "postgres") {
		return ""
	}
	path, _, _ := strings.Cut(string(u)[len(scheme):], "?")
	if plain, err := url.PathUnescape(path); err == nil && scheme == "file:" {
		return plain
	}
	return path
}

// openDatabase opens the database. A SQLite file that is not there is made, or else is an error.
func openDatabase(ctx context.Context, u databaseURL, makes bool, options ...orm.Option) (*orm.DB, error) {
	target := string(u)
	if u == "" {
		target = defaultDatabase
	}
	if file := u.file(); file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !makes {
			return nil, fmt.Errorf("there is no database %s; `app migrate` makes it", file)
		}
	}
	if u == "" && makes {
		if err := os.MkdirAll(filepath.Dir(defaultDatabase), 0o750); err != nil {
			return nil, fmt.Errorf("make a place for the default database: %w; APP_DATABASE_URL names another", err)
		}
	}
	return orm.Open(ctx, target, options...)
}

//go:embed migrations
var embedded embed.FS

func migrator(db *orm.DB, log *slog.Logger) (*migrate.Migrator, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, err
	}
	return migrate.New(db.SQL(), db.Dialect(), files, migrate.Logger(log))
}

// bootDatabase opens the database for a process that will serve: the default one in whatever state, another one if its
// schema is what this program wants. The caller closes it.
func bootDatabase(ctx context.Context, u databaseURL, log *slog.Logger, options ...orm.Option) (*orm.DB, error) {
	db, err := openDatabase(ctx, u, u == "", append(options, orm.Logger(log))...)
	if err != nil {
		return nil, err
	}
	if err := boot(ctx, db, u, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func boot(ctx context.Context, db *orm.DB, u databaseURL, log *slog.Logger) error {
	m, err := migrator(db, log)
	if err != nil {
		return err
	}
	if u == "" {
		if err := bootDefault(ctx, db, m, log); err != nil {
			return err
		}
	}
	err = m.Check(ctx)
	if errors.Is(err, migrate.ErrNewer) { // as it is for an old worker in the middle of a deploy
		log.Warn("serving with a database that is newer than this program", "error", err)
		err = nil
	}
	if err == nil && db.Dialect() == orm.PostgreSQL {
		worker.OnDatabaseConnections(db.SetPool) // for as long as the process lives
		warnOfConnections(ctx, db, max(1, worker.Self().Workers), log)
	}
	return advise(err)
}

// warnOfConnections says so where as many workers as this one may want more connections together than the server admits:
// the last ones would be refused, and only under load.
func warnOfConnections(ctx context.Context, db *orm.DB, workers int, log *slog.Logger) {
	limit, err := db.ServerLimit(ctx)
	if err != nil {
		log.Warn("it is not known whether the connections of all workers fit", "error", err)
		return
	}
	if pool := db.SQL().Stats().MaxOpenConnections; workers*pool > limit {
		log.Warn("the workers may want more connections to the database than its server admits: divide these by the supervisor's --db-connections",
			"workers", workers, "connections_each", pool, "server_admits", limit)
	}
}

// bootDefault brings the default database to where it should be. Of several processes one does it, and the others wait.
func bootDefault(ctx context.Context, db *orm.DB, m *migrate.Migrator, log *slog.Logger) error {
	applied, err := m.Up(ctx)
	if err != nil {
		return err
	}
	if len(applied) > 0 {
		log.Info("migrated the default database", "file", defaultDatabase, "applied", len(applied))
	}
	// A fill is whole or not there, so a start that was killed before it is made good by the next one.
	var filled bool
	if err := db.SQL().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM authors)").Scan(&filled); err != nil || filled {
		return err
	}
	posts, err := seed(ctx, db)
	if err == nil && posts > 0 {
		log.Info("filled the default database with demonstration data", "file", defaultDatabase, "posts", posts)
	}
	return err
}
