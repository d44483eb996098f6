package orm

import "context"

// ExecIn runs a statement in a transaction.
func ExecIn(ctx context.Context, tx *Tx, text string, args ...any) error {
	_, err := tx.exec(ctx, statement{text: text, args: args, writes: true})
	return err
}

// Within runs f as statements of one operation are run: in a transaction of its own,
// or in a part of the one that ctx carries.
func Within(ctx context.Context, db *DB, f func(ctx context.Context) error) error {
	on, err := (&spec{db: db}).run(ctx)
	if err != nil {
		return err
	}
	return atomically(ctx, on, func(ctx context.Context, _ session) error { return f(ctx) })
}
