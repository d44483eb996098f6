package migrate

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3/lock"
	"golang.org/x/sys/unix"
)

// How long to wait before the lock is tried again, at first and at most.
const (
	lockEvery = 10 * time.Millisecond
	lockSlow  = 250 * time.Millisecond
)

// attempt tries once to take the lock, and returns what gives it back, or why it cannot be had.
type attempt func(context.Context) (release func(context.Context) error, because string, err error)

// session is what goose takes and gives back around its work, on the connection that it works on.
type session struct {
	m       *Migrator
	history *history
	verify  func(applied []Migration) error // of what is there once the lock is held
	release func(context.Context) error
	err     error // why SessionLock failed; goose says more around it than is of use
}

// SessionLock implements lock.SessionLocker.
func (s *session) SessionLock(ctx context.Context, conn *sql.Conn) error {
	s.release, s.err = s.m.acquire(ctx, conn)
	if s.err != nil {
		return s.err
	}
	if s.err = s.prepare(ctx, conn); s.err != nil {
		return errors.Join(s.err, s.release(context.WithoutCancel(ctx)))
	}
	return nil
}

// SessionUnlock implements lock.SessionLocker.
func (s *session) SessionUnlock(ctx context.Context, _ *sql.Conn) error { return s.release(ctx) }

func (s *session) prepare(ctx context.Context, conn *sql.Conn) error {
	if err := s.history.create(ctx, conn); err != nil {
		return err
	}
	applied, err := s.history.read(ctx, conn)
	if err != nil {
		return err
	}
	return s.verify(applied)
}

// acquire waits for the lock, within the migrator's bound and ctx's.
func (m *Migrator) acquire(ctx context.Context, conn *sql.Conn) (func(context.Context) error, error) {
	try, err := m.dialect.locker(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("lock the database for a migration: %w", err)
	}
	begin, late := time.Now(), time.After(m.wait)
	why := ""
	for pause := lockEvery; ; pause = min(2*pause, lockSlow) {
		release, because, err := try(ctx)
		switch {
		case err == nil && release != nil:
			return release, nil
		case err != nil && (ctx.Err() == nil || why == ""):
			return nil, fmt.Errorf("lock the database for a migration: %w", err)
		case err == nil && why == "":
			m.log.InfoContext(ctx, "waiting for another process to migrate the database", "because", because)
		}
		why = cmp.Or(because, why)
		select {
		case <-time.After(pause):
			continue
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-late:
			err = errLate
		}
		return nil, fmt.Errorf("%w: %w after %v: %s", ErrLocked, err, time.Since(begin).Round(time.Millisecond), why)
	}
}

var errLate = errors.New("gave up")

// lockFile locks a file beside a SQLite database. Not the database's own: to close it would end the locks that SQLite
// has there, which are the process's. A database in memory is this process's alone, and needs none.
func lockFile(ctx context.Context, conn *sql.Conn) (attempt, error) {
	var database string
	err := conn.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&database)
	if err != nil {
		return nil, fmt.Errorf("find the database's file: %w", err)
	}
	if database == "" {
		return func(context.Context) (func(context.Context) error, string, error) {
			return func(context.Context) error { return nil }, "", nil
		}, nil
	}
	name := database + "-migrate.lock"
	return func(context.Context) (func(context.Context) error, string, error) {
		file, err := openLock(name, database)
		if err != nil {
			return nil, "", err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			holder, _ := io.ReadAll(io.LimitReader(file, 1<<10))
			return nil, strings.TrimSpace(string(holder)) + " has locked " + name, file.Close()
		}
		if err != nil {
			return nil, "", errors.Join(fmt.Errorf("lock %s: %w", name, err), file.Close())
		}
		if !sameFile(file, name) { // somebody has removed it, and others may have made another
			return nil, "somebody has removed " + name, file.Close()
		}
		host, _ := os.Hostname()
		if err := file.Truncate(0); err == nil { // what is said here is for people; the lock holds without
			fmt.Fprintf(file, "process %d (%s) on %s\n", os.Getpid(), filepath.Base(os.Args[0]), host)
		}
		return func(context.Context) error { return file.Close() }, "", nil
	}, nil
}

// openLock opens the lock's file as SQLite does those beside the database: whoever may use the one may use the other,
// also when it was root who came first.
func openLock(name, database string) (*os.File, error) {
	mode, uid, gid := fs.FileMode(0o600), -1, -1
	var stat unix.Stat_t
	if unix.Stat(database, &stat) == nil {
		mode, uid, gid = fs.FileMode(stat.Mode&0o777), int(stat.Uid), int(stat.Gid)
	}
	// A link there may be of who would have root give him its target.
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link: remove it", name)
	}
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if err := file.Chown(uid, gid); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return file, nil
}

func sameFile(file *os.File, name string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(opened, there)
}

// advisoryLock is goose's lock of a session, so that goose's own command waits for it too. It is tried again and again,
// not waited for in the server: who waits there holds up CREATE INDEX CONCURRENTLY, which waits for all who were there
// before it.
func advisoryLock(ctx context.Context, conn *sql.Conn) (attempt, error) {
	return func(ctx context.Context) (func(context.Context) error, string, error) {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", lock.DefaultLockID).Scan(&locked); err != nil {
			return nil, "", err
		}
		if !locked {
			because, err := advisoryHolder(ctx, conn)
			return nil, because, err
		}
		// Else a server that works on a long statement finds out at its end that this process was killed, and has the
		// session, with its lock, until then. Servers before 14 do not know it.
		_, _ = conn.ExecContext(ctx, "SELECT set_config('client_connection_check_interval', '1s', false) WHERE current_setting('server_version_num')::int >= 140000")
		return func(ctx context.Context) error { return advisoryUnlock(ctx, conn) }, "", nil
	}, nil
}

func advisoryHolder(ctx context.Context, conn *sql.Conn) (string, error) {
	const id = lock.DefaultLockID
	var pid int
	var user, application, address string
	err := conn.QueryRowContext(ctx, `
		SELECT l.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
		id>>32, id&0xffffffff).Scan(&pid, &user, &application, &address)
	if errors.Is(err, sql.ErrNoRows) {
		return "a session that has just ended had the advisory lock", nil
	}
	var known strings.Builder
	for _, one := range []struct{ word, value string }{{"user", user}, {"application", application}, {"address", address}} {
		if one.value != "" {
			fmt.Fprintf(&known, ", %s %s", one.word, one.value)
		}
	}
	return fmt.Sprintf("session %d of PostgreSQL%s has the advisory lock", pid, &known), err
}

// advisoryUnlock gives the lock back, and the session as it was: what a migration has SET is not for whom the pool
// hands the connection to next.
func advisoryUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET ALL")
	if err == nil {
		_, err = conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID)
	}
	if err != nil && conn.PingContext(ctx) != nil {
		return nil // the session has ended, and the lock with it
	}
	return err
}

var _ lock.SessionLocker = (*session)(nil)
