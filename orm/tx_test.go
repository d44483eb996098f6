package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// rename gives an author another name, by a statement in the transaction.
func rename(ctx context.Context, tx *orm.Tx, id int64, name string) error {
	return orm.ExecIn(ctx, tx, "UPDATE authors SET name = $1 WHERE id = $2", name, id)
}

// nameOf is an author's name as everybody sees it.
func nameOf(t *testing.T, db *orm.DB, id int64) string {
	t.Helper()
	a, err := orm.For[Author](db).Get(context.WithoutCancel(t.Context()), id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Name
}

var errOwn = errors.New("changed my mind")

func TestATransactionIsDoneWholeOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		f     func(ctx context.Context, cancel func(), tx *orm.Tx) error
		err   error
		panic any
		want  string
	}{
		"returned": {f: func(context.Context, func(), *orm.Tx) error { return nil }, want: "Ada L."},
		"error":    {f: func(context.Context, func(), *orm.Tx) error { return errOwn }, err: errOwn, want: "Ada"},
		"panic":    {f: func(context.Context, func(), *orm.Tx) error { panic("oh") }, panic: "oh", want: "Ada"},
		"cancelled, and an error": {f: func(ctx context.Context, cancel func(), _ *orm.Tx) error {
			cancel()
			return ctx.Err()
		}, err: context.Canceled, want: "Ada"},
		"cancelled, and no error": {f: func(_ context.Context, cancel func(), _ *orm.Tx) error {
			cancel()
			return nil
		}, err: context.Canceled, want: "Ada"},
		"a statement failed, and no error": {f: func(ctx context.Context, _ func(), tx *orm.Tx) error {
			if err := orm.ExecIn(ctx, tx, "UPDATE nowhere SET x = 1"); err == nil {
				t.Error("no error")
			}
			if err := rename(ctx, tx, 2, "B"); !errors.Is(err, orm.ErrTxFailed) {
				t.Errorf("the next statement: %v, want ErrTxFailed", err)
			}
			return nil
		}, err: orm.ErrTxFailed, want: "Ada"},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *orm.DB) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				hooked := 0
				var kept *orm.Tx
				var err error
				func() {
					defer func() {
						if v := recover(); v != c.panic {
							t.Errorf("panic %v, want %v", v, c.panic)
						}
					}()
					err = orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
						kept = tx
						tx.OnCommit(func(context.Context) error { hooked++; return nil })
						if err := rename(ctx, tx, 1, "Ada L."); err != nil {
							t.Fatal(err)
						}
						if a, err := orm.For[Author](db).Get(ctx, 1); err != nil || a.Name != "Ada L." {
							t.Errorf("the ctx's queries do not see it: %+v, %v", a, err)
						}
						return c.f(ctx, cancel, tx)
					})
				}()
				if !errors.Is(err, c.err) {
					t.Errorf("%v, want %v", err, c.err)
				}
				if got := nameOf(t, db, 1); got != c.want {
					t.Errorf("name %q, want %q", got, c.want)
				}
				if done := c.want == "Ada L."; (hooked == 1) != done {
					t.Errorf("%d hooks were called", hooked)
				}
				if _, err := orm.For[Author](db).With(kept).Get(t.Context(), 1); !errors.Is(err, orm.ErrTxDone) {
					t.Errorf("used after its end: %v, want ErrTxDone", err)
				}
			})
		})
	}
}

func TestAPartIsUndoneByItself(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		var hooks []string
		hook := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				if err := orm.AtomicAsync(ctx, db, func(context.Context, *orm.Tx) error { return nil }, orm.Durable()); err != nil {
					t.Errorf("hook %s is inside of a transaction: %v", name, err)
				}
				hooks = append(hooks, name)
				return nil
			}
		}
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			tx.OnCommit(hook("outer"))
			if err := rename(ctx, tx, 1, "A"); err != nil {
				return err
			}
			if err := orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
				part.OnCommit(hook("undone"))
				if err := rename(ctx, part, 1, "Z"); err != nil {
					return err
				}
				return orm.ExecIn(ctx, part, "UPDATE nowhere SET x = 1")
			}); err == nil {
				t.Error("the part's error is gone")
			}
			func() {
				defer func() { _ = recover() }()
				_ = orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
					if err := rename(ctx, part, 1, "Y"); err != nil {
						return err
					}
					panic("in a part")
				})
			}()
			return orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
				part.OnCommit(hook("kept"))
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, deeper *orm.Tx) error {
					deeper.OnCommit(hook("deeper"))
					return rename(ctx, deeper, 2, "B")
				})
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := nameOf(t, db, 1), nameOf(t, db, 2); a != "A" || b != "B" {
			t.Errorf("%q, %q", a, b)
		}
		if want := []string{"outer", "kept", "deeper"}; !slices.Equal(hooks, want) {
			t.Errorf("hooks %v", hooks)
		}
	})
}

func TestWhatATransactionRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		authors := orm.For[Author](db)
		none := func(context.Context, *orm.Tx) error { return nil }
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			if err := orm.AtomicAsync(ctx, db, none, orm.Durable()); !errors.Is(err, orm.ErrDurable) {
				t.Errorf("durable: %v", err)
			}
			if err := orm.AtomicAsync(ctx, db, none, orm.Isolation(sql.LevelSerializable)); !errors.Is(err, orm.ErrType) {
				t.Errorf("isolation: %v", err)
			}
			get := func(ctx context.Context) (*Author, error) { return authors.Get(ctx, 1) }
			if _, _, err := bridge.Gather2(ctx, get, get); !errors.Is(err, orm.ErrTxConcurrent) {
				t.Errorf("gather: %v", err)
			}
			begin := func(ctx context.Context) (any, error) { return nil, orm.AtomicAsync(ctx, db, none) }
			if _, _, err := bridge.Gather2(ctx, begin, begin); !errors.Is(err, orm.ErrTxConcurrent) {
				t.Errorf("parts in a gather: %v", err)
			}
			if _, err := bridge.GatherAll(ctx, 1, []int{1, 2}, func(ctx context.Context, id int) (*Author, error) { return authors.Get(ctx, id) }); err != nil {
				t.Errorf("one after the other: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		err = orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "A") }, orm.ReadOnly())
		if !errors.Is(err, orm.ErrReadOnly) {
			t.Errorf("read only: %v", err)
		}
	})
}

func TestSyncCodeOfAScopeIsInItsTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		authors := orm.For[Author](db)
		err := orm.Atomic(job, db, func(tx *orm.Tx) error {
			if err := rename(t.Context(), tx, 1, "A"); err != nil {
				return err
			}
			for _, s := range []bridge.Scoped{tx, job} {
				if a, err := authors.Sync(s).Get(1); err != nil || a.Name != "A" {
					t.Errorf("%T: %+v, %v", s, a, err)
				}
			}
			return orm.Atomic(job, db, func(part *orm.Tx) error {
				if err := rename(t.Context(), part, 1, "Z"); err != nil {
					return err
				}
				if a, err := authors.Sync(job).Get(1); err != nil || a.Name != "Z" {
					t.Errorf("in the part: %+v, %v", a, err)
				}
				return errOwn
			})
		})
		if !errors.Is(err, errOwn) || nameOf(t, db, 1) != "Ada" {
			t.Errorf("%v, %q", err, nameOf(t, db, 1))
		}
		if _, err := authors.Sync(job).Get(1); err != nil {
			t.Errorf("after it: %v", err)
		}
		_, err = bridge.RunSyncScoped(t.Context(), func(s *bridge.Scope) (any, error) {
			return nil, orm.Atomic(s, db, func(tx *orm.Tx) error { return rename(t.Context(), tx, 1, "sync") })
		})
		if err != nil || nameOf(t, db, 1) != "sync" {
			t.Errorf("%v, %q", err, nameOf(t, db, 1))
		}
		if err := orm.Atomic(new(bridge.Scope), db, func(*orm.Tx) error { return nil }); !errors.Is(err, bridge.ErrSynchronousOnly) {
			t.Errorf("without sync code: %v", err)
		}
	})
}

// Sync code that async code calls in its transaction is in it.
func TestSyncCodeBelowAsyncCodeIsInItsTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			if err := rename(ctx, tx, 1, "A"); err != nil {
				return err
			}
			_, err := bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (any, error) {
				if a, err := orm.For[Author](db).Sync(s).Get(1); err != nil || a.Name != "A" {
					t.Errorf("%+v, %v", a, err)
				}
				return nil, orm.Atomic(s, db, func(part *orm.Tx) error {
					if err := rename(ctx, part, 1, "Z"); err != nil {
						t.Error(err)
					}
					return errOwn
				})
			})
			if !errors.Is(err, errOwn) {
				t.Errorf("%v", err)
			}
			return nil
		})
		if err != nil || nameOf(t, db, 1) != "A" {
			t.Errorf("%v, %q", err, nameOf(t, db, 1))
		}
	})
}

func TestACollisionIsRunAgainWhenAsked(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, c := range []struct{ fails, retries, runs int }{{2, 3, 3}, {2, 1, 2}, {1, 0, 1}} {
			runs, hooks := 0, 0
			err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
				tx.OnCommit(func(context.Context) error { hooks++; return nil })
				if runs++; runs <= c.fails {
					return orm.ErrSerialization
				}
				return nil
			}, orm.Retry(c.retries))
			if runs != c.runs || (err == nil) != (c.retries >= c.fails) || hooks != 0 && err != nil || hooks > 1 {
				t.Errorf("%+v: %d runs, %d hooks, %v", c, runs, hooks, err)
			}
		}
	})
}

func TestAHooksErrorIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			tx.OnCommit(func(context.Context) error { return errOwn })
			return rename(ctx, tx, 1, "A")
		})
		if !errors.Is(err, errOwn) || err.Error() != "orm: the transaction is committed, but what was to follow failed: changed my mind" {
			t.Errorf("%v", err)
		}
		if got := nameOf(t, db, 1); got != "A" {
			t.Errorf("name %q", got)
		}
	})
}

func TestAnOperationOfSeveralStatementsIsOne(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		fails := func(ctx context.Context) error {
			return orm.Within(ctx, db, func(ctx context.Context) error {
				if _, err := orm.For[Author](db).Get(ctx, 1); err != nil {
					t.Error(err)
				}
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
					if err := rename(ctx, tx, 1, "Z"); err != nil {
						t.Error(err)
					}
					return errOwn
				})
			})
		}
		if err := fails(t.Context()); !errors.Is(err, errOwn) || nameOf(t, db, 1) != "Ada" {
			t.Errorf("%v, %q", err, nameOf(t, db, 1))
		}
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			if err := rename(ctx, tx, 2, "B"); err != nil {
				return err
			}
			if err := fails(ctx); !errors.Is(err, errOwn) {
				t.Error(err)
			}
			return nil
		})
		if err != nil || nameOf(t, db, 1) != "Ada" || nameOf(t, db, 2) != "B" {
			t.Errorf("%v, %q, %q", err, nameOf(t, db, 1), nameOf(t, db, 2))
		}
	})
}

func TestARowCreatedInACollisionIsCreatedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		authors := orm.For[Author](db)
		row := &Author{Name: "Again"}
		var first int64
		runs := 0
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			runs++
			if row.ID != 0 {
				t.Errorf("run %d: it has the key %d of the run before", runs, row.ID)
			}
			if err := orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error { return authors.Create(ctx, row) }); err != nil {
				return err
			}
			if runs == 1 {
				first = row.ID
				return orm.ErrSerialization
			}
			return nil
		}, orm.Retry(1))
		if err != nil || runs != 2 || first == 0 || row.ID == 0 {
			t.Errorf("%d runs, keys %d and %d, %v", runs, first, row.ID, err)
		}
		if n, err := authors.Filter("name = ?", "Again").Count(t.Context()); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}
