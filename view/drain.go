package view

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ErrDraining is the cause with which the ctx of a WebSocket and of [Events] ends
// when the worker drains: the handler says goodbye and returns, and the client
// comes back to another worker.
var ErrDraining = errors.New("the worker drains: say goodbye and return")

// Draining is closed when the worker begins to drain. A [Stream] is not ended
// then, because a download must be whole: a sequence that has no end of its own
// ends by this. Without a worker it is nil, which never becomes ready.
func (r *Request) Draining() <-chan struct{} {
	if ctx := drainOf(r.out.ResponseWriter); ctx != nil {
		return ctx.Done()
	}
	return nil
}

// drainOf is the context of the server's that ends when it drains; nil if it has none.
func drainOf(w http.ResponseWriter) context.Context {
	if server, ok := told[interface{ Drain() context.Context }](w); ok {
		return server.Drain()
	}
	return nil
}

// takenOver is in the place of a writer whose connection is a WebSocket by now. The
// server's own, with its buffers, is let go.
type takenOver struct {
	header http.Header
	drain  context.Context
	scheme string
}

func (t *takenOver) Drain() context.Context { return t.drain }
func (t *takenOver) Scheme() string         { return t.scheme }
func (t *takenOver) Header() http.Header {
	if t.header == nil {
		t.header = http.Header{}
	}
	return t.header
}
func (t *takenOver) WriteHeader(int)           {}
func (t *takenOver) Write([]byte) (int, error) { return 0, http.ErrHijacked }

// pause waits for d; false if done came first.
func pause(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
