package view

import (
	"context"
	"runtime/pprof"
	"time"

	"github.com/tandem-go/tandem/internal/tally"
)

// While a request is with its view, its goroutine has the profiler label
// route=PATTERN, and so have the goroutines that it starts: a profile tells what
// each route costs. Sync code has sync=VIEW besides; see [bridge.As].

// routed is a request's context with the labels of its route, and with its record
// of queries. It is the Request seen so, and takes no memory of its own.
type routed Request

// server is the server's context. The request's own http may change meanwhile.
func (c *routed) server() context.Context { return (*Request)(c).served().Context() }

func (c *routed) Deadline() (time.Time, bool) { return c.server().Deadline() }
func (c *routed) Done() <-chan struct{}       { return c.server().Done() }
func (c *routed) Err() error                  { return c.server().Err() }

// Value finds the labels first.
func (c *routed) Value(key any) any {
	if _, ok := key.(tally.Key); ok {
		return (*Request)(c).tally()
	}
	if v := c.route.Value(key); v != nil {
		return v
	}
	return c.server().Value(key)
}

func routeLabels(pattern string) context.Context {
	return pprof.WithLabels(context.Background(), pprof.Labels("route", pattern))
}

// label labels the request's goroutine and its context with what ctx, that of the
// server, has and the route. The goroutine goes back to ctx's in the end.
func (r *Request) label(ctx, route context.Context) context.Context {
	labelled := false
	pprof.ForLabels(ctx, func(string, string) bool {
		labelled = true
		return false
	})
	if labelled {
		pattern, _ := pprof.Label(route, "route")
		route = pprof.WithLabels(ctx, pprof.Labels("route", pattern))
	}
	pprof.SetGoroutineLabels(route)
	r.route = route
	return (*routed)(r)
}
