package orm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// txOptions are how a transaction is run.
type txOptions struct {
	durable   bool
	readOnly  bool
	isolation sql.IsolationLevel
	retries   int
}

// TxOption changes how [Atomic] and [AtomicAsync] run a transaction.
type TxOption func(*txOptions)

// Durable refuses to be inside another transaction, with [ErrDurable]: when it
// returns without an error, what was done is on disk.
func Durable() TxOption { return func(o *txOptions) { o.durable = true } }

// ReadOnly refuses statements that write, with [ErrReadOnly]. On SQLite it does
// not wait for writers, nor they for it.
func ReadOnly() TxOption { return func(o *txOptions) { o.readOnly = true } }

// Isolation is the level of the whole transaction. SQLite's are all serializable.
// Inside another transaction it is refused.
func Isolation(level sql.IsolationLevel) TxOption {
	return func(o *txOptions) { o.isolation = level }
}

// Retry runs the function again, up to n times more, where the transaction
// collided with another one ([ErrSerialization]). Whatever the function has done
// outside of the database it does again; rows that it created have lost the keys that
// the database made for them, and are kept in memory until the end. Inside another
// transaction it does nothing: the whole must be run again.
func Retry(n int) TxOption { return func(o *txOptions) { o.retries = n } }

// AtomicAsync runs f in a transaction and commits it when f returns nil. An error
// or a panic of f, or the end of ctx, rolls it back. The ctx that f is given carries the
// transaction: queries of that database made with it are in it. Inside another
// transaction of ctx it is a part of that, a savepoint, undone by itself.
func AtomicAsync(ctx context.Context, db *DB, f func(ctx context.Context, tx *Tx) error, options ...TxOption) error {
	return db.atomic(ctx, txOf(ctx, db), nil, f, options)
}

// Atomic is [AtomicAsync] for sync code of a scope. Queries of that database for
// that scope, and for tx, are in the transaction while f runs, as Django's are that
// use the thread's connection. The client's going away does not end it.
//
//tandem:synconly
func Atomic(s bridge.Scoped, db *DB, f func(tx *Tx) error, options ...TxOption) error {
	ctx, done, err := bridge.Detached(s, "orm.Atomic")
	if err != nil {
		return err
	}
	defer done()
	outer := db.txOfScope(s)
	if outer == nil {
		outer = txOf(ctx, db) // sync code that async code calls in its transaction
	}
	return db.atomic(ctx, outer, s.Scope(), func(_ context.Context, tx *Tx) error { return f(tx) }, options)
}

// atomically runs f in a transaction of the session's own, a part of it if it is
// one already.
func atomically(ctx context.Context, on session, f func(ctx context.Context, on session) error) error {
	outer, _ := on.(*Tx)
	var scope *bridge.Scope
	if outer != nil {
		scope = outer.at.scope
	}
	return on.database().atomic(ctx, outer, scope, func(ctx context.Context, tx *Tx) error { return f(ctx, tx) }, nil)
}

func (db *DB) atomic(ctx context.Context, outer *Tx, scope *bridge.Scope, f func(context.Context, *Tx) error, options []TxOption) error {
	var o txOptions
	for _, option := range options {
		option(&o)
	}
	if outer != nil {
		switch {
		case o.durable:
			return fmt.Errorf("orm: %w", ErrDurable)
		case o.isolation != sql.LevelDefault:
			return fmt.Errorf("orm: %w: the level of isolation is that of the whole transaction, which has begun", ErrType)
		}
		return outer.part(ctx, &o, f)
	}
	for tries := 0; ; tries++ {
		committed, err := db.whole(ctx, scope, &o, f)
		if committed || tries >= o.retries || !errors.Is(err, ErrSerialization) {
			return err
		}
		if sleep(ctx, rand.N(5*time.Millisecond<<min(tries, 6))) != nil {
			return err
		}
	}
}

// whole runs f in a transaction of its own. The error of one that is committed is that
// of its hooks.
func (db *DB) whole(ctx context.Context, scope *bridge.Scope, o *txOptions, f func(context.Context, *Tx) error) (committed bool, err error) {
	run := db.begun(ctx, statement{text: "BEGIN", bounds: true})
	begun, release, err := db.begin(ctx, o)
	run.end(nil, err)
	if err != nil {
		return false, fmt.Errorf("orm: begin a transaction: %w", err)
	}
	defer release()
	tx := &Tx{at: &transaction{db: db, sql: begun, scope: scope, again: o.retries > 0}, readOnly: o.readOnly, beside: bridge.Gathering(ctx)}
	tx.at.inner.Store(tx)
	returned := false
	defer func() {
		if !returned { // f panicked, or ended its goroutine, or was not called
			tx.ended.Store(true)
			_ = begun.Rollback()
		}
	}()
	leave, err := db.join(scope, tx)
	if err != nil {
		return false, fmt.Errorf("orm: begin a transaction: %w", err)
	}
	defer leave()
	err = f(context.WithValue(ctx, txKey{db}, tx), tx)
	returned = true
	tx.ended.Store(true)
	if err = tx.verdict(err); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if undo := begun.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = fmt.Errorf("%w (and roll it back: %w)", err, undo)
		}
		tx.at.unmake()
		return false, err
	}
	run = db.begun(ctx, statement{text: "COMMIT", bounds: true})
	err = begun.Commit()
	run.end(nil, err)
	if err != nil {
		tx.at.unmake()
		return false, db.notCommitted(ctx, err)
	}
	release()
	leave() // so that what the hooks do is outside of it
	return true, tx.committed(ctx)
}

// unmake makes rows that were created in the transaction what they were before, so
// that its function, run again, creates them again.
func (t *transaction) unmake() {
	for _, one := range t.made {
		one()
	}
}

// verdict is what f's error means for the transaction.
func (tx *Tx) verdict(err error) error {
	switch {
	case err != nil:
		return err
	case tx.at.used.Load():
		return fmt.Errorf("orm: commit: %w: a statement of it is still running", ErrTxConcurrent)
	case tx.at.inner.Load() != tx:
		return fmt.Errorf("orm: commit: %w: a part of it has not ended", ErrTxConcurrent)
	case tx.at.half.Load():
		return fmt.Errorf("orm: commit: %w: a part of it could not be undone", ErrTxFailed)
	case tx.failed != nil:
		return fmt.Errorf("orm: commit: %w: %w", ErrTxFailed, tx.failed)
	}
	return nil
}

func (db *DB) notCommitted(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = db.classify(err)
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("orm: commit, of which nobody knows whether it was done: %w", err)
	}
	return fmt.Errorf("orm: commit: %w", err)
}

// committed calls the hooks.
func (tx *Tx) committed(ctx context.Context) error {
	var wrong []error
	for _, hook := range tx.hooks {
		if err := hook(ctx); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("orm: the transaction is committed, but what was to follow failed: %w", err)
	}
	return nil
}

// part runs f in a savepoint.
func (tx *Tx) part(ctx context.Context, o *txOptions, f func(context.Context, *Tx) error) error {
	part := &Tx{
		at: tx.at, outer: tx, name: tx.at.db.ident(fmt.Sprintf("tandem_%d", tx.depth()+1)),
		readOnly: tx.readOnly || o.readOnly, beside: bridge.Gathering(ctx),
	}
	if tx.at.inner.Load() != tx {
		return fmt.Errorf("orm: savepoint: %w: another part of it is running", ErrTxConcurrent)
	}
	if _, err := tx.exec(ctx, statement{text: "SAVEPOINT " + part.name, bounds: true}); err != nil {
		return fmt.Errorf("orm: savepoint: %w", err)
	}
	tx.at.inner.Store(part)
	undo := func() error {
		part.ended.Store(true)
		tx.at.inner.Store(tx)
		// as it must be undone though ctx has ended
		free := context.WithoutCancel(ctx)
		_, err := tx.exec(free, statement{text: "ROLLBACK TO SAVEPOINT " + part.name, bounds: true})
		if err == nil {
			_, err = tx.exec(free, statement{text: "RELEASE SAVEPOINT " + part.name, bounds: true})
		}
		if err != nil {
			tx.at.half.Store(true)
		}
		return err
	}
	returned := false
	defer func() {
		if !returned {
			_ = undo()
		}
	}()
	err := f(context.WithValue(ctx, txKey{tx.at.db}, part), part)
	returned = true
	if err = part.verdict(err); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if wrong := undo(); wrong != nil && !errors.Is(wrong, ErrTxDone) {
			err = fmt.Errorf("%w (and roll it back: %w)", err, wrong)
		}
		return err
	}
	part.ended.Store(true)
	tx.at.inner.Store(tx)
	if _, err := tx.exec(ctx, statement{text: "RELEASE SAVEPOINT " + part.name, bounds: true}); err != nil {
		return fmt.Errorf("orm: release a savepoint: %w", err)
	}
	tx.hooks = append(tx.hooks, part.hooks...)
	return nil
}

func (tx *Tx) depth() int {
	n := 0
	for ; tx.outer != nil; tx = tx.outer {
		n++
	}
	return n
}

// txOfScope is the transaction that sync code of s is in; nil if it is in none.
func (db *DB) txOfScope(s bridge.Scoped) *Tx {
	if tx, ok := s.(*Tx); ok && tx.database() == db {
		return tx
	}
	if tx, ok := db.live.Load(s.Scope()); ok {
		return tx.(*Tx).at.inner.Load()
	}
	return nil
}

// join has queries of the scope's sync code be in tx until left is called, once or
// twice. Frames beside each other may share a scope, which is in one transaction.
func (db *DB) join(s *bridge.Scope, tx *Tx) (left func(), err error) {
	if s == nil { // of async code
		return func() {}, nil
	}
	if _, other := db.live.LoadOrStore(s, tx); other {
		return nil, fmt.Errorf("%w: code beside this, of the same scope, has begun one; bridge.RunSyncScoped gives it a scope of its own", ErrTxConcurrent)
	}
	return func() { db.live.CompareAndDelete(s, tx) }, nil
}
