package view

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What [Events] does where no option says otherwise.
const (
	DefaultHeartbeat = 15 * time.Second
	DefaultReconnect = time.Second // see Reconnect
)

const (
	lastEvents = 2 * time.Second  // how long a sequence may go on when the worker drains
	eventWrite = 30 * time.Second // how long the client may take for one event, at most
	// eventSpare is how much of eventWrite may be gone when an event is written: the
	// deadline of a stream that talks a lot is not moved at each of its events.
	eventSpare = 5 * time.Second
)

// Event is one server-sent event.
type Event struct {
	ID    string        // what the client names when it comes back, see [Request.LastEventID]; "": none
	Event string        // its name; "": message
	Data  string        // of as many lines as it has; without data and name nothing is dispatched
	Retry time.Duration // how long the client waits before it comes back, from now on; 0: as before

	// Comment is for whoever looks at the stream; the client skips it.
	Comment string
}

// newlines makes all that ends a line in an event stream one thing.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// append adds the event in the form of the WHATWG's standard.
func (e Event) append(b []byte) ([]byte, error) {
	switch {
	case strings.ContainsAny(e.ID, "\r\n\x00"):
		return b, fmt.Errorf("event with the id %q: an id has no line breaks and no NUL", e.ID)
	case strings.ContainsAny(e.Event, "\r\n"):
		return b, fmt.Errorf("event with the name %q: a name has no line breaks", e.Event)
	case e.Retry < 0:
		return b, fmt.Errorf("event with the retry %v: it is in the past", e.Retry)
	}
	field := func(name, value string) {
		if strings.IndexByte(value, '\r') >= 0 {
			value = newlines.Replace(value)
		}
		for line := range strings.SplitSeq(value, "\n") {
			b = append(append(append(append(b, name...), ": "...), line...), '\n')
		}
	}
	if e.Comment != "" {
		field("", e.Comment)
	}
	if e.ID != "" {
		field("id", e.ID)
	}
	if e.Event != "" {
		field("event", e.Event)
	}
	if e.Retry > 0 {
		field("retry", strconv.FormatInt(max(1, e.Retry.Milliseconds()), 10))
	}
	if e.Data != "" || e.Event != "" {
		field("data", e.Data)
	}
	return append(b, '\n'), nil
}

// LastEventID is the ID of the last event that the client of [Events] has seen
// when it comes back; "" if there is none.
func (r *Request) LastEventID() string { return r.http.Header.Get("Last-Event-Id") }

type events struct {
	all       iter.Seq2[Event, error]
	heartbeat time.Duration
	reconnect time.Duration
}

// EventsOption configures [Events].
type EventsOption func(*events)

// Heartbeat is how long the stream may be silent before a comment is sent, so that
// nobody in between takes it for dead; 0: for ever.
func Heartbeat(d time.Duration) EventsOption {
	return func(e *events) { e.heartbeat = max(0, d) }
}

// Reconnect is how long clients wait before they come back when the worker drains:
// from d to three times d, each another time, so that they do not come all at once.
func Reconnect(d time.Duration) EventsOption {
	return func(e *events) { e.reconnect = max(0, d) }
}

// Events answers with server-sent events, each flushed to the client before the
// next is asked for. The sequence runs on the request's goroutine, after all
// middleware has returned. It is stopped when the client goes away, or takes
// no event for 25 to 30 seconds. While it is silent a comment is sent every 15
// seconds.
//
// When the worker drains the request's ctx ends, with the cause [ErrDraining]. What
// the sequence yields in the 2 seconds after that still goes out; then the client
// is told when to come back, and the response ends as a whole one. That waits for
// the sequence to return or to yield, so one that waits must watch the ctx.
//
// An error before the first event becomes a response, a later one cuts the
// connection, as with [Stream]: the header goes out with the first event or
// heartbeat. A HEAD request is answered at once, and the sequence does not run.
func Events(all iter.Seq2[Event, error], opts ...EventsOption) Response {
	e := &events{all: all, heartbeat: DefaultHeartbeat, reconnect: DefaultReconnect}
	for _, o := range opts {
		o(e)
	}
	return e
}

// Respond runs the sequence.
func (e *events) Respond(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	was := h.Clone()
	h["Content-Type"] = []string{"text/event-stream"}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache, no-transform"}
	}
	h["X-Accel-Buffering"] = []string{"no"} // nginx would hold the events back
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	s := &eventStream{w: w, rc: http.NewResponseController(w), ctx: r.Context(), every: e.heartbeat, drain: drainOf(w)}
	whole := false
	defer func() {
		if !whole && !s.begun { // it failed or panicked, and becomes an answer of another kind
			clear(h)
			maps.Copy(h, was)
		}
	}()
	err := s.run(e)
	whole = err == nil
	return err
}

// eventStream is a response that is written by its sequence, and by a timer while
// that is silent.
type eventStream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	ctx   context.Context // the request's
	drain context.Context // nil: no worker
	every time.Duration

	mu    sync.Mutex // held while something is written
	beat  *time.Timer
	begun bool
	over  bool
	err   error     // of writing
	spoke time.Time // when the last writing began
	taken time.Time // the deadline of writing
	until time.Time // when the sequence has had its time to say goodbye; zero while nobody drains
	buf   []byte
}

func (s *eventStream) run(e *events) error {
	if s.every > 0 {
		s.mu.Lock()
		s.spoke = time.Now()
		s.beat = time.AfterFunc(s.every, s.heartbeat)
		s.mu.Unlock()
	}
	if s.drain != nil {
		defer context.AfterFunc(s.drain, s.goodbye)()
	}
	defer s.end()
	for event, err := range e.all {
		if err == nil {
			err = s.gone()
		}
		if err == nil {
			err = s.write(event)
		}
		late, draining := s.drains()
		switch {
		case draining && (errors.Is(err, ErrDraining) || errors.Is(err, context.Canceled)):
			late = true // it says that it has ended for that
		case err != nil:
			return fmt.Errorf("event stream: %w", err)
		}
		if late {
			break
		}
	}
	if s.drain == nil || s.drain.Err() == nil {
		return nil
	}
	if err := s.write(Event{Retry: e.reconnect + rand.N(2*e.reconnect+1)}); err != nil {
		return fmt.Errorf("end an event stream: %w", err)
	}
	return nil
}

// gone is why there is nobody to write for; nil if there is, also while the worker drains.
func (s *eventStream) gone() error {
	if cause := context.Cause(s.ctx); !errors.Is(cause, ErrDraining) {
		return cause
	}
	return nil
}

// goodbye ends the request's ctx.
func (s *eventStream) goodbye() {
	s.mu.Lock()
	s.until = time.Now().Add(lastEvents)
	s.mu.Unlock()
	if o, ok := told[interface{ cancel(cause error) }](s.w); ok {
		o.cancel(ErrDraining)
	}
}

func (s *eventStream) drains() (late, draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	draining = !s.until.IsZero()
	return draining && time.Now().After(s.until), draining
}

// write sends an event.
func (s *eventStream) write(e Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.buf, err = e.append(s.buf[:0]); err != nil {
		return err
	}
	return s.flush()
}

// flush sends what is in buf, with the lock held.
func (s *eventStream) flush() error {
	if s.err != nil {
		return s.err
	}
	now := time.Now()
	s.begun, s.spoke = true, now
	if s.taken.Sub(now) < eventWrite-eventSpare {
		s.taken = now.Add(eventWrite)
		_ = s.rc.SetWriteDeadline(s.taken) // not every writer can
	}
	if _, s.err = s.w.Write(s.buf); s.err == nil {
		s.err = s.rc.Flush()
	}
	return s.err
}

// heartbeat is called when the stream may have been silent for long enough. Its timer
// is not moved at each event: it looks when the last one was.
func (s *eventStream) heartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	silent := time.Since(s.spoke)
	if silent >= s.every {
		silent = 0
		s.buf = append(s.buf[:0], ":\n\n"...)
		if s.flush() != nil {
			return // the sequence is told by its ctx, or at its next event
		}
	}
	s.beat.Reset(s.every - silent)
}

// end waits for a heartbeat that is being sent; there is none after it.
func (s *eventStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.beat != nil {
		s.beat.Stop()
	}
	if s.begun {
		_ = s.rc.SetWriteDeadline(time.Time{}) // it would be the next request's
	}
}
