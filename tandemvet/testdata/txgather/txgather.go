package txgather

import (
	"context"
	"database/sql"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/tandemvet/testdata/bun"
	"github.com/tandem-go/tandem/tandemvet/testdata/store"
)

func other(context.Context) (int, error) { return 0, nil }

type unit struct{ *sql.Tx }

type repo struct {
	tx *sql.Tx
	db *sql.DB
}

type alias = sql.Tx

func found(ctx context.Context, db *sql.DB, conn *sql.Conn, idb bun.IDB, b bun.Tx, m *store.Tx, u unit, r repo, al *alias) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, _, _ = bridge.Gather2(ctx,
		func(ctx context.Context) (sql.Result, error) {
			_, _ = tx.ExecContext(ctx, "once is told once") // want `transaction tx inside bridge.Gather2`
			return tx.ExecContext(ctx, "")                  // the first use is the finding
		},
		other)
	_, _, _ = bridge.Gather2(ctx, other, func(ctx context.Context) (int, error) { return 0, conn.PingContext(ctx) }) // want `transaction conn inside bridge.Gather2`
	_, _, _, _ = bridge.Gather3(ctx, other,
		func(ctx context.Context) (int, error) { return 0, idb.Exec(ctx, "") }, // want `transaction idb inside bridge.Gather3`
		func(ctx context.Context) (int, error) { return 0, b.Exec(ctx, "") })   // want `transaction b inside bridge.Gather3`
	_, _, _, _, _ = bridge.Gather4(ctx, other, other,
		func(ctx context.Context) (int, error) { return 0, m.Exec(ctx, "") }, // want `transaction m inside bridge.Gather4`
		func(ctx context.Context) (int, error) { return 0, u.Commit() })      // want `transaction u inside bridge.Gather4`
	_, err = bridge.GatherAll(ctx, 0, []int{1, 2}, func(ctx context.Context, n int) (int, error) {
		return bridge.RunSync(ctx, func() (int, error) { return 0, tx.Commit() }) // want `transaction tx inside bridge.GatherAll`
	})
	_, _, _ = bridge.Gather2(ctx, other, func(context.Context) (int, error) { return 0, r.tx.Rollback() }) // want `transaction r.tx inside bridge.Gather2`
	_, _, _ = bridge.Gather2(ctx, other, func(context.Context) (int, error) { return 0, al.Rollback() })   // want `transaction al inside bridge.Gather2`
	load := func(ctx context.Context) (int, error) { return 0, tx.Rollback() }                             // want `transaction tx inside bridge.Gather2`
	_, _, _ = bridge.Gather2(ctx, other, load)
	exec := store.Tx{}
	_, _ = bridge.GatherAll(ctx, 4, []string{""}, func(ctx context.Context, q string) (int, error) { return 0, exec.Exec(ctx, q) }) // want `transaction exec inside bridge.GatherAll`
	return err
}

type methods struct{ bun.Tx }

func (methods) load(context.Context) (int, error) { return 0, nil }

func methodValue(ctx context.Context, m methods) {
	_, _, _ = bridge.Gather2(ctx, m.load, other) // want `transaction m inside bridge.Gather2`
}

var global bun.IDB

func fine(ctx context.Context, db *sql.DB, r repo) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// One of its own for each.
	_, _, err = bridge.Gather2(ctx,
		func(ctx context.Context) (int, error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return 0, err
			}
			return 0, tx.Commit()
		},
		func(ctx context.Context) (int, error) {
			return 0, inTx(ctx, func(tx *sql.Tx) error { return tx.Commit() })
		})
	// One element after the other.
	_, _ = bridge.GatherAll(ctx, 1, []int{1}, func(ctx context.Context, n int) (int, error) { return 0, tx.Rollback() })
	// Before and after.
	if _, err := tx.ExecContext(ctx, ""); err != nil {
		return err
	}
	_, _, _ = bridge.Gather2(ctx, other, other)
	// A gather inside the function that has it, without it.
	_ = inTx(ctx, func(tx *sql.Tx) error {
		_, _, err := bridge.Gather2(ctx, other, other)
		return err
	})
	// Not transactions.
	_, _, _ = bridge.Gather2(ctx, other, func(ctx context.Context) (int, error) { return 0, r.db.PingContext(ctx) })
	_, _, _ = bridge.Gather2(ctx, other, func(ctx context.Context) (int, error) { return 0, global.Exec(ctx, "") })
	_, _, _ = bridge.Gather2(ctx, other, func(ctx context.Context) (int, error) { return 0, (notSQL{}).Commit() })
	n := notSQL{}
	_, _, _ = bridge.Gather2(ctx, n.load, n.load)
	// Not a gather.
	_, _ = bridge.RunSync(ctx, func() (int, error) { return 0, tx.Commit() })
	Gather2(ctx, func() { _ = tx.Commit() })
	return err
}

func inTx(ctx context.Context, f func(*sql.Tx) error) error { return f(nil) }

type notSQL struct{ tx *sql.Tx }

func (notSQL) Commit() error                     { return nil }
func (notSQL) load(context.Context) (int, error) { return 0, nil }

func Gather2(context.Context, func()) {}
