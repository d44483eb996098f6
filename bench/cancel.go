package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/test/harness"
)

const (
	cancelTries = 20
	cancelAfter = 30 * time.Millisecond
)

// endless is a view whose rows never come.
type endless struct {
	bun.BaseModel `bun:"table:endless"`

	ID    int64 `bun:",pk"`
	Title string
}

var endlessOn = map[string]string{
	orm.SQLite:     "CREATE VIEW endless AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, 'never' AS title FROM n WHERE i < 0",
	orm.PostgreSQL: "CREATE VIEW endless AS SELECT 1::bigint AS id, pg_sleep(600)::text AS title",
}

// cancelling measures how long a query that runs takes to return once its ctx has
// ended, and whether its connection can be used then.
func cancelling(ctx context.Context, o options, r *report) error {
	r.text("A query that would run for ever (a recursive one, `pg_sleep`) is cancelled after %v, %d times, over a pool of one connection; then another query is made. At the server they have ended too, or this fails. The connection is kept if a temporary table made on it before is there.", cancelAfter, cancelTries)
	return eachDatabase(ctx, o, r, 1, func(d *database) error {
		if _, err := d.SQL().ExecContext(ctx, endlessOn[d.Dialect()]); err != nil {
			return err
		}
		d.SQL().SetMaxOpenConns(1)
		rows := [][]string{{d.name, "returns after ms", "the next query, ms", "connection kept"}}
		for _, way := range []struct {
			name string
			run  func(ctx context.Context) error
		}{
			{"database/sql, the same pool", func(ctx context.Context) error { return drain(ctx, d.SQL(), "SELECT id, title FROM endless") }},
			{"ORM, `List(ctx)`", func(ctx context.Context) error { _, err := orm.For[endless](d.DB).List(ctx); return err }},
		} {
			row, err := d.cancelled(ctx, way.run)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if err := d.settled(ctx); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			rows = append(rows, append([]string{way.name}, row...))
		}
		r.table(rows)
		return nil
	})
}

// settled waits until no query runs at the server any more that was cancelled here.
func (d *database) settled(ctx context.Context) error {
	if d.Dialect() != orm.PostgreSQL {
		return nil // it ran in this process, and has returned
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var running int
	var err error
	late := harness.Poll(ctx, "the server to end queries that were cancelled", func() bool {
		err = d.SQL().QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%endless%'").Scan(&running)
		return err != nil || running == 0
	})
	if err != nil {
		return fmt.Errorf("ask the server what it runs: %w", err)
	}
	return late
}

// drain reads a query's rows to their end.
func drain(ctx context.Context, db *sql.DB, query string) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// cancelled cancels a query again and again.
func (d *database) cancelled(ctx context.Context, run func(context.Context) error) ([]string, error) {
	var took, next sample
	kept := 0
	for range cancelTries {
		if _, err := d.SQL().ExecContext(ctx, "CREATE TEMPORARY TABLE mark (id integer)"); err != nil {
			return nil, err
		}
		asking, cancel := context.WithCancel(ctx)
		var ended error
		returned := make(chan time.Time, 1)
		go func() { ended = run(asking); returned <- time.Now() }()
		err := sleep(ctx, cancelAfter)
		begin := time.Now()
		cancel()
		end := <-returned
		switch {
		case err != nil:
			return nil, err
		case ended == nil || end.Before(begin):
			return nil, fmt.Errorf("it ended before it was cancelled: %v", ended)
		}
		took = append(took, ms(end.Sub(begin)))
		begin = time.Now()
		if _, err := orm.For[post](d.DB).Get(ctx, 1); err != nil {
			return nil, fmt.Errorf("the query after it: %w", err)
		}
		next = append(next, ms(time.Since(begin)))
		if _, err := d.SQL().ExecContext(ctx, "DROP TABLE mark"); err == nil {
			kept++
		}
	}
	return []string{took.show("%.2f"), next.show("%.2f"), fmt.Sprintf("%d of %d", kept, cancelTries)}, nil
}
