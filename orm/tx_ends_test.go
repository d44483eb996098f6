package orm_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// Hooks are outside of the transaction: they may use its scope, and are not called
// again where one of them collides.
func TestHooksAreOutsideOfTheTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		runs := 0
		err := orm.Atomic(job, db, func(tx *orm.Tx) error {
			runs++
			tx.OnCommit(func(context.Context) error {
				if a, err := orm.For[Author](db).Sync(job).Get(1); err != nil || a.Name != "A" {
					t.Errorf("%+v, %v", a, err)
				}
				err := orm.Atomic(job, db, func(tx *orm.Tx) error { return rename(t.Context(), tx, 2, "B") }, orm.Durable())
				return errors.Join(err, orm.ErrSerialization)
			})
			return rename(t.Context(), tx, 1, "A")
		}, orm.Retry(3))
		if runs != 1 || !errors.Is(err, orm.ErrSerialization) || nameOf(t, db, 2) != "B" {
			t.Errorf("%d runs, %v, %q", runs, err, nameOf(t, db, 2))
		}
	})
}

// Waiting is an author whose reading waits in the name.
type Waiting struct {
	bun.BaseModel `bun:"table:authors"`
	ID            int64 `bun:",pk,autoincrement"`
	Name          Wait  `bun:"type:text"`
}

type Wait struct{}

var waits chan struct{}

func (*Wait) Scan(any) error {
	waits <- struct{}{}
	<-waits
	return nil
}

// What could not be undone is not committed, though the error was dropped.
func TestAPartThatCannotBeUndoneIsNotCommitted(t *testing.T) {
	waits = make(chan struct{})
	other := make(chan error)
	for name, half := range map[string]func(ctx context.Context, db *orm.DB, part *orm.Tx) error{
		"another goroutine reads": func(ctx context.Context, db *orm.DB, _ *orm.Tx) error {
			go func() {
				_, err := orm.For[Waiting](db).Limit(1).List(ctx)
				other <- err
			}()
			<-waits
			return errOwn
		},
		"another goroutine reads, and there is no error": func(ctx context.Context, db *orm.DB, _ *orm.Tx) error {
			go func() {
				_, err := orm.For[Waiting](db).Limit(1).List(ctx)
				other <- err
			}()
			<-waits
			return nil
		},
		"a write whose ctx has ended": func(ctx context.Context, _ *orm.DB, part *orm.Tx) error {
			go func() { <-waits; other <- nil }()
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return rename(ctx, part, 2, "Never")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *orm.DB) {
				err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, _ *orm.Tx) error {
					err := orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
						if err := rename(ctx, part, 1, "Half"); err != nil {
							return err
						}
						return half(ctx, db, part)
					})
					if err == nil {
						t.Error("the part has no error")
					}
					waits <- struct{}{}
					if err := <-other; err != nil {
						t.Error(err)
					}
					return nil
				})
				if got := nameOf(t, db, 1); got != "Ada" {
					t.Errorf("name %q, %v", got, err)
				}
			})
		})
	}
}

func TestAPartThatIsOpenIsNotCommitted(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, _ *orm.Tx) error {
			go func() {
				ended <- orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
					err := rename(ctx, part, 1, "Half")
					close(begun)
					<-end
					return err
				})
			}()
			<-begun
			return nil
		})
		close(end)
		if inner := <-ended; !errors.Is(err, orm.ErrTxConcurrent) || !errors.Is(inner, orm.ErrTxDone) || nameOf(t, db, 1) != "Ada" {
			t.Errorf("%v, the part %v, %q", err, inner, nameOf(t, db, 1))
		}
	})
}

// Two goroutines of one scope that begin at once do not take each other's
// transaction.
func TestAScopeIsInOneTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		db.SetPool(1)
		held := take(t, db, 1)
		refused, done := make(chan struct{}), make(chan error)
		for range 2 {
			go func() {
				called := false
				err := orm.Atomic(job, db, func(*orm.Tx) error {
					called = true
					<-refused
					_, err := orm.For[Author](db).Filter("id = ?", 1).Sync(job).Update(orm.Set("name", "A"))
					if !errors.Is(err, orm.ErrReadOnly) {
						t.Errorf("the scope is not in its transaction: %v", err)
					}
					return errOwn
				}, orm.ReadOnly())
				if !called {
					close(refused)
				}
				done <- err
			}()
		}
		for db.Stats().Waits < 2 { // it counts who has begun to wait
			runtime.Gosched()
		}
		db.SetPool(3)
		give(t, held)
		first, second := <-done, <-done
		if !errors.Is(first, orm.ErrTxConcurrent) || !errors.Is(second, errOwn) {
			t.Errorf("%v, %v", first, second)
		}
	})
}

// A transaction of one database, given as the scope, does not hide that of another.
func TestAScopeIsInATransactionOfEachDatabase(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		other := open(t, ":memory:")
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		err := orm.Atomic(job, other, func(theirs *orm.Tx) error {
			return orm.Atomic(job, db, func(tx *orm.Tx) error {
				if err := rename(t.Context(), tx, 1, "A"); err != nil {
					return err
				}
				if a, err := orm.For[Author](db).Sync(theirs).Get(1); err != nil || a.Name != "A" {
					t.Errorf("%+v, %v", a, err)
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAHookThatComesTooLatePanics(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		var kept *orm.Tx
		if err := orm.AtomicAsync(t.Context(), db, func(_ context.Context, tx *orm.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if v := recover(); v != "orm: OnCommit of a transaction that has ended" {
				t.Errorf("panic %v", v)
			}
		}()
		kept.OnCommit(func(context.Context) error { return nil })
	})
}
