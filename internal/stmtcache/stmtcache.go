// Package stmtcache has each connection of a database/sql driver prepare a
// statement once, for drivers that would prepare it each time it is run.
//
// The invariant: a prepared statement belongs to one connection, and to one result
// at a time; what runs inside another's rows has a statement of its own. Answers
// and errors are the driver's.
//
//	pool := sql.OpenDB(stmtcache.New(connector, 64))
//
// SQLite gains the most where values are bound: what it prepares without knowing
// them it may prepare a second time when they come, once for each statement.
package stmtcache

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// MaxText bounds the length of a text, in bytes, whose statement is kept: a long
// one, such as with a list of values, is seldom the same again.
const MaxText = 8 << 10

// connector is a connector whose connections keep statements.
type connector struct {
	driver.Connector
	size int
}

// New returns a connector whose connections keep the size statements that were run
// last, of those that read and write rows and are no longer than 8 KiB. Connections
// must support contexts, as those of modernc.org/sqlite do: others are refused when
// they are made. Raw of [database/sql.Conn] gives a connection with a method Unwrap,
// which returns the driver's own.
func New(c driver.Connector, size int) driver.Connector { return &connector{c, size} }

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	own, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	able, ok := own.(Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("stmtcache: a %T lacks methods with contexts", own), own.Close())
	}
	return &conn{Conn: able, size: c.size, kept: map[string]*list.Element{}}, nil
}

// Conn is what a connection is asked to do.
type Conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// conn is a connection. database/sql makes no two calls of it, or of its rows, at
// once.
type conn struct {
	Conn
	size  int
	kept  map[string]*list.Element
	order list.List // of *statement, the one that was run last in front
}

// statement is one that nobody uses while it is kept.
type statement struct {
	text string
	prepared
}

// prepared is what a statement is asked to do.
type prepared interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// Unwrap returns the driver's own connection.
func (c *conn) Unwrap() driver.Conn { return c.Conn }

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	st, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return c.Conn.QueryContext(ctx, text, args)
	}
	result, err := st.QueryContext(ctx, args)
	if err != nil {
		return nil, joined(err, c.give(st))
	}
	own, ok := result.(Rows)
	if !ok {
		return nil, errors.Join(fmt.Errorf("stmtcache: a %T does not describe its columns", result), result.Close(), st.Close())
	}
	return &rows{own, c, st}, nil
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	st, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return c.Conn.ExecContext(ctx, text, args)
	}
	result, err := st.ExecContext(ctx, args)
	return result, joined(err, c.give(st))
}

// take returns a statement that nobody else uses until give; nil if the text's are
// not kept.
func (c *conn) take(ctx context.Context, text string) (*statement, error) {
	if len(text) > MaxText || !keeps(text) {
		return nil, nil
	}
	if at, ok := c.kept[text]; ok {
		delete(c.kept, text)
		return c.order.Remove(at).(*statement), nil
	}
	made, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	st, ok := made.(prepared)
	if !ok {
		return nil, errors.Join(fmt.Errorf("stmtcache: a %T lacks methods with contexts", made), made.Close())
	}
	return &statement{text, st}, nil
}

// keeps says whether a text's statement can be run again. Others, such as SQLite's
// PRAGMA, may do their work when they are prepared.
func keeps(text string) bool {
	end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		return false
	}
	switch strings.ToUpper(text[:end]) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// joined is both errors; one alone stays as it is.
func joined(a, b error) error {
	if b == nil {
		return a
	}
	return errors.Join(a, b)
}

// give keeps a statement again, and closes the one that was not run for longest if
// there are too many.
func (c *conn) give(st *statement) error {
	if _, ok := c.kept[st.text]; ok { // there were two at once
		return st.Close()
	}
	c.kept[st.text] = c.order.PushFront(st)
	if c.order.Len() <= c.size {
		return nil
	}
	oldest := c.order.Remove(c.order.Back()).(*statement)
	delete(c.kept, oldest.text)
	return oldest.Close()
}

// Close implements [driver.Conn].
func (c *conn) Close() error {
	var errs []error
	for at := c.order.Front(); at != nil; at = at.Next() {
		errs = append(errs, at.Value.(*statement).Close())
	}
	clear(c.kept)
	c.order.Init()
	return errors.Join(append(errs, c.Conn.Close())...)
}

// Rows are rows that say all that database/sql may ask about their columns.
type Rows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows give their statement back when they are closed.
type rows struct {
	Rows
	c  *conn
	st *statement
}

// Close implements [driver.Rows].
func (r *rows) Close() error {
	err := r.Rows.Close()
	if r.st != nil {
		err = joined(err, r.c.give(r.st))
		r.st = nil
	}
	return err
}
