package orm

import (
	"context"
	"fmt"
	"time"
)

// openingTime bounds the opening of connections for who waits for one when the
// pool grows.
const openingTime = 10 * time.Second

// SetPool makes n the number of connections that db may hold, in use and idle,
// from now on (on SQLite those that read; in memory it is 1 always); less than 1 counts as 1. It may be called at any time, and no query
// is cut. Where there are fewer from now on, idle ones are closed at once and those
// in use when they are given back; where there are more, who waits for one gets it.
//
// It does not wait. A worker keeps to its part of what the server admits by
//
//	stop := worker.OnDatabaseConnections(db.SetPool)
func (db *DB) SetPool(n int) {
	if n = max(1, n); db.single {
		n = 1
	}
	db.sizing.Lock()
	defer db.sizing.Unlock()
	before := db.sql.Stats()
	db.sql.SetMaxOpenConns(n)
	db.sql.SetMaxIdleConns(n)
	db.pool.resize(n)
	if was := before.MaxOpenConnections; was > 0 && was < n && before.InUse >= was {
		go db.serveWaiters(n - was)
	}
}

// serveWaiters opens up to n connections for queries that wait already: a pool
// that grows opens them for new ones only. Each goes to the one that has waited
// longest.
func (db *DB) serveWaiters(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), openingTime)
	defer cancel()
	for range n {
		conn, err := db.sql.Conn(ctx)
		if err != nil {
			return // whoever waits hears it from a query of its own
		}
		_ = conn.Close()
		if db.sql.Stats().Idle > 0 {
			return // nobody waits
		}
	}
}

// ServerLimit is how many connections the server admits for this user and database
// together, from all programs: max_connections without what is reserved for
// superusers and others, or the limit of the role or the database, where that is
// less. It is 0 for SQLite, which has none. What stands in between, such as a
// pooler, is not known to the server.
//
// Workers × pool should be less, so that migrations and people find one too.
func (db *DB) ServerLimit(ctx context.Context) (int, error) {
	if db.dialect != PostgreSQL {
		return 0, nil
	}
	const text = `SELECT least(
	current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true)::int, 0),
	(SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user),
	(SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()))`
	var n int
	if err := db.sql.QueryRowContext(ctx, text).Scan(&n); err != nil {
		return 0, fmt.Errorf("ask the server how many connections it admits: %w", db.classify(interrupted(ctx, err)))
	}
	return n, nil
}

// Stats is how the connections of a database are used.
type Stats struct {
	Size   int // how many there may be; see [DB.SetPool]
	Open   int // how many there are
	InUse  int // of these, how many statements and transactions have
	Queued int // who waits for one now

	Waits    int64         // how often there was none free
	WaitTime time.Duration // for how long in all

	// SQLite: the same of the turn to write, which is not in the figures above.
	WriteQueued   int
	WriteWaits    int64
	WriteWaitTime time.Duration
}

// Stats says how the connections of the database are used.
func (db *DB) Stats() (s Stats) {
	pool := db.sql.Stats()
	s.Open, s.InUse = pool.OpenConnections, pool.InUse
	s.Size, _, s.Queued, s.Waits, s.WaitTime = db.pool.seen()
	s.Waits += pool.WaitCount // of SQL's users
	s.WaitTime += pool.WaitDuration
	if db.turn != nil {
		_, _, s.WriteQueued, s.WriteWaits, s.WriteWaitTime = db.turn.seen()
	}
	return s
}
