package migrate

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// dialect is what differs from database to database.
type dialect struct {
	goose   database.Dialect
	exists  string // whether goose's table is there
	history string // what it has, the latest first
	locker  func(context.Context, *sql.Conn) (attempt, error)
}

var dialects = map[string]dialect{
	"sqlite": {
		goose:   database.DialectSQLite3,
		exists:  "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '" + goose.DefaultTablename + "')",
		history: "SELECT version_id, tstamp FROM " + goose.DefaultTablename + " ORDER BY id DESC",
		locker:  lockFile,
	},
	"postgres": {
		goose:  database.DialectPostgres,
		exists: "SELECT to_regclass('" + goose.DefaultTablename + "') IS NOT NULL",
		// The column has no zone. It was written, and is read, in the session's.
		history: "SELECT version_id, tstamp::timestamptz FROM " + goose.DefaultTablename + " ORDER BY id DESC",
		locker:  advisoryLock,
	},
}

// history is goose's table of what was applied. To look at it never makes it: that is for who holds the lock.
type history struct {
	database.Store
	dialect
	trace *trace
}

func newHistory(d dialect, t *trace) (*history, error) {
	store, err := database.NewStore(d.goose, goose.DefaultTablename)
	if err != nil {
		return nil, err
	}
	return &history{Store: store, dialect: d, trace: t}, nil
}

// TableExists implements database.StoreExtender. Goose makes the table where it is not, locked or not: see create.
func (h *history) TableExists(context.Context, database.DBTxConn) (bool, error) { return true, nil }

// ListMigrations implements database.Store.
func (h *history) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := h.read(ctx, db)
	if err != nil {
		return nil, err
	}
	list := make([]*database.ListMigrationsResult, 0, len(rows)+1)
	for _, row := range rows {
		list = append(list, &database.ListMigrationsResult{Version: row.Version, IsApplied: true})
	}
	return append(list, &database.ListMigrationsResult{IsApplied: true}), nil
}

// Insert implements database.Store. It comes after a migration's statements.
func (h *history) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	h.trace.finished()
	return h.Store.Insert(ctx, db, req)
}

// Delete implements database.Store.
func (h *history) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	h.trace.finished()
	return h.Store.Delete(ctx, db, version)
}

// read gives what was applied, the latest first, by version and time alone. Without a table it is nothing.
func (h *history) read(ctx context.Context, db database.DBTxConn) ([]Migration, error) {
	exists, err := h.there(ctx, db)
	if err != nil || !exists {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, h.history)
	if err != nil {
		return nil, fmt.Errorf("read which migrations were applied: %w", err)
	}
	defer rows.Close()
	var list []Migration
	for rows.Next() {
		var m Migration
		var applied sql.NullTime
		if err := rows.Scan(&m.Version, &applied); err != nil {
			return nil, fmt.Errorf("read which migrations were applied: %w", err)
		}
		if m.Version == 0 { // goose's mark of a table that is there
			continue
		}
		m.Applied, m.AppliedAt = true, applied.Time.UTC()
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read which migrations were applied: %w", err)
	}
	return list, nil
}

func (h *history) there(ctx context.Context, db database.DBTxConn) (exists bool, err error) {
	if err := db.QueryRowContext(ctx, h.exists).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for the table of applied migrations: %w", err)
	}
	return exists, nil
}

// create makes the table where it is not there. Only the holder of the lock may.
func (h *history) create(ctx context.Context, conn *sql.Conn) error {
	exists, err := h.there(ctx, conn)
	if err != nil || exists {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("make the table of applied migrations: %w", err)
	}
	err = h.CreateVersionTable(ctx, tx)
	if err == nil {
		err = h.Store.Insert(ctx, tx, database.InsertRequest{})
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("make the table of applied migrations: %w", err)
	}
	return nil
}

var _ database.StoreExtender = (*history)(nil)
