package orm

import (
	"context"
	"database/sql"
)

// session is where statements run: the database, on any connection, or a
// transaction, on its own.
type session interface {
	database() *DB
	query(ctx context.Context, st statement) (*results, error)
	exec(ctx context.Context, st statement) (sql.Result, error)
}

// statement is what is run.
type statement struct {
	text   string
	args   []any
	writes bool // it is more than a SELECT
}

// results are the rows of a statement. Whoever got them closes them, whatever
// happens.
type results struct {
	*sql.Rows
	db    *DB
	ended func(err error) // nil, or told of the end
}

// Close ends the reading, and returns what went wrong in it.
func (r *results) Close() error {
	err := r.Rows.Err()
	if closed := r.Rows.Close(); err == nil {
		err = closed
	}
	if r.ended != nil {
		r.ended(err)
		r.ended = nil
	}
	return r.db.classify(err)
}
