// Package strict is the load client that believes nothing. Its invariant: every
// request is sent exactly once, is never retried, and ends in exactly one
// [Outcome]; a connection that was accepted and did not bring the whole, right
// answer is a loss. It speaks HTTP/1.1 on plain sockets, because an ordinary
// client hides the very faults that a reload can cause.
//
//	run := strict.Start(ctx, strict.Load{
//		Addr:     "127.0.0.1:8000",
//		Duration: 5 * time.Second,
//		Groups:   []strict.Group{{Mode: strict.Kept, Clients: 16, Target: "/echo/", Check: strict.EchoJSON}},
//	})
//	report := run.Wait()
//	if err := report.Err(); err != nil { … }
//
// Tests, benchmarks and supervisor verify-reload are its users. Nothing in it runs in
// a supervisor that serves.
package strict

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Mode is the way a client uses its connection.
type Mode string

// The modes of a [Group].
const (
	// Short opens a connection for each request and asks for it to be closed.
	Short Mode = "short"
	// Kept sends one request after the other on a connection kept alive. When
	// the server closes it between two requests the client opens another.
	Kept Mode = "kept"
	// Upload is Short with a body that trickles in over Group.Pace.
	Upload Mode = "upload"
)

// Outcome is what became of one request.
type Outcome string

// The outcomes. Every request has exactly one.
const (
	// OK is a whole answer to this very request, in time.
	OK Outcome = "ok"
	// Late is OK but slower than Load.LateAfter.
	Late Outcome = "late"
	// Lost means that the connection was accepted and the answer did not come,
	// not whole, not in Load.Timeout, or with a status not asked for.
	Lost Outcome = "lost"
	// Wrong is a whole answer that is not the answer to this request.
	Wrong Outcome = "wrong"
	// Doubled means that more came than one answer.
	Doubled Outcome = "doubled"
	// Refused means that no connection came about, so nothing was accepted.
	Refused Outcome = "refused"
	// Fault is a failure on the client's own side (no port or descriptor
	// left): the run proves nothing.
	Fault Outcome = "fault"
)

// Group is a number of clients that all do the same.
type Group struct {
	Mode    Mode
	Clients int
	// Target is the request target. The id of the request is added as the
	// query parameter "id", unless Plain is set. It is in X-Request-Id in any case.
	Target string
	Plain  bool
	// Method is POST when there is a body and GET otherwise, unless set.
	Method string
	// Body is the least length of the request's body in bytes. A body begins
	// with the id. 0 sends none, except for Upload.
	Body int
	// JSON makes the body of the request with that id, sent as JSON. Body is not
	// heeded then.
	JSON func(id string) string
	// ThinkMin and ThinkMax bound the pause between two requests of a client.
	ThinkMin, ThinkMax time.Duration
	// Blind clients send without a look at whether the server has ended the
	// idle connection, as one behind a long wire cannot know. A request that
	// meets a closed connection is then lost. For Kept.
	Blind bool
	// Pace is how long Upload takes over a body.
	Pace time.Duration
	// Rate, when above 0, makes the group an open loop: so many requests a
	// second over all its clients, at times fixed beforehand. Latency then
	// counts from the intended time, so that a stall is not hidden by the
	// requests that it kept from being sent. Think times are ignored.
	// Load.Backlog bounds what a client makes up for after one.
	Rate float64
	// Check says whether the answer is right. Nil accepts what has an
	// expected status.
	Check func(Answer) error
	// Accept says which statuses were asked for. Nil means 200 to 399.
	Accept func(status int) bool
	// Tag names who answered, say a worker's id. The last tag of a
	// connection is reported with its loss.
	Tag func(Answer) string
}

// Load describes one run. It is always bounded: by Duration, and by Requests
// when that is above 0.
type Load struct {
	// Addr is host:port, or unix:/path.
	Addr   string
	Groups []Group
	// TLS, when set, is spoken on each connection. It should offer HTTP/1.1 alone.
	TLS *tls.Config
	// Host and UserAgent are headers of each request; "strict.test" and "strict"
	// unless set.
	Host, UserAgent string
	// Unframed accepts answers that end with their connection. Whether such a one
	// was cut cannot be seen; without it they are Lost.
	Unframed bool
	// Duration ends the sending; what is in flight is waited for. Default 5 s.
	Duration time.Duration
	// Requests bounds the number sent in all.
	Requests int
	// Timeout bounds one request from connect to the answer's last byte.
	// Default 10 s.
	Timeout time.Duration
	// LateAfter makes slower answers Late. 0 means never.
	LateAfter time.Duration
	// Backlog, when above 0, is how many requests whose times have passed a client of
	// a group with a Rate makes up for. Those before them are not sent, and counted in
	// Report.Unsent: a client that catches up with a whole stall does so in a burst, which may
	// itself be what a server fails at.
	Backlog int
	// EndWhenRefused ends each client at its first refusal. Without it a
	// refused client tries again after RefusedPause.
	EndWhenRefused bool
	// RefusedPause is 5 ms unless set.
	RefusedPause time.Duration
	// Observe, when set, is told of the end of each request, with its answer if one
	// came whole. It is called from many goroutines at once and must not block.
	Observe func(Event, *Answer)
	// IdleClosed, when set, is told of each connection that the server ended between
	// two requests, like Observe.
	IdleClosed func(Closing)
}

// Closing is the end of a connection that waited for its next request.
type Closing struct {
	Time time.Time     // when it was noticed
	Idle time.Duration // for how long it had been unused then
	Nth  int           // requests that were sent on it
}

func (l Load) withDefaults() Load {
	if l.Duration <= 0 {
		l.Duration = 5 * time.Second
	}
	if l.Timeout <= 0 {
		l.Timeout = 10 * time.Second
	}
	if l.RefusedPause <= 0 {
		l.RefusedPause = 5 * time.Millisecond
	}
	if l.Host == "" {
		l.Host = "strict.test"
	}
	if l.UserAgent == "" {
		l.UserAgent = "strict"
	}
	return l
}

// Running is a load under way. Its methods may be called from any goroutine.
type Running struct {
	rec   *recorder
	stop  context.CancelFunc
	ended chan struct{}
}

// Start begins the load and returns at once. Ending ctx cuts requests in
// flight short; they are then not counted.
func Start(ctx context.Context, l Load) *Running {
	l = l.withDefaults()
	sending, cancel := context.WithTimeout(ctx, l.Duration)
	r := &Running{rec: newRecorder(l), ended: make(chan struct{})}
	stop := func() {
		r.rec.stopSending(time.Now())
		cancel()
	}
	r.stop = stop
	prefix := fmt.Sprintf("%08x", rand.Uint32())
	var all sync.WaitGroup
	for gi, g := range l.Groups {
		for ci := range g.Clients {
			c := &client{
				load: l, group: g, rec: r.rec, index: ci,
				id:  fmt.Sprintf("%s-%d-%d", prefix, gi, ci),
				rng: rand.New(rand.NewPCG(uint64(gi)+1, uint64(ci)+1)),
			}
			all.Go(func() { c.run(ctx, sending) })
		}
	}
	go func() {
		all.Wait()
		stop()
		r.rec.end()
		close(r.ended)
	}()
	return r
}

// Stop ends the sending, waits for what is in flight and returns the report.
func (r *Running) Stop() Report {
	r.stop()
	return r.Wait()
}

// Wait waits for the end of the run and returns the report.
func (r *Running) Wait() Report {
	<-r.ended
	return r.rec.report()
}

// Answered waits until n more requests were answered well than at the call. It
// is how a test waits for traffic to flow.
func (r *Running) Answered(ctx context.Context, n int) error {
	select {
	case <-r.rec.after(n):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %d answers: %w", n, ctx.Err())
	case <-r.ended:
		return fmt.Errorf("waiting for %d answers: the load has ended", n)
	}
}

// InFlight is the number of requests sent or being sent and not yet answered.
func (r *Running) InFlight() int { return int(r.rec.inFlight.Load()) }
