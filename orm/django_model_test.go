package orm_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

func TestDjangoAsave(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Get(d.ctx, d.s1.ID)
		d.must(err)
		row.Field = 10
		d.must(d.simples.Save(d.ctx, row))
		again, err := d.simples.Get(d.ctx, d.s1.ID)
		d.one(again, err, row)
		d.count(3)
	})
}

func TestDjangoModelAdelete(t *testing.T) {
	onDjango(t, func(d *django) {
		d.must(d.simples.DeleteRow(d.ctx, d.s2))
		d.count(2)
	})
}

func TestDjangoArefreshFromDB(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Get(d.ctx, d.s2.ID)
		d.must(err)
		_, err = d.simples.Filter("id = ?", row.ID).Update(d.ctx, orm.Set("field", 20))
		d.must(err)
		d.must(d.simples.Refresh(d.ctx, row))
		if row.Field != 20 {
			d.Errorf("%+v", row)
		}
	})
}

// In Django each thread has a connection, and async code must not touch another
// thread's. Here async code takes one of the pool's, for as long as a statement.
func TestDjangoGetAsyncConnection(t *testing.T) {
	onDjango(t, func(d *django) {
		d.db.SQL().SetMaxOpenConns(1)
		get := func(ctx context.Context) (*Simple, error) { return d.simples.Get(ctx, d.s1.ID) }
		a, b, err := bridge.Gather2(d.ctx, get, get)
		d.must(err)
		d.same([]*Simple{a, b}, nil, d.s1, d.s1)
		if open := d.db.SQL().Stats().InUse; open != 0 {
			d.Errorf("%d connections in use", open)
		}
	})
}

// What the colours offer of the same things, as a newcomer reads it in a table.
func TestTheSameInBothColours(t *testing.T) {
	type colour struct {
		get     func(id int64) (*Simple, error)
		create  func(*Simple) error
		save    func(*Simple) error
		remove  func(*Simple) error
		update  func(field int) (int64, error)
		iterate func() ([]*Simple, error)
		list    func() ([]*Simple, error)
	}
	run := func(d *django, c colour) {
		row := &Simple{Field: 4}
		d.must(c.create(row))
		again, err := c.get(row.ID)
		d.one(again, err, row)
		row.Field = 5
		d.must(c.save(row))
		again, err = c.get(row.ID)
		d.one(again, err, row)
		d.must(c.remove(row))
		if _, err := c.get(row.ID); !errors.Is(err, orm.ErrNotFound) {
			d.Errorf("it is still there: %v", err)
		}
		n, err := c.update(7)
		d.must(err)
		want := []*Simple{{ID: d.s1.ID, Field: 7}, d.s2, d.s3}
		if n != 1 {
			d.Errorf("%d updated", n)
		}
		rows, err := c.iterate()
		d.same(rows, err, want...)
		rows, err = c.list()
		d.same(rows, err, want...)
	}
	t.Run("async", func(t *testing.T) {
		onDjango(t, func(d *django) {
			q, ctx := d.simples.Order("id"), d.ctx
			run(d, colour{
				get:     func(id int64) (*Simple, error) { return q.Get(ctx, id) },
				create:  func(row *Simple) error { return q.Create(ctx, row) },
				save:    func(row *Simple) error { return q.Save(ctx, row) },
				remove:  func(row *Simple) error { return q.DeleteRow(ctx, row) },
				update:  func(field int) (int64, error) { return q.Filter("field = ?", 1).Update(ctx, orm.Set("field", field)) },
				iterate: func() ([]*Simple, error) { return gathered(q.All(ctx)) },
				list:    func() ([]*Simple, error) { return q.List(ctx) },
			})
		})
	})
	t.Run("sync", func(t *testing.T) {
		onDjango(t, func(d *django) {
			_, err := bridge.RunSyncScoped(d.ctx, func(s *bridge.Scope) (any, error) {
				q := d.simples.Order("id")
				run(d, colour{
					get:    func(id int64) (*Simple, error) { return q.Sync(s).Get(id) },
					create: q.Sync(s).Create,
					save:   func(row *Simple) error { return q.Sync(s).Save(row) },
					remove: q.Sync(s).DeleteRow,
					update: func(field int) (int64, error) {
						return q.Filter("field = ?", 1).Sync(s).Update(orm.Set("field", field))
					},
					iterate: func() ([]*Simple, error) { return gathered(q.Sync(s).All()) },
					list:    q.Sync(s).List,
				})
				return nil, nil
			})
			d.must(err)
		})
	})
}

// atomicRequests is a transaction around each request, in the colour of the view.
func atomicRequests(db *orm.DB) view.Middleware {
	return view.Both(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (answer view.Response, err error) {
			err = orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
				answer, err = next(ctx, r)
				return err
			})
			return answer, err
		}
	}, func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (answer view.Response, err error) {
			err = orm.Atomic(r, db, func(*orm.Tx) error {
				answer, err = next(r)
				return err
			})
			return answer, err
		}
	})
}

func TestDjangoAutoTransaction(t *testing.T) {
	onDjango(t, func(d *django) {
		app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
		app.Use(atomicRequests(d.db))
		app.Routes(
			view.Path("POST /sync/{fails}", func(r *view.Request) (view.Response, error) {
				return created(r.PathValue("fails"), d.simples.Sync(r).Create(&Simple{Field: 4}))
			}),
			view.Path("POST /async/{fails}", func(ctx context.Context, r *view.Request) (view.Response, error) {
				return created(r.PathValue("fails"), d.simples.Create(ctx, &Simple{Field: 4}))
			}),
		)
		for i, target := range []string{"/sync/yes", "/async/yes", "/sync/no", "/async/no"} {
			w := httptest.NewRecorder()
			app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, target, nil))
			want, rows := http.StatusInternalServerError, 3
			if strings.HasSuffix(target, "no") {
				want, rows = http.StatusOK, 2+i
			}
			if w.Code != want {
				d.Errorf("%s: %d, want %d", target, w.Code, want)
			}
			d.count(int64(rows))
		}
	})
}

func created(fails string, err error) (view.Response, error) {
	if fails == "yes" && err == nil {
		err = errOwn
	}
	return view.Text("created"), err
}
