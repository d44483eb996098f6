package orm

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tandem-go/tandem/bridge"
)

// Tx is a transaction.
//
//tandem:transaction
type Tx struct {
	db    *DB
	sql   *sql.Tx
	scope *bridge.Scope // of the sync code it was begun by; nil: async code

	readOnly bool
}

type txKey struct{ db *DB }

// txOf is the transaction of a database that ctx carries; nil if it carries none.
func txOf(ctx context.Context, db *DB) *Tx {
	tx, _ := ctx.Value(txKey{db}).(*Tx)
	return tx
}

func (tx *Tx) database() *DB { return tx.db }

func (tx *Tx) query(ctx context.Context, st statement) (*results, error) {
	if err := tx.may(st); err != nil {
		return nil, err
	}
	rows, err := tx.sql.QueryContext(ctx, st.text, st.args...)
	if err != nil {
		return nil, tx.db.classify(err)
	}
	return &results{Rows: rows, db: tx.db}, nil
}

func (tx *Tx) exec(ctx context.Context, st statement) (sql.Result, error) {
	if err := tx.may(st); err != nil {
		return nil, err
	}
	result, err := tx.sql.ExecContext(ctx, st.text, st.args...)
	return result, tx.db.classify(err)
}

func (tx *Tx) may(st statement) error {
	if tx.readOnly && st.writes {
		return fmt.Errorf("%w: the transaction is a read-only one", ErrReadOnly)
	}
	return nil
}

// Scope is the scope of the sync code that the transaction belongs to.
func (tx *Tx) Scope() *bridge.Scope { return tx.scope }

// txOfScope is the transaction that sync code of s is in; nil if it is in none.
func (db *DB) txOfScope(s bridge.Scoped) *Tx {
	tx, _ := s.(*Tx)
	return tx
}
