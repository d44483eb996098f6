package session

import (
	"context"
	"errors"
	"time"

	"github.com/tandem-go/tandem/view"
)

// ErrNotFound is what a store returns for an id that it does not have, or no more.
var ErrNotFound = errors.New("no such session")

// Store keeps the values of sessions, for [Stored]. Ids are random and of this
// package's making; data is opaque, at most 64 KiB. It must be safe for concurrent
// use, from all workers. What has expired it may drop when it likes, and must not
// return. Ids are not secrets worth stealing: nobody can use one without the keys.
type Store interface {
	// Load returns the data of a session, or [ErrNotFound].
	Load(ctx context.Context, id string) ([]byte, error)
	// Create keeps a new session.
	Create(ctx context.Context, id string, data []byte, expires time.Time) error
	// Update keeps a session's new data. If another request has deleted it
	// meanwhile it must return [ErrNotFound] and not bring it back.
	Update(ctx context.Context, id string, data []byte, expires time.Time) error
	// Delete forgets a session. One that is not there is no error.
	Delete(ctx context.Context, id string) error
}

// SyncStore is [Store] in the other colour, for [StoredSync].
type SyncStore interface {
	Load(id string) ([]byte, error)
	Create(id string, data []byte, expires time.Time) error
	Update(id string, data []byte, expires time.Time) error
	Delete(id string) error
}

// backend is a store of either colour, for one request. Nil: the cookie itself.
type backend struct {
	load   func(id string) ([]byte, error)
	create func(id string, data []byte, expires time.Time) error
	update func(id string, data []byte, expires time.Time) error
	delete func(id string) error
}

// Sealed makes middleware that keeps the session in its cookie. It computes a
// little and waits for nothing, so it runs in either mode and never crosses. The
// cookie is opened when a view first asks for something.
func Sealed(keys Keys, opts ...Option) view.Middleware {
	m := newManager(keys, opts)
	m.limit = maxCookie - len(m.cookie("", m.lifetime).String())
	return view.Both(
		func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				return m.serve(r, nil, func() (view.Response, error) { return next(ctx, r) })
			}
		},
		func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				return m.serve(r, nil, func() (view.Response, error) { return next(r) })
			}
		},
	).Named("session.Sealed")
}

// Stored makes async middleware that keeps the session in a store. It loads one
// for every request that has a cookie, before the view runs, and saves what was
// changed after it.
func Stored(store Store, keys Keys, opts ...Option) view.Middleware {
	m := newManager(keys, opts)
	m.limit = maxStored
	return view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			return m.serve(r, &backend{
				load: func(id string) ([]byte, error) { return store.Load(ctx, id) },
				create: func(id string, data []byte, expires time.Time) error {
					return store.Create(ctx, id, data, expires)
				},
				update: func(id string, data []byte, expires time.Time) error {
					return store.Update(ctx, id, data, expires)
				},
				delete: func(id string) error { return store.Delete(ctx, id) },
			}, func() (view.Response, error) { return next(ctx, r) })
		}
	}).Named("session.Stored")
}

// StoredSync is [Stored] with a store that is sync: sync middleware.
func StoredSync(store SyncStore, keys Keys, opts ...Option) view.Middleware {
	m := newManager(keys, opts)
	m.limit = maxStored
	b := &backend{load: store.Load, create: store.Create, update: store.Update, delete: store.Delete}
	return view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) {
			return m.serve(r, b, func() (view.Response, error) { return next(r) })
		}
	}).Named("session.StoredSync")
}
