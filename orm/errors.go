package orm

import (
	"errors"
	"net/http"
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
	ErrForeignKey = &Error{"a row refers to one that is not there", http.StatusConflict}
	ErrNotNull    = &Error{"a value is missing that must not be NULL", http.StatusInternalServerError}
	ErrCheck      = &Error{"a value breaks a check of the database", http.StatusInternalServerError}

	ErrField = &Error{"no such field", http.StatusInternalServerError}
	ErrType  = &Error{"wrong type", http.StatusInternalServerError}

	ErrNotLoaded = &Error{"the relation was not loaded", http.StatusInternalServerError}

	ErrUnavailable   = &Error{"the database cannot be reached", http.StatusServiceUnavailable}
	ErrReadOnly      = &Error{"the database cannot be written to", http.StatusInternalServerError}
	ErrFull          = &Error{"the database's disk is full", http.StatusInternalServerError}
	ErrLocked        = &Error{"the database is locked by another writer", http.StatusServiceUnavailable}
	ErrSerialization = &Error{"the transaction collided with another one", http.StatusServiceUnavailable}

	ErrTxDone       = &Error{"the transaction has ended", http.StatusInternalServerError}
	ErrTxFailed     = &Error{"a statement of the transaction has failed, so it can only be rolled back", http.StatusInternalServerError}
	ErrTxConcurrent = &Error{"the transaction is used by two goroutines at once", http.StatusInternalServerError}
	ErrDurable      = &Error{"a durable transaction cannot be inside another", http.StatusInternalServerError}
)

// classified is an error of a driver, with its kind.
type classified struct {
	kind *Error
	err  error
}

func (c *classified) Error() string   { return c.kind.text + ": " + c.err.Error() }
func (c *classified) Unwrap() []error { return []error{c.kind, c.err} }

// classify gives an error of the driver its kind.
func (db *DB) classify(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if kind := kindOf(err); kind != nil {
		return &classified{kind, err}
	}
	return err
}

// kindOf finds the kind of a driver's error; nil for one that has none.
func kindOf(error) *Error { return nil }
