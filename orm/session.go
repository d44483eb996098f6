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
	bounds bool // it begins or ends a transaction or a part of one
}

// connection is where a statement is run: a pool, or a transaction.
type connection interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

// queryOn runs a statement and sees how it goes. Its error is the driver's.
func (db *DB) queryOn(ctx context.Context, on connection, st statement) (*results, error) {
	run := db.begun(ctx, st)
	rows, err := on.QueryContext(ctx, db.driverText(st), db.driverArgs(st)...)
	if err = interrupted(ctx, err); err != nil {
		run.end(nil, err)
		return nil, err
	}
	return &results{Rows: rows, db: db, ctx: ctx, run: run}, nil
}

// execOn is queryOn for a statement without rows.
func (db *DB) execOn(ctx context.Context, on connection, st statement) (sql.Result, error) {
	run := db.begun(ctx, st)
	result, err := on.ExecContext(ctx, db.driverText(st), db.driverArgs(st)...)
	if err = interrupted(ctx, err); err != nil {
		run.end(nil, err)
		return nil, err
	}
	run.end(result.RowsAffected, nil)
	return result, nil
}

// results are the rows of a statement. Whoever got them closes them, whatever
// happens.
type results struct {
	*sql.Rows
	db    *DB
	ctx   context.Context // of whoever asked
	run   running
	count int64           // of rows
	ended func(err error) // nil, or told of the end
}

// Next reads a row.
func (r *results) Next() bool {
	if !r.Rows.Next() {
		return false
	}
	r.count++
	return true
}

// Close ends the reading, and returns what went wrong in it.
func (r *results) Close() error {
	err := r.Rows.Err()
	if closed := r.Rows.Close(); err == nil {
		err = closed
	}
	err = interrupted(r.ctx, err)
	r.run.end(func() (int64, error) { return r.count, nil }, err)
	if r.ended != nil {
		r.ended(err)
		r.ended = nil
	}
	return r.db.classify(err)
}
