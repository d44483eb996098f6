package orm

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // "pgx"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	"modernc.org/sqlite"

	"github.com/tandem-go/tandem/internal/stmtcache"
)

// Dialects.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgres"
)

// DB is a database. It is safe for concurrent use.
type DB struct {
	sql     *sql.DB
	bun     *bun.DB // for texts and for the reflection of models
	dialect string
	models  sync.Map // reflect.Type to *model
	live    sync.Map // *bridge.Scope to the *Tx that its sync code is in
	watch   watch
}

// Option changes how a database is opened.
type Option func(*DB)

// Open opens a database: the path of a SQLite file, or a postgres:// URL.
func Open(ctx context.Context, url string, options ...Option) (*DB, error) {
	db := &DB{dialect: SQLite, watch: watch{slow: DefaultSlowQuery}}
	var dialect schema.Dialect = sqlitedialect.New()
	var pool *sql.DB
	var err error
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		db.dialect, dialect = PostgreSQL, pgdialect.New()
		pool, err = sql.Open("pgx", url)
	} else {
		pool, err = openSQLite("file:" + url + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=case_sensitive_like(1)&_txlock=immediate&_time_format=sqlite")
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.sql, db.bun = pool, bun.NewDB(pool, dialect)
	for _, o := range options {
		o(db)
	}
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open the database: %w", db.classify(err))
	}
	return db, nil
}

// keptStatements is how many each connection to SQLite keeps prepared. pgx does so
// by itself.
const keptStatements = 100

func openSQLite(dsn string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(stmtcache.New(connector, keptStatements)), nil
}

// SQL is the pool of connections, for what this package does not do. It stays the
// DB's: do not close it.
func (db *DB) SQL() *sql.DB { return db.sql }

// Dialect is [SQLite] or [PostgreSQL].
func (db *DB) Dialect() string { return db.dialect }

// Close closes all connections, and waits for the queries that are running.
func (db *DB) Close() error { return db.sql.Close() }

func (db *DB) database() *DB { return db }

func (db *DB) query(ctx context.Context, st statement) (*results, error) {
	result, err := db.queryOn(ctx, db.sql, st)
	return result, db.classify(err)
}

func (db *DB) exec(ctx context.Context, st statement) (sql.Result, error) {
	result, err := db.execOn(ctx, db.sql, st)
	return result, db.classify(err)
}

// begin begins a transaction. release gives back what it holds besides its
// connection, and may be called twice.
func (db *DB) begin(ctx context.Context, o *txOptions) (tx *sql.Tx, release func(), err error) {
	tx, err = db.sql.BeginTx(ctx, &sql.TxOptions{ReadOnly: o.readOnly, Isolation: o.isolation})
	return tx, func() {}, db.classify(err)
}

// ident quotes a name of the database's.
func (db *DB) ident(name string) string {
	return string(db.bun.QueryGen().AppendIdent(nil, name))
}

// text makes a statement's text with bun.
func (db *DB) text(q schema.QueryAppender) (string, error) {
	b, err := q.AppendQuery(db.bun.QueryGen(), make([]byte, 0, 512))
	if err != nil {
		return "", fmt.Errorf("make the statement's text: %w", err)
	}
	return string(b), nil
}

var timeType = reflect.TypeFor[time.Time]()
