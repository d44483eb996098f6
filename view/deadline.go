package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// Deadline bounds how long the route's requests may take, from the arrival of the
// request's header until its view and middleware have returned. 0 is the app's
// [DefaultDeadline]; less than zero: none, for streams, sockets and long uploads.
//
// Async code is told by its ctx, whose cause matches [context.DeadlineExceeded]; if
// it returns that, the answer is 504. Code that ignores its ctx is waited for, and
// what it answers is sent, late as it is.
//
// Sync code cannot be told. Its request is answered at the deadline: 503 with
// Retry-After if it still waited for a permit, and then it never begins; 504 if it
// had begun. In that case it goes on, with its permit, and counts as abandoned
// ([bridge.Stats]) until it returns; what it returns is dropped, its panic logged,
// and what it awaits has a ctx that has ended. Request, body and form are the sync
// code's until then: middleware outside must leave body and form alone. This costs
// the request a second goroutine and a copy of its header.
//
// Where sync middleware is around an async view, and under [SyncOnly], the sync
// code has [bridge.AwaitGrace] to return what the view made of its deadline.
//
// A body that is not there in time, where it is read ahead, is a 408. The routes of
// [WebSocket] views have no deadline.
func Deadline(d time.Duration) RouteOption { return func(rt *Route) { rt.deadline = d } }

// DefaultDeadline is the [Deadline] of routes that have none of their own. 0, which
// is the default, and less are none.
func DefaultDeadline(d time.Duration) Option { return func(a *App) { a.deadline = d } }

// deadlineOf is what bounds a route's requests; 0: nothing does.
func (a *App) deadlineOf(rt Route) time.Duration {
	if rt.socket {
		return 0
	}
	if rt.deadline != 0 {
		return max(0, rt.deadline)
	}
	return max(0, a.deadline)
}

// errBodyLate is that of a body that was not there at the deadline.
var errBodyLate = errors.New("the request's body was not there at its deadline")

// limit is what a request with a deadline has besides.
type limit struct {
	at     time.Time
	served *http.Request // what the server serves; the request's own is a copy of it once apart
	apart  bool          // its sync code is on another goroutine
	users  atomic.Int32  // of body and form, beside the server: 1 while apart

	abandoned bool // by the server, to its sync code; guarded by Request.mu
}

// bound gives a request its deadline, and its context that ends with it.
func (e *endpoint) bound(ctx context.Context, r *Request) (context.Context, context.CancelFunc) {
	r.limit = &limit{at: time.Now().Add(e.plan.Deadline), served: r.http}
	return context.WithDeadlineCause(ctx, r.limit.at, e.late)
}

// served is the request as the server has it.
func (r *Request) served() *http.Request {
	if r.limit != nil {
		return r.limit.served
	}
	return r.http
}

// errDeadline is the cause of a route's deadline.
func errDeadline(d time.Duration) error {
	return fmt.Errorf("the request took longer than its %v: %w", d, context.DeadlineExceeded)
}

// hurry bounds the reading of the body by the deadline.
func (r *Request) hurry() (calm func()) {
	rc := http.NewResponseController(r.out.ResponseWriter)
	if r.limit == nil || rc.SetReadDeadline(r.limit.at) != nil {
		return func() {}
	}
	return func() { _ = rc.SetReadDeadline(time.Time{}) }
}

// runApart runs f as a sync frame that the request need not wait for.
func (r *Request) runApart(ctx context.Context, f SyncView, opts []bridge.SyncOption) (Response, error) {
	l := r.limit
	if r.http == l.served {
		// The server goes on with its own, and with other requests, once this is answered.
		r.ID()
		r.http = l.served.WithContext(l.served.Context())
		r.http.Header = l.served.Header.Clone()
		l.served.MultipartForm = nil // else the server removes its files
	}
	l.apart = true // those below are on the same goroutine as this one
	l.users.Add(1)
	begun := false
	resp, err := bridge.RunSync(ctx, func() (resp Response, err error) {
		begun = true
		defer func() { r.finish(err) }()
		return f(r)
	}, opts...)
	if resp == nil && errors.Is(err, bridge.ErrAbandoned) {
		r.abandon()
		return r.settle(nil, err)
	}
	l.apart = false
	if !begun {
		r.drop()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w before the deadline: %w", bridge.ErrSaturated, err)
		}
	}
	return r.settle(resp, err)
}

// abandon leaves the request to its sync code.
func (r *Request) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit.abandoned = true
}

// finish ends the part of sync code on another goroutine.
func (r *Request) finish(err error) {
	r.mu.Lock()
	late := r.limit.abandoned
	r.mu.Unlock()
	if late {
		r.logger().LogAttrs(r.ctx, slog.LevelInfo, "abandoned sync code has returned",
			slog.String("request_id", r.ID()), slog.String("method", r.http.Method), slog.String("path", r.http.URL.Path),
			slog.Duration("late", time.Since(r.limit.at)), slog.Any("error", err))
	}
	r.drop()
}
