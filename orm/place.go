package orm

import (
	"context"
	"database/sql"
	"fmt"
)

// place is one of the pool's for a statement or a transaction. database/sql's own
// queue has neither a bound nor an order; on SQLite it also keeps writers, of which
// one alone can go on, from taking the connections that readers need.
type place struct {
	db     *DB
	writes bool
}

func (p *place) gate() *gate {
	if p.writes && p.db.turn != nil {
		return p.db.turn
	}
	return p.db.pool
}

// enter waits for the place.
func (p *place) enter(ctx context.Context) error {
	err := p.gate().enter(ctx, p.db.poolWait)
	if err == errNoPlace && p.gate() == p.db.turn {
		return fmt.Errorf("%w: others have been writing for %s; a statement that does not use the transaction it is made in waits for itself", ErrUnavailable, p.db.poolWait)
	}
	if err == errNoPlace {
		limit, _, waiting, _, _ := p.gate().seen()
		return fmt.Errorf("%w: none of the %d connections became free within %s, %d more wait for one", ErrUnavailable, limit, p.db.poolWait, waiting)
	}
	return err
}

func (p *place) leave() { p.gate().leave() }

// run runs f on the pool that the place is in, again where it found a statement
// stale: each connection may have prepared it.
func (p *place) run(ctx context.Context, f func(pool *sql.DB) error) error {
	if err := p.db.file.there(); err != nil {
		return err
	}
	if p.gate() == p.db.turn {
		return p.db.patiently(ctx, func() error { return f(p.db.writer) })
	}
	err := f(p.db.sql)
	for tries := 0; isStale(err) && tries < p.db.sql.Stats().OpenConnections; tries++ {
		err = f(p.db.sql)
	}
	return err
}

// QueryContext implements connection. If there is no error, leave is still to be
// called, when the rows are closed.
func (p *place) QueryContext(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	err = p.run(ctx, func(pool *sql.DB) error {
		rows, err = pool.QueryContext(ctx, text, args...)
		return err
	})
	if err != nil {
		p.leave()
		return nil, err
	}
	return rows, nil
}

// ExecContext implements connection.
func (p *place) ExecContext(ctx context.Context, text string, args ...any) (result sql.Result, err error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.leave()
	err = p.run(ctx, func(pool *sql.DB) error {
		result, err = pool.ExecContext(ctx, text, args...)
		return err
	})
	return result, err
}
