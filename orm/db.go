package orm

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Dialects.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgres"
)

// DB is a database: a pool of connections, opened when they are needed. It is safe
// for concurrent use. Whoever opened it closes it.
type DB struct {
	sql     *sql.DB
	pool    *gate   // before sql
	bun     *bun.DB // for texts and for the reflection of models
	dialect string
	models  sync.Map // reflect.Type to *model
	live    sync.Map // *bridge.Scope to the *Tx that its sync code is in
	watch   watch

	// A SQLite file's one connection that writes, in turns; those of sql read. nil
	// otherwise.
	writer *sql.DB
	turn   *gate
	single bool // in memory: the connection is the database

	sizing   sync.Mutex // of both pool and sql
	keepsAll bool       // the driver keeps statements prepared, long ones too if it is let
	file     *opened

	settings
}

// SQL is the pool of connections, for what this package does not do. It stays the
// DB's: do not close it. Statements there wait for a connection without a bound but
// their ctx's; on SQLite those that write take no turns with the others, and wait
// for the file's lock as another process would.
func (db *DB) SQL() *sql.DB { return db.sql }

// Dialect is [SQLite] or [PostgreSQL].
func (db *DB) Dialect() string { return db.dialect }

// Close lets nothing more begin. It does not wait: idle connections are closed at
// once, the others when the statement or transaction that has them ends. The last
// one of a SQLite file moves all of it into the file itself.
func (db *DB) Close() error {
	var all []error
	for _, pool := range []*sql.DB{db.sql, db.writer} {
		if pool != nil {
			all = append(all, pool.Close())
		}
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("orm: close the database: %w", db.classify(err))
	}
	return nil
}

func (db *DB) database() *DB { return db }

func (db *DB) query(ctx context.Context, st statement) (*results, error) {
	on := &place{db: db, writes: st.writes}
	result, err := db.queryOn(ctx, on, st)
	if err != nil {
		return nil, db.classify(err)
	}
	result.ended = func(error) { on.leave() }
	return result, nil
}

func (db *DB) exec(ctx context.Context, st statement) (sql.Result, error) {
	result, err := db.execOn(ctx, &place{db: db, writes: st.writes}, st)
	return result, db.classify(err)
}

// begin begins a transaction. It ends by Commit or Rollback alone, not with ctx:
// database/sql would roll back on the driver with that ctx, and pgx then closes the
// connection. release gives back what it holds besides its connection, and may be
// called twice.
func (db *DB) begin(ctx context.Context, o *txOptions) (tx *sql.Tx, release func(), err error) {
	on := &place{db: db, writes: !o.readOnly}
	if err := on.enter(ctx); err != nil {
		return nil, nil, db.classify(err)
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var conn *sql.Conn
	release = sync.OnceFunc(func() {
		cancel()
		if conn != nil {
			_ = conn.Close() // once the transaction has ended: where ctx ended it, that takes its time
		}
		on.leave()
	})
	stop := context.AfterFunc(ctx, cancel)
	err = on.run(ctx, func(pool *sql.DB) error {
		conn, tx, err = beginOn(own, pool, &sql.TxOptions{ReadOnly: o.readOnly, Isolation: o.isolation})
		return err
	})
	if !stop() { // ctx has ended, so own has, and database/sql rolls back
		err = ctx.Err()
	}
	if err != nil {
		release()
		return nil, nil, db.classify(interrupted(ctx, err))
	}
	return tx, release, nil
}

// beginOn begins a transaction on a connection of its own; on another one where that
// turns out to be gone, as database/sql does for a statement.
func beginOn(ctx context.Context, pool *sql.DB, options *sql.TxOptions) (conn *sql.Conn, tx *sql.Tx, err error) {
	for tries := 0; ; tries++ {
		if conn, err = pool.Conn(ctx); err != nil {
			return nil, nil, err
		}
		if tx, err = conn.BeginTx(ctx, options); err == nil {
			return conn, tx, nil
		}
		_ = conn.Close()
		if tries >= pool.Stats().OpenConnections || !errors.Is(err, driver.ErrBadConn) {
			return nil, nil, err
		}
	}
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
