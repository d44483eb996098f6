package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/history"
)

const (
	// maxStreams bounds the pages that are live at a time: of all connections,
	// most are left to probes and scrapes.
	maxStreams = 16
	// takeTimeout is how long a browser may take nothing of what it is sent.
	takeTimeout = 10 * time.Second
	// endTake is how long it may when its stream is to end: an upgrade or a stop waits
	// for that.
	endTake = 100 * time.Millisecond
	// retry is after how many milliseconds a browser asks again, retryFull when
	// there were too many.
	retry     = 1000
	retryFull = 10_000
)

// The reasons for the end of a stream, which the page puts into words.
const (
	endStop    = "stop"
	endUpgrade = "upgrade"
	endFull    = "full"
	endNone    = "none" // nobody gathers what would be sent
)

// streams are the pages that are live.
type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
	why  string        // not empty: there are to be none
	over chan struct{} // closed when all are to end
	idle chan struct{} // closed when the last of them has; nil: nobody waits for it
}

// begin takes a place for out. over is closed when it is to end; done gives the place
// back. Without a place why says the reason.
func (s *streams) begin(out *stream) (over <-chan struct{}, done func(), why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.why != "":
		return nil, nil, s.why
	case len(s.open) == maxStreams:
		return nil, nil, endFull
	}
	if s.over == nil {
		s.over, s.open = make(chan struct{}), make(map[*stream]struct{})
	}
	s.open[out] = struct{}{}
	return s.over, func() { s.done(out) }, ""
}

func (s *streams) done(out *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, out)
	if len(s.open) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// end ends all that there are, and refuses others until resume. The channel is
// closed when there are none: soon, for who does not read is not waited for.
func (s *streams) end(why string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = why
	if s.over != nil {
		close(s.over)
		s.over = nil
	}
	for out := range s.open {
		out.within(endTake)
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	if len(s.open) == 0 {
		close(s.idle)
		s.idle = nil
	}
	return idle
}

func (s *streams) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == endUpgrade {
		s.why = ""
	}
}

func (s *streams) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Pause ends the live pages' streams, for an upgrade in place, and returns when
// they have ended or ctx has. The browsers come back to the next program.
func (s *Server) Pause(ctx context.Context) {
	select {
	case <-s.streams.end(endUpgrade):
	case <-ctx.Done():
	}
}

// Resume lets there be streams again, when the upgrade came to nothing.
func (s *Server) Resume() { s.streams.resume() }

// rateOf is how many samples a second are asked for.
func rateOf(query url.Values) (int, error) {
	if !query.Has("rate") {
		return 1, nil
	}
	rate, err := strconv.Atoi(query.Get("rate"))
	if err != nil || rate < 1 || rate > history.MaxRate {
		return 0, fmt.Errorf("rate=%q is not a number of samples a second from 1 to %d", query.Get("rate"), history.MaxRate)
	}
	return rate, nil
}

// live streams to a page: the hour, what has happened, and then what comes.
func (s *Server) live(w http.ResponseWriter, r *http.Request, backend Backend) {
	rate, err := rateOf(r.URL.Query())
	if err != nil {
		reply(w, http.StatusBadRequest, err.Error())
		return
	}
	switch {
	case r.ContentLength != 0: // which nobody would read, and without a bound on reading it would be waited for
		reply(w, http.StatusBadRequest, "a stream takes no body")
		return
	case r.Header.Get("Sec-Fetch-Site") == "cross-site": // no page of another site takes a place
		reply(w, http.StatusForbidden, "the stream is for the page of this address")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	out := newStream(w)
	// The bounds of a connection are for a request that is answered at once.
	_ = out.rc.SetReadDeadline(time.Time{})
	over, done, why := s.streams.begin(out)
	if s.History == nil && why == "" {
		done()
		why = endNone
	}
	if why != "" {
		out.refuse(why)
		return
	}
	defer done()
	watch := s.History.Watch(rate)
	defer watch.End()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s.follow(ctx, out, watch, over, backend)
}

// follow sends until somebody ends it.
func (s *Server) follow(ctx context.Context, out *stream, watch *history.Watch, over <-chan struct{}, backend Backend) {
	out.retry(retry)
	out.event("hour", appendHour(nil, watch.Past, s.History.Now(), time.Now()))
	watch.Past = nil
	var happened <-chan []Event
	if s.Events != nil {
		happened = s.Events.Follow(ctx, maxEvents)
	}
	if status, err := s.shared.status(ctx, nil, s.ask, backend); err == nil {
		out.event("status", status)
	}
	for out.flush() == nil {
		select {
		case tick, goesOn := <-watch.C:
			if !goesOn { // too slow
				return
			}
			out.event("tick", s.shared.tick(tick))
			if tick.Whole == nil {
				continue
			}
			if status, err := s.shared.status(ctx, tick, s.ask, backend); err == nil {
				out.event("status", status)
			}
		case events, goesOn := <-happened:
			if !goesOn {
				return // the next stream begins with what was missed
			}
			out.event("events", appendEvents(nil, events, s.History.At))
		case <-over:
			out.event("end", strconv.AppendQuote(nil, s.streams.reason()))
			if out.flush() == nil {
				out.within(takeTimeout) // it does read: what net/http adds is not cut off
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// stream writes server-sent events.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf bytes.Buffer

	mu   sync.Mutex
	take time.Duration // how long the browser may take nothing
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, rc: http.NewResponseController(w), take: takeTimeout}
}

// within bounds what is being written, and what will be. Any goroutine may call it.
func (s *stream) within(take time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take = take
	s.limit()
}

// limit is called with the lock.
func (s *stream) limit() { _ = s.rc.SetWriteDeadline(time.Now().Add(s.take)) }

func (s *stream) retry(ms int) { fmt.Fprintf(&s.buf, "retry: %d\n\n", ms) }

// event adds one; data is one line.
func (s *stream) event(name string, data []byte) {
	s.buf.WriteString("event: ")
	s.buf.WriteString(name)
	s.buf.WriteString("\ndata: ")
	s.buf.Write(data)
	s.buf.WriteString("\n\n")
}

func (s *stream) flush() error {
	s.mu.Lock()
	s.limit()
	s.mu.Unlock()
	_, err := s.buf.WriteTo(s.w)
	if err == nil {
		err = s.rc.Flush()
	}
	if s.buf.Cap() > 64<<10 {
		s.buf = bytes.Buffer{} // the hour comes once
	}
	return err
}

// refuse says why there is no stream, and when to ask again.
func (s *stream) refuse(why string) {
	after := retry
	if why == endFull || why == endNone {
		after = retryFull
	}
	s.retry(after)
	s.event("end", strconv.AppendQuote(nil, why))
	_ = s.flush()
}
