package worker

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/internal/requestid"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// handler lists and counts requests on the scoreboard, and makes the answers of
// a draining worker say so.
type handler struct {
	server *server
	inner  http.Handler
	mux    *http.ServeMux // inner, if it is one: it says the pattern beforehand
}

func newHandler(s *server, inner http.Handler) *handler {
	mux, _ := inner.(*http.ServeMux)
	return &handler{server: s, inner: inner, mux: mux}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 { // HTTP/1's were judged on their connection
		if refused := h.server.guards.clear.Judge(r); refused != nil {
			h.server.refuse(w, r, refused)
			return
		}
	}
	serve := h.inner
	told, err := h.server.behindProxies(r)
	if err != nil {
		serve = contradicted(err)
	}
	id := r.Header.Get(requestid.Header)
	if !requestid.Sane(id) {
		id = ""
	}
	entry := entry{slot: h.server.board.Begin(r.Method, r.URL.Path, id), id: id}
	if h.mux != nil {
		_, pattern := h.mux.Handler(r)
		entry.Route(pattern)
	}
	c := connOfRequest(r)
	h.server.crowd.waiting.Add(1)
	// The wrapping has the methods of what it wraps, because handlers look for
	// them. Both of net/http's own writers are covered; any other is left alone,
	// and its connection is closed once it is idle.
	var a *answer
	var two *http2Answer
	switch inner := w.(type) {
	case http1Writer:
		one := &http1Answer{answer{commonWriter: inner, server: h.server, entry: entry, waits: true, conn: c, scheme: told}}
		w, a = one, &one.answer
	case http2Writer:
		two = newHTTP2Answer(inner, r, answer{commonWriter: inner, server: h.server, entry: entry, waits: true, scheme: told})
		defer two.pulse.stop()
		w, a = two, &two.answer
	}
	returned := false
	defer func() {
		if a == nil {
			h.server.crowd.waiting.Add(-1)
		} else {
			a.goesOut()
		}
		if a != nil && a.held {
			return
		}
		entry.slot.End(code(a, returned))
		h.server.moved()
	}()
	if !h.server.full(w, r, c) {
		serve.ServeHTTP(w, r)
	}
	returned = true
	if a != nil {
		a.decide()
	}
	if two != nil {
		two.returned()
	}
}

// code is what a request is counted under: its status, 0 where it has none
// because its handler panicked first or nobody knows.
func code(a *answer, returned bool) int {
	switch {
	case a == nil:
		return 0
	case a.code == 0 && returned:
		return http.StatusOK
	}
	return a.code
}

// entry is a request's place on the scoreboard. Whatever routes requests finds
// the methods on the ResponseWriter, by their names: it need not know workers.
type entry struct {
	slot scoreboard.Slot
	id   string // the client's; "": the slot's
}

// Route says which pattern the request has matched.
func (e *entry) Route(pattern string) { e.slot.Route(pattern) }

// RequestID is the id under which the request is listed: that of the header
// X-Request-Id if it is sane, else one of the worker's own.
func (e *entry) RequestID() string {
	if e.id != "" {
		return e.id
	}
	return e.slot.ID()
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
	EnableFullDuplex() error
}

type http2Writer interface {
	commonWriter
	http.Pusher
	SetReadDeadline(deadline time.Time) error
	SetWriteDeadline(deadline time.Time) error
}

// answer adds "Connection: close" to an answer whose header goes out while the
// worker drains, unless its connection will be handed to a sibling; HTTP/2 makes
// a GOAWAY of it.
type answer struct {
	commonWriter
	entry
	server  *server
	conn    *conn // of HTTP/1; nil: it did not come by a door
	scheme  scheme
	waits   bool // counted among those whose answer has not begun
	decided bool
	held    bool // the request goes on without its handler
	code    int  // the status, once it is there
}

// Drain is a context that ends when the worker begins to drain.
func (a *answer) Drain() context.Context { return a.server.drained }

// Hold keeps the request listed, and a drain waiting, after its handler has
// returned: for who has taken the connection over. It is over when release is
// called, which must be done once.
func (a *answer) Hold() (release func()) {
	a.held = true
	slot, server := a.slot, a.server // not a: it keeps the buffers of net/http
	return func() {
		slot.End(http.StatusSwitchingProtocols)
		server.moved()
	}
}

// goesOut takes the request out of those that wait for their answer.
func (a *answer) goesOut() {
	if a.waits {
		a.waits = false
		a.server.crowd.waiting.Add(-1)
	}
}

func (a *answer) decide() {
	if a.decided {
		return
	}
	a.decided = true
	a.goesOut()
	if a.server.draining.Load() && !(a.server.moving.Load() && a.conn != nil && !a.conn.stays.Load()) {
		a.Header().Set("Connection", "close")
	}
}

// begin takes note of an answer that begins without a WriteHeader.
func (a *answer) begin() {
	a.decide()
	if a.code == 0 {
		a.code = http.StatusOK
	}
}

func (a *answer) WriteHeader(code int) {
	// Below 200 it is not the answer yet, or, with 101, not HTTP's any more.
	if code >= http.StatusOK {
		a.decide()
	}
	if a.code == 0 && (code >= http.StatusOK || code == http.StatusSwitchingProtocols) {
		a.code = code
	}
	a.commonWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.commonWriter.Write(b)
}

func (a *answer) WriteString(s string) (int, error) {
	a.begin()
	return a.commonWriter.WriteString(s)
}

func (a *answer) Flush() {
	a.begin()
	a.commonWriter.Flush()
}

func (a *answer) FlushError() error {
	a.begin()
	return a.commonWriter.FlushError()
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (a *answer) Unwrap() http.ResponseWriter { return a.commonWriter }

// The embedded writer is known to have the methods below: one word less in
// every request than to keep it twice.

type http1Answer struct{ answer }

func (a *http1Answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := a.commonWriter.(http.Hijacker).Hijack()
	if err == nil {
		a.goesOut()
	}
	if err == nil && a.code == 0 {
		a.code = http.StatusSwitchingProtocols // what is hijacked speaks another one
	}
	return conn, rw, err
}

// BodyRefused is why the rest of the request's body was refused; nil if it was not.
// net/http may have made another error of it.
func (a *http1Answer) BodyRefused() error {
	if a.conn == nil {
		return nil
	}
	if refused := a.conn.refused.Load(); refused != nil && refused.InBody {
		return refused
	}
	return nil
}

// EnableFullDuplex lets a handler read the body while it answers.
func (a *http1Answer) EnableFullDuplex() error {
	err := a.commonWriter.(http1Writer).EnableFullDuplex()
	if err == nil && a.conn != nil {
		a.conn.duplex.Store(true)
	}
	return err
}

func (a *http1Answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return a.commonWriter.(io.ReaderFrom).ReadFrom(r)
}
