package view

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/funcname"
)

// AsyncView is a view that can be cancelled. It runs on the request's goroutine
// and its ctx ends when the client goes away.
type AsyncView func(context.Context, *Request) (Response, error)

// SyncView is a view that cannot be cancelled. It runs inside a permit, to its
// end, also when the client has gone away; its answer is then dropped.
type SyncView func(*Request) (Response, error)

// View is what may be a view; the type is the colour. Where both an error and a
// Response are returned the error wins.
type View interface {
	func(context.Context, *Request) (Response, error) | AsyncView |
		func(*Request) (Response, error) | SyncView |
		func(http.ResponseWriter, *http.Request) | http.HandlerFunc |
		Typed | *WebSocketView
}

// Mode is how a view or a piece of middleware runs.
type Mode uint8

// The modes. Native is that of func(http.Handler) http.Handler middleware, which
// runs around all others.
const (
	Async Mode = 1 + iota
	Sync
	Native
)

// String gives "async", "sync" or "http".
func (m Mode) String() string {
	switch m {
	case Async:
		return "async"
	case Sync:
		return "sync"
	case Native:
		return "http"
	}
	return "unknown"
}

// Route is one pattern and its view. Make it with [Path] or [Resource].
type Route struct {
	pattern  string
	name     string
	view     string // the function's name
	inner    stage
	methods  []string // of a Resource
	limiter  *bridge.Limiter
	cpu      bool
	pinned   bool
	maxBody  int64
	deadline time.Duration // 0: the app's; less: none
	socket   bool          // its requests may outlive their handler
	ms       []Middleware
	types    *Types
	decode   func(*Request) any // reads a typed sync view's input, outside its permit
	doc      Documentation
}

// Path makes a route of a view. The pattern is one of [http.ServeMux].
func Path[V View](pattern string, v V, opts ...RouteOption) Route {
	rt := Route{pattern: pattern}
	switch v := any(v).(type) {
	case Typed:
		v.mount(&rt)
	case *WebSocketView:
		v.mount(&rt)
	case func(context.Context, *Request) (Response, error):
		rt.inner.async = v
	case AsyncView:
		rt.inner.async = v
	case func(*Request) (Response, error):
		rt.inner.sync = v
	case SyncView:
		rt.inner.sync = v
	case func(http.ResponseWriter, *http.Request):
		rt.inner.async = native(v)
	case http.HandlerFunc:
		rt.inner.async = native(v)
	}
	if f := reflect.ValueOf(v); f.Kind() == reflect.Func {
		if f.IsNil() {
			panic("view.Path: the view of " + pattern + " is nil")
		}
		rt.view = funcname.Of(v)
	}
	return rt.with(opts)
}

// native makes a plain net/http handler an async view. The handler itself runs
// when the response is written, with the connection's own writer, so it may
// stream and hijack.
func native(h http.HandlerFunc) AsyncView {
	resp := HTTP(h)
	return func(context.Context, *Request) (Response, error) { return resp, nil }
}

// RouteOption configures a [Route].
type RouteOption func(*Route)

// Also returns the route with further options.
func (rt Route) Also(opts ...RouteOption) Route {
	rt.ms = slices.Clip(rt.ms) // they may add to it
	return rt.with(opts)
}

// Name names the route; without it the name is the view function's.
func Name(name string) RouteOption { return func(rt *Route) { rt.name = name } }

// CPU makes the route's sync code take permits of the app's CPU limiter: for
// views that compute rather than wait.
func CPU() RouteOption { return func(rt *Route) { rt.cpu = true } }

// On makes the route's sync code take permits of l.
func On(l *bridge.Limiter) RouteOption { return func(rt *Route) { rt.limiter = l } }

// With puts middleware around this route's view only, inside that of [App.Use];
// the first is outermost.
func With(ms ...Middleware) RouteOption {
	return func(rt *Route) { rt.ms = append(rt.ms, ms...) }
}

// MaxBody bounds the route's request body, in bytes; less than zero: no bound.
func MaxBody(n int64) RouteOption { return func(rt *Route) { rt.maxBody = n } }
