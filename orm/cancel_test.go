package orm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// Statements that do not end by themselves: one has no row, one has a first row and
// never a second.
const (
	endless    = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
	neverAgain = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 2"
)

// soon bounds a test that waits for the end of a statement, which is otherwise
// there at once.
const soon = 30 * time.Second

func TestAStatementEndsWithItsCtx(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for name, text := range map[string]string{"before the first row": endless, "after it": neverAgain} {
			for cause, end := range map[error]func() (context.Context, context.CancelFunc){
				context.Canceled: func() (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(20*time.Millisecond, cancel)
					return ctx, cancel
				},
				context.DeadlineExceeded: func() (context.Context, context.CancelFunc) {
					return context.WithTimeout(t.Context(), 20*time.Millisecond)
				},
			} {
				ctx, cancel := end()
				done := make(chan error, 1)
				go func() {
					_, err := orm.Column[int64](ctx, db, text)
					done <- err
				}()
				<-ctx.Done()
				began := time.Now()
				select {
				case err := <-done:
					if !errors.Is(err, cause) {
						t.Errorf("%s: %v, want %v", name, err, cause)
					}
				case <-time.After(soon):
					t.Fatalf("%s: it goes on", name)
				}
				t.Logf("%s, %v: %s", name, cause, time.Since(began))
				cancel()
			}
		}
		if got := nameOf(t, db, 1); got != "Ada" {
			t.Errorf("afterwards: %q", got)
		}
		if s := db.Stats(); s.InUse != 0 {
			t.Errorf("connections are in use: %+v", s)
		}
	})
}

func TestACancelledStatementInATransactionIsUndoneWithIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
			if err := rename(ctx, tx, 1, "Ada L."); err != nil {
				return err
			}
			return orm.ExecIn(ctx, tx, "INSERT INTO tags (name) "+endless)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the ctx's end", err)
		}
		if got := nameOf(t, db, 1); got != "Ada" {
			t.Errorf("%q", got)
		}
	})
}
