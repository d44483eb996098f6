package orm

import (
	"context"
	"database/sql"

	"github.com/tandem-go/tandem/bridge"
)

// Tx is a transaction.
//
//tandem:transaction
type Tx struct {
	db    *DB
	sql   *sql.Tx
	scope *bridge.Scope // of the sync code it was begun by; nil: async code
}

type txKey struct{ db *DB }

// txOf is the transaction of a database that ctx carries; nil if it carries none.
func txOf(ctx context.Context, db *DB) *Tx {
	tx, _ := ctx.Value(txKey{db}).(*Tx)
	return tx
}

func (tx *Tx) database() *DB { return tx.db }

func (tx *Tx) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	rows, err := tx.sql.QueryContext(ctx, text, args...)
	return rows, tx.db.classify(err)
}

func (tx *Tx) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	result, err := tx.sql.ExecContext(ctx, text, args...)
	return result, tx.db.classify(err)
}

// Scope is the scope of the sync code that the transaction belongs to.
func (tx *Tx) Scope() *bridge.Scope { return tx.scope }

// txOfScope is the transaction that sync code of s is in; nil if it is in none.
func (db *DB) txOfScope(s bridge.Scoped) *Tx {
	tx, _ := s.(*Tx)
	return tx
}
