package orm

import (
	"context"
	"database/sql/driver"
	"errors"
	"reflect"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-go/tandem/internal/stmtcache"
)

// interruptible makes connections whose statements end with their ctx wherever they
// are. The driver sees to that until the first row; the step to a later one, which
// may search through all of a table, it lets go on.
type interruptible struct{ driver.Connector }

// errDriver is for a version of the driver that is not as this package knows it.
var errDriver = errors.New("the SQLite driver is not one that can be interrupted")

// Connect implements driver.Connector.
func (c interruptible) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	innermost := conn
	for {
		outer, ok := innermost.(interface{ Unwrap() driver.Conn })
		if !ok {
			break
		}
		innermost = outer.Unwrap()
	}
	able, ok := conn.(stmtcache.Conn)
	handle := reflect.Indirect(reflect.ValueOf(innermost)).FieldByName("db") // SQLite's; the driver has no method for it
	if !ok || handle.Kind() != reflect.Uintptr {
		return nil, errors.Join(errDriver, conn.Close())
	}
	return &sqliteConn{able, uintptr(handle.Uint())}, nil
}

type sqliteConn struct {
	stmtcache.Conn
	handle uintptr
}

// Unwrap gives the driver's functions their own connection.
func (c *sqliteConn) Unwrap() driver.Conn { return c.Conn }

// QueryContext implements driver.QueryerContext.
func (c *sqliteConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, text, args)
	if err != nil || ctx.Done() == nil {
		return rows, err
	}
	able, ok := rows.(stmtcache.Rows)
	if !ok {
		return nil, errors.Join(errDriver, rows.Close())
	}
	watched := &sqliteRows{Rows: able, ctx: ctx, interrupted: make(chan struct{})}
	watched.stop = context.AfterFunc(ctx, func() {
		defer close(watched.interrupted)
		tls := libc.NewTLS()
		defer tls.Close()
		sqlite3.Xsqlite3_interrupt(tls, c.handle)
	})
	return watched, nil
}

// sqliteRows are rows whose reading is interrupted when ctx ends.
type sqliteRows struct {
	stmtcache.Rows
	ctx         context.Context
	stop        func() bool
	interrupted chan struct{}
}

// Next implements driver.Rows.
func (r *sqliteRows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	return interrupted(r.ctx, err)
}

// Close implements driver.Rows. Nothing is interrupted after it.
func (r *sqliteRows) Close() error {
	if r.stop != nil && !r.stop() {
		<-r.interrupted
	}
	r.stop = nil
	return r.Rows.Close()
}
