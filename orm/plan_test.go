package orm_test

import (
	"context"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// Workers serve while a migration changes what their statements were prepared for.
func TestStatementsThatWerePreparedForAnotherSchema(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		const text = "SELECT views FROM posts WHERE id = 1"
		read := func() {
			t.Helper()
			if got := single[int](t, db, text); got != 10 {
				t.Error(got)
			}
		}
		changes := []string{"ALTER TABLE posts ADD COLUMN note text", "ALTER TABLE posts ALTER COLUMN views TYPE bigint"}
		if db.Dialect() == orm.SQLite {
			changes = changes[:1]
		}
		for _, change := range changes {
			conns := take(t, db, 3)
			for i := range conns { // each of them prepares it
				give(t, conns[i:i+1])
				read()
				conns[i] = take(t, db, 1)[0]
			}
			give(t, conns)
			if err := orm.Exec(t.Context(), db, change); err != nil {
				t.Fatal(err)
			}
			err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error { return orm.ExecIn(ctx, tx, text) }, orm.Retry(3))
			if err != nil {
				t.Error(err)
			}
			read()
		}
	})
}
