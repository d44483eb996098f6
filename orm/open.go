package orm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"
)

// settings are what options change.
type settings struct {
	poolSize    int
	poolWait    time.Duration
	idleTime    time.Duration
	lifetime    time.Duration
	lockTimeout time.Duration
}

// Defaults of the options.
const (
	// DefaultPoolSize is PostgreSQL's: with 4 workers a reload needs 9 pools at most
	// (4 new ones, 1 more, 4 that drain), which fit the 97 connections of a server
	// as it comes. A sync worker's 40 permits need no 40 connections: one is held
	// while a statement or a transaction runs, not for all of a request.
	DefaultPoolSize = 10
	// DefaultPoolWait sheds load before clients and proxies have given up.
	DefaultPoolWait = 5 * time.Second
	// DefaultIdleTime gives the server back what a burst has opened.
	DefaultIdleTime = 5 * time.Minute
	// DefaultLifetime is for PostgreSQL.
	DefaultLifetime = time.Hour
	// DefaultLockTimeout is for SQLite, and for other processes: those of this one
	// wait for their turn first, as long as DefaultPoolWait.
	DefaultLockTimeout = 5 * time.Second
)

// Option changes how a database is opened.
type Option func(*DB)

// PoolSize is how many connections there may be, in use and idle: 10 by default,
// for SQLite two for each CPU, and 4 at least. On SQLite it is those that read;
// there is one more, that writes. [DB.SetPool] changes it later.
func PoolSize(n int) Option { return func(db *DB) { db.poolSize = n } }

// PoolWait bounds the wait for a connection, and on SQLite for the turn to write:
// [DefaultPoolWait], as there may be code with no other bound. Beyond it the error
// matches [ErrUnavailable], which is a 503: more requests than connections is a
// state that waiting makes worse. 0 is no bound but the ctx's.
func PoolWait(d time.Duration) Option { return func(db *DB) { db.poolWait = d } }

// IdleTime is after which time an idle connection is closed: [DefaultIdleTime]; 0
// is never.
func IdleTime(d time.Duration) Option { return func(db *DB) { db.idleTime = d } }

// Lifetime is after which time a connection to a server is replaced, though in use
// from time to time: [DefaultLifetime], each up to a fifth earlier; 0 is never. So
// the connections find a server that has joined, and its processes' memory is
// freed. SQLite has no use for it.
func Lifetime(d time.Duration) Option { return func(db *DB) { db.lifetime = d } }

// LockTimeout is how long SQLite waits for another process that writes to the
// file: [DefaultLockTimeout]. Beyond it the error matches [ErrLocked]. PostgreSQL
// has lock_timeout, which may be a parameter of the URL.
func LockTimeout(d time.Duration) Option { return func(db *DB) { db.lockTimeout = d } }

// Open opens a database:
//
//	var/app.db, file:app.db?mode=ro, sqlite:/var/lib/app.db   a SQLite file, made if it is not there
//	:memory:                                                  one in memory, of this DB alone: one connection
//	postgres://user:password@host:5432/name?sslmode=require   PostgreSQL, with pgx's parameters
//
// A server that cannot be reached (it is down, starts or has no connection to
// spare) is waited for until ctx ends, with lines in the log; whatever else is
// wrong is an error at once. Errors name the file or host, and never a password.
func Open(ctx context.Context, url string, options ...Option) (*DB, error) {
	to, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("orm: open a database: %w", err)
	}
	db := &DB{dialect: to.dialect, watch: watch{slow: DefaultSlowQuery}, settings: settings{
		poolSize: DefaultPoolSize, poolWait: DefaultPoolWait, idleTime: DefaultIdleTime, lifetime: DefaultLifetime, lockTimeout: DefaultLockTimeout,
	}}
	if to.dialect == SQLite {
		db.poolSize = max(4, 2*runtime.GOMAXPROCS(0))
	}
	for _, o := range options {
		o(db)
	}
	if err := db.settings.check(); err != nil {
		return nil, fmt.Errorf("orm: open %s: %w", to.name, err)
	}
	if to.dialect == SQLite {
		db.lifetime = 0 // one in memory would end with its connection
	}
	db.pool = newGate(db.poolSize)
	if db.dialect == SQLite {
		err = db.openSQLite(ctx, to)
	} else if err = db.openPostgres(to); err == nil {
		err = until(ctx, db.watch.logger(), to.name, func(ctx context.Context) error { return db.classify(db.sql.PingContext(ctx)) })
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("orm: open %s: %w", to.name, db.classify(err))
	}
	db.SetPool(db.poolSize)
	db.sql.SetConnMaxIdleTime(db.idleTime)
	db.sql.SetConnMaxLifetime(db.lifetime)
	return db, nil
}

func (s *settings) check() error {
	if s.poolSize < 1 {
		return fmt.Errorf("PoolSize(%d): it is 1 at least", s.poolSize)
	}
	for name, d := range map[string]time.Duration{"PoolWait": s.poolWait, "IdleTime": s.idleTime, "Lifetime": s.lifetime, "LockTimeout": s.lockTimeout} {
		if d < 0 {
			return fmt.Errorf("%s(%s) is negative", name, d)
		}
	}
	return nil
}

// Back-off between attempts to reach a server.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	linesEvery   = 5 // attempts, from the second line on
)

// until tries to reach a database until it can be, or ctx ends.
func until(ctx context.Context, log *slog.Logger, name string, try func(context.Context) error) error {
	began := time.Now()
	for tries, pause := 1, firstPause; ; tries, pause = tries+1, min(2*pause, longestPause) {
		err := try(ctx)
		switch {
		case err == nil && tries > 1:
			log.LogAttrs(ctx, slog.LevelInfo, "the database is there", slog.String("database", name), slog.Duration("waited", time.Since(began)))
			return nil
		case err == nil, !errors.Is(err, ErrUnavailable):
			return err
		}
		if tries%linesEvery == 1 {
			log.LogAttrs(ctx, slog.LevelWarn, "waiting for the database", slog.String("database", name), slog.Int("tries", tries), slog.Any("error", err))
		}
		if sleep(ctx, pause/2+rand.N(pause/2)) != nil {
			return fmt.Errorf("%w (waited for %s, %d tries)", err, time.Since(began).Round(time.Millisecond), tries)
		}
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
