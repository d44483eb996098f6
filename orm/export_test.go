package orm

import "context"

// ExecIn runs a statement in a transaction.
func ExecIn(ctx context.Context, tx *Tx, text string, args ...any) error {
	_, err := tx.exec(ctx, statement{text: text, args: args, writes: true})
	return err
}
