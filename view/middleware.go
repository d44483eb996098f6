package view

import (
	"net/http"

	"github.com/tandem-go/tandem/internal/funcname"
)

// MiddlewareFunc is what may be middleware; the type is the capability.
// func(http.Handler) http.Handler sees the ResponseWriter, so it runs around
// all typed middleware and view, whichever place it was given.
type MiddlewareFunc interface {
	func(AsyncView) AsyncView | func(SyncView) SyncView | func(http.Handler) http.Handler
}

// Middleware is one piece of middleware. Make it with [Use], [Both] or [Phases].
type Middleware struct {
	name  string
	async func(AsyncView) AsyncView
	sync  func(SyncView) SyncView
	http  func(http.Handler) http.Handler
}

// Use makes middleware of a function.
func Use[M MiddlewareFunc](m M) Middleware {
	mw := Middleware{name: funcname.Of(m)}
	switch m := any(m).(type) {
	case func(AsyncView) AsyncView:
		mw.async = m
	case func(SyncView) SyncView:
		mw.sync = m
	case func(http.Handler) http.Handler:
		mw.http = m
	}
	return mw
}

// Both makes middleware that is capable of both modes, and never adds a crossing:
// it is sync between sync and sync, and async everywhere else, so that it holds no
// permit that is not held anyway, and sees the 503 of those who find none.
func Both(async func(AsyncView) AsyncView, sync func(SyncView) SyncView) Middleware {
	return Middleware{name: funcname.Of(async), async: async, sync: sync}
}

// Named returns m with another name for plans.
func (m Middleware) Named(name string) Middleware {
	m.name = name
	return m
}
