package worker

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// handler counts requests, and makes the answers of a draining worker say so.
type handler struct {
	server *server
	inner  http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.server.board.Begin()
	defer func() {
		h.server.board.End()
		h.server.moved()
	}()
	// The wrapping has the methods of what it wraps, because handlers look for
	// them. Both of net/http's own writers are covered; any other is left alone,
	// and its connection is closed once it is idle.
	switch inner := w.(type) {
	case http1Writer:
		a := &http1Answer{answer{commonWriter: inner, server: h.server}}
		h.inner.ServeHTTP(a, r)
		a.decide()
	case http2Writer:
		a := &http2Answer{answer{commonWriter: inner, server: h.server}}
		h.inner.ServeHTTP(a, r)
		a.decide()
	default:
		h.inner.ServeHTTP(w, r)
	}
}

// commonWriter is what net/http's writers have in common.
type commonWriter interface {
	http.ResponseWriter
	http.Flusher
	io.StringWriter
	FlushError() error
	CloseNotify() <-chan bool
}

type http1Writer interface {
	commonWriter
	http.Hijacker
	io.ReaderFrom
}

type http2Writer interface {
	commonWriter
	http.Pusher
}

// answer adds "Connection: close" to an answer whose header goes out while the
// worker drains; HTTP/2 makes a GOAWAY of it.
type answer struct {
	commonWriter
	server  *server
	decided bool
}

func (a *answer) decide() {
	if a.decided {
		return
	}
	a.decided = true
	if a.server.draining.Load() {
		a.Header().Set("Connection", "close")
	}
}

func (a *answer) WriteHeader(code int) {
	// Below 200 it is not the answer yet, or, with 101, not HTTP's any more.
	if code >= http.StatusOK {
		a.decide()
	}
	a.commonWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.decide()
	return a.commonWriter.Write(b)
}

func (a *answer) WriteString(s string) (int, error) {
	a.decide()
	return a.commonWriter.WriteString(s)
}

func (a *answer) Flush() {
	a.decide()
	a.commonWriter.Flush()
}

func (a *answer) FlushError() error {
	a.decide()
	return a.commonWriter.FlushError()
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (a *answer) Unwrap() http.ResponseWriter { return a.commonWriter }

// The embedded writer is known to have the methods below: one word less in
// every request than to keep it twice.

type http1Answer struct{ answer }

func (a *http1Answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return a.commonWriter.(http.Hijacker).Hijack()
}

func (a *http1Answer) ReadFrom(r io.Reader) (int64, error) {
	a.decide()
	return a.commonWriter.(io.ReaderFrom).ReadFrom(r)
}

type http2Answer struct{ answer }

func (a *http2Answer) Push(target string, opts *http.PushOptions) error {
	return a.commonWriter.(http.Pusher).Push(target, opts)
}
