package worker

import (
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/http1"
)

// What a connection of HTTP/2 may take where the http.Server does not say otherwise.
const (
	// maxStreams is how many requests may be in the making at once. net/http bounds what
	// waits for a handler by four times as many: clients that reset what they have just
	// asked for are told to calm down, with a GOAWAY.
	maxStreams = 100

	// maxFrame is the size of the largest frame that is read, in bytes: the least that
	// the protocol knows, and all that most clients send. net/http takes 1 MiB and sets
	// it aside as soon as it is announced.
	maxFrame = 16 << 10

	// pingAnswer is how long a client may take to answer a ping.
	pingAnswer = 15 * time.Second
)

// boundHTTP2 bounds connections of HTTP/2 in what the configuration leaves open: streams,
// frames, the time for which nothing can be written to one, or nothing comes from it.
func (s *server) boundHTTP2() {
	theirs := s.http.HTTP2
	if theirs == nil {
		theirs = &http.HTTP2Config{}
	}
	c := *theirs
	setDefault(&c.MaxConcurrentStreams, maxStreams)
	setDefault(&c.MaxReadFrameSize, maxFrame)
	setDefault(&c.WriteByteTimeout, s.pace.stall)
	setDefault(&c.SendPingTimeout, s.pace.stall)
	setDefault(&c.PingTimeout, pingAnswer)
	s.http.HTTP2 = &c
}

// fieldOverhead is what HTTP/2 counts for a field besides its name and value (RFC 9113 6.5.2).
const fieldOverhead = 32

// headerBytes is net/http's one bound on a header: so much that what is within the limits,
// and what is not far beyond them, comes to be judged by them.
func headerBytes(l *http1.Limits) int { return l.RequestLine + l.HeaderBytes + fieldOverhead*l.Headers }

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// piece is how much of an answer is written at once, in bytes: a stream gets on when its
// client has taken so much.
const piece = 16 << 10

// pulse bounds how long a stream of HTTP/2 stands still while its handler reads or
// writes. The client holds it up by giving it no window, or nothing of a body, and
// answers pings meanwhile; below the streams all is well. Of an HTTP/1 connection
// conn and the kernel see the same.
type pulse struct {
	writer http2Writer
	server *server

	mu      sync.Mutex
	timer   *time.Timer // nil: nothing has been waited for
	armed   bool
	over    bool // the handler has returned, and the writer is net/http's again
	answers bool // the answer has begun
	reading wait
	writing wait
}

// wait is what a handler waits for.
type wait struct {
	since time.Time // zero: it does not
	spent time.Duration
	own   bool // the handler has set a deadline of its own
}

// begin begins a wait, and says whether the answer has not begun.
func (p *pulse) begin(w *wait) (before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = p.answers || w == &p.writing
	before = !p.answers
	if w.own || p.over || p.server.pace.stall == 0 {
		return before
	}
	w.since = time.Now()
	if p.armed {
		return before
	}
	left := max(0, p.server.pace.stall-w.spent)
	if p.armed = true; p.timer == nil {
		p.timer = time.AfterFunc(left, p.check)
	} else {
		p.timer.Reset(left)
	}
	return before
}

// end ends a wait that has brought, or taken, so many bytes.
func (p *pulse) end(w *wait, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.since.IsZero() {
		return
	}
	pace := p.server.pace
	if p.answers {
		pace = pace.converse()
	}
	w.spent = pace.after(w.spent, time.Since(w.since), bytes)
	w.since = time.Time{}
}

// check ends what has been waited for too long, and looks again when the rest will have been.
func (p *pulse) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	if p.over {
		return
	}
	next := time.Duration(0)
	past := time.Now().Add(-time.Second) // a deadline that has passed takes effect at once
	for _, w := range []*wait{&p.reading, &p.writing} {
		if w.since.IsZero() || w.own {
			continue
		}
		left := p.server.pace.stall - w.spent - time.Since(w.since)
		switch {
		case left > 0:
			if next == 0 || left < next {
				next = left
			}
		case w == &p.reading:
			w.since = time.Time{}
			p.server.giveUp(slowBody)
			_ = p.writer.SetReadDeadline(past)
		default:
			w.since = time.Time{}
			p.server.giveUp(slowReader)
			_ = p.writer.SetWriteDeadline(past)
		}
	}
	if next > 0 {
		p.armed = true
		p.timer.Reset(next)
	}
}

// stop is called when the handler has returned.
func (p *pulse) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (p *pulse) setOwn(w *wait, deadline time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.spent = 0
	w.own = !deadline.IsZero()
}

// pacedBody is a body of HTTP/2 whose reader is not kept waiting for ever.
type pacedBody struct {
	io.ReadCloser
	pulse *pulse
}

func (b *pacedBody) Read(p []byte) (int, error) {
	waits := b.pulse.begin(&b.pulse.reading)
	if waits {
		b.pulse.server.crowd.bodies.Add(1)
	}
	n, err := b.ReadCloser.Read(p)
	if b.pulse.end(&b.pulse.reading, n); waits {
		b.pulse.server.crowd.bodies.Add(-1)
	}
	return n, err
}

// http2Answer is the answer on a stream.
type http2Answer struct {
	answer
	pulse   pulse
	pending bool // something may be left in net/http's buffer
}

// newHTTP2Answer bounds how long a request's handler can be held up by its client.
func newHTTP2Answer(w http2Writer, r *http.Request, a answer) *http2Answer {
	two := &http2Answer{answer: a}
	two.pulse.writer, two.pulse.server = w, a.server
	if r.Body != nil && r.ContentLength != 0 {
		r.Body = &pacedBody{r.Body, &two.pulse}
		if most := a.server.guards.clear.Body; r.ContentLength < 0 && most < math.MaxInt64 { // an announced one was judged
			r.Body = http.MaxBytesReader(w, r.Body, most)
		}
	}
	return two
}

// returned is called when the handler has: what it has written last goes out after that, by
// net/http alone, with a bound that is left behind.
func (a *http2Answer) returned() {
	if a.pending && !a.pulse.writing.own && a.server.pace.stall > 0 {
		_ = a.pulse.writer.SetWriteDeadline(time.Now().Add(a.server.pace.stall))
	}
}

func (a *http2Answer) Write(b []byte) (int, error) { return inPieces(a, b, a.answer.Write) }

func (a *http2Answer) WriteString(s string) (int, error) { return inPieces(a, s, a.answer.WriteString) }

// inPieces writes b, each piece in its own time.
func inPieces[T []byte | string](a *http2Answer, b T, write func(T) (int, error)) (n int, err error) {
	a.pending = true
	for {
		a.pulse.begin(&a.pulse.writing)
		m, err := write(b[:min(piece, len(b))])
		a.pulse.end(&a.pulse.writing, m)
		n, b = n+m, b[m:]
		if err != nil || len(b) == 0 {
			return n, err
		}
	}
}

func (a *http2Answer) Flush() { _ = a.FlushError() }

func (a *http2Answer) FlushError() error {
	a.pulse.begin(&a.pulse.writing)
	err := a.answer.FlushError()
	a.pulse.end(&a.pulse.writing, piece)
	a.pending = false
	return err
}

// SetReadDeadline sets the handler's own bound, in place of ours.
func (a *http2Answer) SetReadDeadline(deadline time.Time) error {
	a.pulse.setOwn(&a.pulse.reading, deadline)
	return a.pulse.writer.SetReadDeadline(deadline)
}

// SetWriteDeadline sets the handler's own bound, in place of ours.
func (a *http2Answer) SetWriteDeadline(deadline time.Time) error {
	a.pulse.setOwn(&a.pulse.writing, deadline)
	return a.pulse.writer.SetWriteDeadline(deadline)
}

func (a *http2Answer) Push(target string, opts *http.PushOptions) error {
	return a.commonWriter.(http.Pusher).Push(target, opts)
}
