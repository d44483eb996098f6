package orm

import (
	"context"
	"time"
)

// Statement is what an observer is told of a statement that has run.
type Statement struct {
	Database string        // [SQLite] or [PostgreSQL]
	Text     string        // values are placeholders, unless the program has written them into a text itself
	Began    time.Time     // when it was asked for: the wait for a connection is part of it
	Took     time.Duration // until it was done, or its rows had been read or given up
	Rows     int64         // read or changed; -1: nobody knows
	Err      error         // of the database; it may have values in it, so it is not for a log
}

// Observe has f called after each statement, also those that begin, end or divide a
// transaction, with the context that it was run with; that may have ended. f is
// called on the goroutine that has run the statement, before that goes on, so it
// should be quick, and must be safe for concurrent use. Several are called in the
// order given; a database without any pays nothing.
func Observe(f func(ctx context.Context, s Statement)) Option {
	return func(db *DB) { db.watch.observers = append(db.watch.observers, f) }
}

// tell tells the observers of a statement that took so long.
func (r *running) tell(took time.Duration, rows int64, err error) {
	for _, f := range r.db.watch.observers {
		f(r.ctx, Statement{Database: r.db.dialect, Text: r.text, Began: r.began, Took: took, Rows: rows, Err: err})
	}
}
