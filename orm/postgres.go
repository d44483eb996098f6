package orm

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Bounds, where the URL names none.
const (
	dialWithin   = 5 * time.Second       // connect_timeout
	cancelWithin = 40 * time.Millisecond // the server's answer to a cancel request
	restless     = time.Second           // idle for longer: asked whether it is there
	keptLong     = 16                    // long statements of a connection whose parameters are known; see driverArgs
)

func (db *DB) openPostgres(to *location) error {
	config, err := pgx.ParseConfig(to.postgres)
	if err != nil {
		text := err.Error()
		return errors.New("the postgres:// URL: " + text[strings.LastIndex(text, "`: ")+len("`: "):]) // before it, it repeats the URL
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = dialWithin
	}
	for name, value := range map[string]string{
		"timezone":         "UTC", // of what the server makes of times
		"application_name": filepath.Base(os.Args[0]),
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	if db.keepsAll = config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement; db.keepsAll {
		config.DescriptionCacheCapacity = keptLong
	}
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { return &canceller{conn: conn} }
	db.sql = sql.OpenDB(stdlib.GetConnector(*config,
		stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
			conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
			if db.lifetime > 0 {
				conn.PgConn().CustomData()[oldAt] = time.Now().Add(db.lifetime - rand.N(db.lifetime/5+1))
			}
			return nil
		}),
		stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			if at, ok := conn.PgConn().CustomData()[oldAt].(time.Time); ok && time.Now().After(at) {
				return driver.ErrBadConn
			}
			return nil
		}),
		stdlib.OptionShouldPing(func(_ context.Context, of stdlib.ShouldPingParams) bool {
			return of.IdleDuration > restless || !quiet(of.Conn.PgConn().Conn())
		}),
	))
	db.bun = bun.NewDB(db.sql, pgdialect.New())
	return nil
}

// oldAt is where a connection keeps the time from which on it is replaced. Each has
// another one, so that those opened in one burst do not end in one.
const oldAt = "tandem: old at"

// quiet says whether nothing has come in on a connection that is idle: neither its
// end nor the server's last words. It never waits, not for a reader either: where a
// statement was slow to be sent, pgx may still be reading on the connection, and
// RawConn.Read would wait until the server says something.
func quiet(conn net.Conn) bool {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		nothing = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && nothing
}

// canceller ends a statement whose ctx has ended by a cancel request, so that the
// connection stays. pgx's default closes it: then each client that goes away
// costs a new one, while the old one still counts against the server's limit. pgx's
// other handler waits for 100 ms, as the request might reach the server's process
// after its next statement has begun. Not so once the server has closed the
// request's connection: it has sent the signal before, which that process handles
// before it reads on, and ignores where no statement is running.
type canceller struct {
	conn  *pgconn.PgConn
	asked chan error
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	by := time.Now().Add(cancelWithin)
	_ = c.conn.Conn().SetDeadline(by) // else the connection is closed
	c.asked = make(chan error, 1)
	go func() {
		ctx, stop := context.WithDeadline(context.Background(), by)
		defer stop()
		err := c.conn.CancelRequest(ctx)
		if err == nil {
			err = ctx.Err()
		}
		c.asked <- err
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	if err := <-c.asked; err != nil {
		_ = c.conn.Conn().Close() // the request may still arrive, and hit the next statement
		return
	}
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
