package worker

import (
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/http1"
)

// Limits bound what clients can make a worker hold. Zero is the default of each.
type Limits struct {
	// RequestLine bounds a request line, in bytes: 16 KiB, answered 414.
	// HeaderLine bounds one field of its header, HeaderBytes all of them together, and
	// HeaderFields their number: 16 KiB, 64 KiB and 128, answered 431. A request of
	// HTTP/2 is as long as it would be in HTTP/1.
	RequestLine, HeaderLine, HeaderBytes, HeaderFields int

	// Body bounds a request's body, in bytes; by default there is no bound here, since a
	// handler knows better (see view.BodyLimit). Where its length is announced the
	// answer is 413 and its handler does not hear of it; else reading it fails with
	// an [*http.MaxBytesError].
	Body int64

	// Stall is how long a client may send nothing of a body that is waited for, or take
	// nothing of an answer: a minute. Time in which its handler does not read or write, as
	// of a stream that has nothing to say, is not counted; a deadline that a handler sets
	// itself takes the place of both this and Rate.
	Stall time.Duration

	// Rate is what a client must send of a body in the long run, in bytes a second: 100.
	// Each second of waiting spends one of Stall, and so many bytes give it back. It
	// does not hold while the answer has begun and its body still comes.
	Rate int

	// Connections is how many may be open, 7/8 of the descriptors that the process
	// may have and at most 32,768. A few more are let in to be told: each of their
	// requests is answered 503, but for those that Exempt names, and what comes
	// beyond these is answered so without having been read, or, over TLS, closed.
	// Less than zero is no bound, here and with InFlight, Stall and Rate.
	Connections int

	// InFlight is how many requests may wait for their answer's beginning, 16,384. One more
	// is answered 503 at once. Streams, event streams and WebSockets have begun theirs. Those that
	// wait for more of their body do not count; of them there may be half as many besides.
	InFlight int

	// RetryAfter is what such an answer tells the client to wait, one second; whole seconds.
	RetryAfter time.Duration

	// Exempt says which requests are served all the same, as those that ask whether
	// the worker is well must be: nil is the paths /healthz, /livez and /readyz.
	Exempt func(*http.Request) bool
}

const (
	longestStall    = time.Minute
	leastRate       = 100
	mostConnections = 1 << 15
	mostInFlight    = 1 << 14
	// telling is how many connections beyond the bound are let in to be told.
	telling = 256
)

// Limit sets the bounds. Given twice, the last one counts.
func Limit(l Limits) Option { return func(o *options) { o.limits = l } }

// guards are the limits of the guard of a connection, in clear and over TLS.
func (l Limits) guards() (guards, error) {
	limits, err := http1.Limits{RequestLine: l.RequestLine, HeaderLine: l.HeaderLine, HeaderBytes: l.HeaderBytes, Headers: l.HeaderFields, Body: l.Body}.Complete()
	if err != nil {
		return guards{}, fmt.Errorf("worker.Limits: %w", err)
	}
	return guards{clear: limits, encrypted: limits}, nil
}

// settled are limits without a zero.
func (l Limits) settled() Limits {
	if l.Connections == 0 {
		l.Connections = mostConnections
		var files unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Cur < mostConnections/7*8 {
			l.Connections = max(1, int(files.Cur)/8*7)
		}
	}
	if l.Stall == 0 {
		l.Stall = longestStall
	}
	if l.Rate == 0 {
		l.Rate = leastRate
	}
	if l.InFlight == 0 {
		l.InFlight = mostInFlight
	}
	if l.RetryAfter <= 0 {
		l.RetryAfter = time.Second
	}
	if l.Exempt == nil {
		l.Exempt = asksForHealth
	}
	return l
}

// pace is that of clients, of limits that are settled.
func (l Limits) pace() pace { return pace{stall: max(0, l.Stall), rate: max(0, l.Rate)} }

func asksForHealth(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/livez", "/readyz":
		return true
	}
	return false
}
