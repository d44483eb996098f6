package view

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// Outcome is what became of a request.
type Outcome struct {
	// Status is that of the answer: [StatusClientGone] where the client went away
	// before there was one, 101 where the connection was hijacked, and 0 where it
	// was cut before a header.
	Status int

	Bytes     int64         // of the body, as handed to the server; none of a hijacked connection
	Received  int64         // of the request's body, in bytes: what its route has read; nothing of a WebSocket
	Duration  time.Duration // from the request's arrival at the app to the end of its handler, or of its WebSocket
	FirstByte time.Duration // of that, until the answer's header was handed to the server; 0 if it had none
	QueueWait time.Duration // of that, waiting for turns and permits; see [bridge.Scope.Waited]
	Crossings int           // between async and sync, made
	Queries   int           // of databases, made with the request's context or below its sync code
	QueryTime time.Duration // the sum of theirs: those that ran beside each other each count

	// Plan is the route's, and must not be changed; nil where the request came to
	// no route, as one that is redirected to its canonical path. What no route
	// takes has the plan of the view that says so, Pattern "/", Name "no route".
	Plan *RoutePlan

	// Err is what went wrong: a panic of any layer, also where middleware has made
	// another answer of it, as a [*bridge.PanicError]; else the error that came out
	// of all layers, or of writing the answer.
	Err error
}

// Observe has f called once for each request when all is over: also those that no
// route takes, that panicked, were aborted, hijacked or left by their clients. The
// request's scope is closed and its body is gone by then; the rest may be read.
// The server sends the last of the answer when f has returned, so f should be
// quick. A panic of f is logged. f must be safe for concurrent use. Several are
// called in the order given; an app without any pays nothing.
func Observe(f func(*Request, Outcome)) Option {
	return func(a *App) { a.observers = append(a.observers, f) }
}

// sighting is a request as its observers will be told of it. It is the writer
// that routes get, so that it sees what net/http middleware answers by itself.
type sighting struct {
	output
	began   time.Time
	queries queries // if there is net/http middleware

	// Middleware such as http.TimeoutHandler goes on without waiting for the view.
	mu      sync.Mutex
	plan    *RoutePlan
	request *Request // nil until it has come to its view
	err     error
}

type sightingKey struct{}

// sightingOf finds what observers will be told: it is the writer itself, or in the
// context where net/http middleware may have wrapped the writer.
func sightingOf(w http.ResponseWriter, r *http.Request) *sighting {
	if s, ok := w.(*sighting); ok {
		return s
	}
	s, _ := r.Context().Value(sightingKey{}).(*sighting)
	return s
}

// reach takes note of the route that a request has come to, and, once it is there,
// of the request.
func (s *sighting) reach(plan *RoutePlan, r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.request = plan, r
}

// note keeps the first error, or the first panic.
func (s *sighting) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var was, is *bridge.PanicError
	if s.err == nil || errors.As(err, &is) && !errors.As(s.err, &was) {
		s.err = err
	}
}

// observe serves a request and tells the observers of it.
func (a *App) observe(w http.ResponseWriter, r *http.Request) {
	s := &sighting{output: output{ResponseWriter: w, timed: true}, began: time.Now()}
	defer func() {
		v := recover()
		switch {
		case v == http.ErrAbortHandler: // net/http compares so too
			s.note(http.ErrAbortHandler)
		case v != nil:
			s.note(bridge.Caught(v))
		}
		if goesOn := s.release(); goesOn != nil {
			go goesOn(func() { a.tell(s, r) })
		} else {
			a.tell(s, r)
		}
		if v != nil {
			panic(v)
		}
	}()
	a.serve(s, r)
	s.begin(http.StatusOK) // as net/http will
}

// release lets go of the server's writer where the request goes on without it, and
// returns how; nil where it does not.
func (s *sighting) release() (goesOn func(func())) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.request == nil || s.request.goesOn == nil {
		return nil
	}
	s.output.ResponseWriter = s.request.out.ResponseWriter
	return s.request.goesOn
}

// note tells the observers of an error.
func (r *Request) note(err error) {
	if r.seen != nil {
		r.seen.note(err)
	}
}

func (a *App) tell(s *sighting, r *http.Request) {
	s.queries.record.Load().End()
	s.mu.Lock()
	req, plan, err := s.request, s.plan, s.err
	s.mu.Unlock()
	if req == nil {
		req = &Request{http: r, app: a, out: output{ResponseWriter: s}}
		req.ctx = req.scope.Open(r.Context(), a.limits)
		req.scope.Close()
	}
	o := Outcome{
		Status: s.status, Bytes: s.bytes, Received: req.came.count(), Duration: time.Since(s.began), QueueWait: req.scope.Waited(),
		Crossings: req.Crossings(), Plan: plan, Err: err,
	}
	if !s.begun.IsZero() {
		o.FirstByte = s.begun.Sub(s.began)
	}
	o.Queries, o.QueryTime = s.counted(req).Total()
	if r.Method == http.MethodHead {
		o.Bytes = 0 // net/http keeps a body that was written to itself
	}
	for _, f := range a.observers {
		a.tellOne(f, req, o)
	}
}

func (a *App) tellOne(f func(*Request, Outcome), r *Request, o Outcome) {
	defer func() {
		if v := recover(); v != nil {
			p := bridge.Caught(v)
			r.logger().LogAttrs(context.WithoutCancel(r.ctx), slog.LevelError, "observer panicked",
				slog.String("request_id", r.ID()), slog.Any("panic", p.Value), slog.String("stack", string(p.Stack)))
		}
	}()
	f(r, o)
}

// front is what a route with net/http middleware begins with. It answers for the
// panics of that middleware as settledAsync does for those of typed middleware.
type front struct {
	app  *App
	plan *RoutePlan
	next http.Handler
}

func (f *front) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	out := &output{ResponseWriter: w}
	var seen *sighting
	if f.app.observers != nil {
		seen = sightingOf(w, hr)
		seen.reach(f.plan, nil)
		hr = hr.WithContext(&sighted{hr.Context(), seen, hr, w})
	}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		r := &Request{http: hr, app: f.app, ctx: hr.Context(), out: output{ResponseWriter: w}, seen: seen}
		err := r.panicked(v)
		if out.wrote {
			panic(http.ErrAbortHandler) // half of an answer must not look whole
		}
		r.write(r.failed(err), err)
	}()
	f.next.ServeHTTP(out, hr)
}
