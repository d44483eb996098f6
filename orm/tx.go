package orm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-go/tandem/bridge"
)

// Tx is a transaction, or a part of one that can be undone by itself: a savepoint.
// It belongs to the goroutine that it was begun on: two that use it at once, and all
// of a Gather, get [ErrTxConcurrent]. Once a statement of it has failed, on either
// database, it can only be rolled back: the next one gets [ErrTxFailed]. It ends with
// the function that it was made for; later uses get [ErrTxDone].
//
//tandem:transaction
type Tx struct {
	at       *transaction
	outer    *Tx // nil: it is the whole transaction
	name     string
	readOnly bool
	beside   any // what its ctx was gathered by
	hooks    []func(context.Context) error
	failed   error // of a statement, guarded by the transaction's use
	ended    atomic.Bool
}

// transaction is what a Tx and its savepoints share.
type transaction struct {
	db    *DB
	sql   *sql.Tx
	scope *bridge.Scope      // of the sync code that began it; nil: async code did
	used  atomic.Bool        // by a statement whose rows are being read
	inner atomic.Pointer[Tx] // the innermost that is open
	gone  error              // the database has undone it by itself
	half  atomic.Bool        // a part of it that was to be undone may still be in it
	again bool               // its function may be run again
	made  []func()           // if so: they make created rows what they were before
}

type txKey struct{ db *DB }

// txOf is the transaction of a database that ctx carries; nil if it carries none.
func txOf(ctx context.Context, db *DB) *Tx {
	tx, _ := ctx.Value(txKey{db}).(*Tx)
	return tx
}

// Scope is the scope of the sync code that began the transaction, so that
// posts.Sync(tx) runs in it. In async code there is none: it panics.
func (tx *Tx) Scope() *bridge.Scope {
	if tx.at.scope == nil {
		panic("orm: Tx.Scope in async code: a transaction begun by AtomicAsync is for queries with its ctx, or With(tx)")
	}
	return tx.at.scope
}

// OnCommit has f called when the whole transaction is committed, outside of it, in
// the order of the calls; not at all if this part of it is undone. Its ctx is that
// of whoever began the transaction. Its error is returned to him, though the
// transaction stays committed. It panics when the transaction has ended: f would be
// dropped.
func (tx *Tx) OnCommit(f func(context.Context) error) {
	if tx.ended.Load() {
		panic("orm: OnCommit of a transaction that has ended")
	}
	tx.hooks = append(tx.hooks, f)
}

func (tx *Tx) database() *DB { return tx.at.db }

func (tx *Tx) query(ctx context.Context, st statement) (*results, error) {
	if err := tx.begin(ctx, st); err != nil {
		return nil, err
	}
	result, err := tx.at.db.queryOn(ctx, tx.at.sql, st)
	if err != nil {
		return nil, tx.end(st, err)
	}
	result.ended = func(err error) { _ = tx.end(st, err) }
	return result, nil
}

func (tx *Tx) exec(ctx context.Context, st statement) (sql.Result, error) {
	if err := tx.begin(ctx, st); err != nil {
		return nil, err
	}
	result, err := tx.at.db.execOn(ctx, tx.at.sql, st)
	return result, tx.end(st, err)
}

// begin says whether a statement may be run now, and takes the transaction for it.
func (tx *Tx) begin(ctx context.Context, st statement) error {
	switch {
	case tx.ended.Load():
		return ErrTxDone
	case tx.readOnly && st.writes:
		return fmt.Errorf("%w: the transaction is a read-only one", ErrReadOnly)
	case bridge.Gathering(ctx) != tx.beside:
		return fmt.Errorf("%w: it was begun outside of the Gather that uses it; query outside of it, or begin one inside", ErrTxConcurrent)
	case !tx.at.used.CompareAndSwap(false, true):
		return fmt.Errorf("%w: another statement of it is running", ErrTxConcurrent)
	}
	err := tx.at.gone
	if inner := tx.at.inner.Load(); err == nil && inner.failed != nil {
		err = inner.failed
	}
	if err != nil {
		tx.at.used.Store(false)
		return fmt.Errorf("%w: %w", ErrTxFailed, err)
	}
	return nil
}

// end gives the transaction back after a statement, and takes note of what went
// wrong with it.
func (tx *Tx) end(st statement, err error) error {
	if errors.Is(err, sql.ErrTxDone) { // database/sql has rolled back: its ctx has ended
		err = ErrTxDone
	}
	err = tx.at.db.classify(err)
	if err != nil {
		tx.at.inner.Load().failed = err
		if tx.at.db.undoes(st, err) {
			tx.at.gone = err
		}
	}
	tx.at.used.Store(false)
	return err
}

// undoes says whether the database may have undone the whole transaction with a
// statement that failed. SQLite does when one that writes is interrupted, or when
// it cannot go on; what came next would be outside of any transaction.
func (db *DB) undoes(st statement, err error) bool {
	if db.dialect != SQLite || !st.writes {
		return false
	}
	var of *sqlite.Error
	if !errors.As(err, &of) {
		return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	switch of.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}
