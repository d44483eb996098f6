package orm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"
)

// Error is a kind of failure. Errors of this package match one by errors.Is.
type Error struct {
	text   string
	status int
}

// Error gives the kind in words.
func (e *Error) Error() string { return e.text }

// HTTPStatus is the status that a view's answer has when it returns the error.
func (e *Error) HTTPStatus() int { return e.status }

// What can go wrong, besides errors of the context and of the driver.
var (
	ErrNotFound = &Error{"no such row", http.StatusNotFound}
	ErrMultiple = &Error{"more than one row", http.StatusInternalServerError}

	ErrUnique     = &Error{"there is a row with that value already", http.StatusConflict}
	ErrForeignKey = &Error{"a row would refer to one that is not there", http.StatusConflict}
	ErrNotNull    = &Error{"a value is missing that must not be NULL", http.StatusInternalServerError}
	ErrCheck      = &Error{"a value breaks a check of the database", http.StatusInternalServerError}

	ErrField = &Error{"no such field", http.StatusInternalServerError}
	ErrType  = &Error{"wrong type", http.StatusInternalServerError}

	ErrNotLoaded = &Error{"the relation was not loaded", http.StatusInternalServerError}

	ErrUnavailable   = &Error{"the database is not available", http.StatusServiceUnavailable}
	ErrReadOnly      = &Error{"the database cannot be written to", http.StatusInternalServerError}
	ErrFull          = &Error{"the database's disk is full", http.StatusInternalServerError}
	ErrLocked        = &Error{"the database is locked by another writer", http.StatusServiceUnavailable}
	ErrSerialization = &Error{"the transaction collided with another one", http.StatusServiceUnavailable}

	ErrTimeout = &Error{"the database has ended the statement", http.StatusGatewayTimeout}
	ErrSchema  = &Error{"the database has not the tables and columns of this program: migrate it", http.StatusInternalServerError}

	ErrTxDone       = &Error{"the transaction has ended", http.StatusInternalServerError}
	ErrTxFailed     = &Error{"a statement of the transaction has failed, so it can only be rolled back", http.StatusInternalServerError}
	ErrTxConcurrent = &Error{"the transaction is used by two goroutines at once", http.StatusInternalServerError}
	ErrDurable      = &Error{"a durable transaction cannot be inside another", http.StatusInternalServerError}
)

// classified is an error of a driver, with its kind, in words that hold no values.
type classified struct {
	kind   *Error
	detail string
	err    error
}

func (c *classified) Error() string {
	if c.detail == "" {
		return c.kind.text
	}
	return c.kind.text + ": " + c.detail
}

func (c *classified) Unwrap() []error { return causes(c.kind, c.err) }

// causes are a kind and the error it is made of. The end of a ctx that is not the
// caller's, such as one that bounds the opening of a connection, is not shown: it
// would be taken for the caller's.
func causes(kind *Error, err error) []error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return []error{kind}
	}
	return []error{kind, err}
}

// ConstraintError is a row that a constraint of the database refuses. It matches its
// Kind by errors.Is, and the driver's error by errors.As. Its text names no values.
type ConstraintError struct {
	Kind       *Error   // ErrUnique, ErrForeignKey, ErrNotNull or ErrCheck
	Table      string   // "" if the database does not say
	Columns    []string // nil if the database does not say: SQLite does not for foreign keys
	Constraint string   // its name, or a CHECK's expression; "" if the database does not say

	err error
}

// Error gives the kind, and what of the table it is.
func (e *ConstraintError) Error() string {
	text := e.Kind.text
	what := strings.Join(e.Columns, ", ")
	if e.Table != "" && what != "" {
		what = e.Table + "." + what
	} else if what == "" {
		what = e.Table
	}
	if what != "" {
		text += ": " + what
	}
	if e.Constraint != "" {
		text += " (constraint " + e.Constraint + ")"
	}
	return text
}

// Unwrap gives the kind and the driver's error.
func (e *ConstraintError) Unwrap() []error { return causes(e.Kind, e.err) }

// classify gives an error of the driver its kind.
func (db *DB) classify(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) || err == context.Canceled || err == context.DeadlineExceeded {
		return err
	}
	if c := sqliteError(err); c != nil {
		return c
	}
	if c := postgresError(err); c != nil {
		return c
	}
	return err
}

// interrupted is the error of a statement that ended because its ctx did: that of
// the ctx.
func interrupted(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if end := endOf(ctx); end != nil && (wasInterrupted(err) || isLost(err)) {
		return end
	}
	return err
}

// endOf is how ctx has ended; nil if it has not. Who dials gives up at the same time as
// ctx, and may be there first.
func endOf(ctx context.Context) error {
	if by, ok := ctx.Deadline(); ctx.Err() == nil && ok && !time.Now().Before(by) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func wasInterrupted(err error) bool {
	var pg *pgconn.PgError
	return codeOf(err)&0xff == sqlite3.SQLITE_INTERRUPT ||
		errors.As(err, &pg) && pg.Code == queryCanceled ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
