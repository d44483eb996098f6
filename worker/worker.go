// Package worker makes a Go program a good worker process: one of several that
// share a listening socket under a supervisor, or a server of its own.
//
// Invariant: a request that reached this process is answered. Once it is asked
// to go it empties the accept queue, finishes what it has begun and hands its
// idle connections to siblings, which go on serving them. What cannot move, or
// has nobody to go to, is told "Connection: close", served for a while yet, and
// only then closed; DrainTimeout bounds all of it.
//
// Smallest use:
//
//	func main() {
//		if err := worker.Run(context.Background(), http.DefaultServeMux); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A client that sends nothing of a body it has announced for a minute, or takes
// nothing of an answer, is given up, and so is one that dribbles, see [Limits]; a
// slow one that gets on is not.
//
// The protocol is systemd's: LISTEN_FDS, NOTIFY_SOCKET and WATCHDOG_USEC, so
// that systemd itself can be the supervisor. Without any of it Run listens on
// Addr, which is how a program is tried out in a terminal.
//
// TERM, the end of Run's context and the supervisor's death begin a drain; INT
// and QUIT end the process at once; ABRT is left to Go, which prints every
// goroutine. SIGPIPE is ignored: a log reader that went away takes no server
// with it.
package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// quickGrace is how long a quick stop leaves to handlers whose context has
// ended and whose connections are closed.
const quickGrace = 100 * time.Millisecond

// DrainError is Run's error when the drain took longer than DrainTimeout.
type DrainError struct {
	Requests    int           // requests that were being handled and were cut off
	Connections int           // connections that were closed in the middle of one, half-sent requests among them
	After       time.Duration // the timeout
}

func (e *DrainError) Error() string {
	return fmt.Sprintf("drain: cut %d requests in flight and closed %d connections after %v; "+
		"handlers end sooner when they watch worker.Draining, or DrainTimeout may be longer", e.Requests, e.Connections, e.After)
}

// Run serves h until the process is asked to go, and returns nil after a drain
// that lost nothing or after a quick stop, a *DrainError after one that was cut
// short, and another error when it could not start or stop what it was to, or serve.
//
// The sockets are those that the supervisor handed over, and else one on Addr. What
// [Lifespan], [Background] and [Handler] give is started before it serves.
// When ctx ends Run drains, as on TERM; the context of requests keeps ctx's
// values but ends only when the process stops at once. Run takes the variables
// of the protocol out of the environment, and owns the process's TERM, INT and
// QUIT while it runs. One Run at a time: a second one finds no sockets. A handler
// with a method Settle(), as a view.App, has it called before it is said to be ready.
func Run(ctx context.Context, h http.Handler, opts ...Option) error {
	o := settings(opts)
	var err error
	if o.guards, err = o.limits.guards(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(signals)
	ignoreSIGPIPE()
	keepFloor()

	env, err := takeEnvironment()
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if o.certs, err = o.openCertificates(); err != nil {
		env.close()
		return fmt.Errorf("worker: %w", err)
	}
	listeners, err := env.listen(ctx, o.addr)
	if err != nil {
		env.close()
		return fmt.Errorf("worker: %w", err)
	}
	o = o.within(env.graceful).bootWithin(env.boot, time.Since(processBegan))
	run := &run{
		options: o, env: env, handler: h, watchdog: env.watchdog, share: atStart,
		gone: make(chan struct{}), quick: make(chan struct{}), values: context.WithoutCancel(ctx),
	}
	run.serving, run.leave = context.WithCancel(run.values)
	return run.run(ctx, signals, listeners)
}

// run is one call of Run.
type run struct {
	options
	env      *environment
	handler  http.Handler
	server   *server
	watchdog time.Duration
	gone     chan struct{} // closed when the supervisor is
	quick    chan struct{} // closed when everything is to end at once
	because  string        // of quick, before that is closed
	share    share
	helpers  sync.WaitGroup

	values  context.Context // those of Run's ctx; it does not end
	serving context.Context // ends when the drain begins, or a quick stop
	leave   context.CancelFunc
	begun   []begun // what has started, in this order
}

func (r *run) run(ctx context.Context, signals <-chan os.Signal, listeners []socket) error {
	ended := make(chan struct{})
	got := given{board: scoreboard.Local()}
	if r.env.channel != nil {
		got = r.greet()
	}
	defer func() {
		close(ended)
		r.env.close() // ends the channel's reader
		r.leave()
		if r.server != nil {
			r.server.end()
		}
		r.helpers.Wait()
		got.siblings.close()
		if r.server != nil {
			r.server.helpers.Wait()
			r.server.handshakes.Wait()
			r.server.said.rest(r.logger, true)
		}
		_ = got.board.Close()
	}()
	asked := r.wait(ctx, signals, ended)
	if started, err := r.start(asked); !started {
		for _, l := range listeners {
			_ = l.Close()
		}
		return err
	}
	if app, ok := r.handler.(interface{ Settle() }); ok {
		app.Settle()
	}
	r.server = newServer(ctx, r.handler, r.options, got.board, got.siblings, listeners)
	return r.serve(asked, ended)
}

// serve serves until the end of a drain, and has called the stop functions then.
func (r *run) serve(asked <-chan string, ended <-chan struct{}) error {
	failed := r.server.serve()
	for _, d := range r.server.doors {
		r.logger.Info("serving", "addr", d.Addr().Network()+"://"+d.Addr().String(), "pid", os.Getpid())
	}
	if r.server.siblings != nil {
		r.server.join()
		r.helpers.Go(func() { r.server.remain(ended) })
	}
	r.notify("READY=1\nSTATUS=serving")
	r.helpers.Go(func() { r.vitals(ended) })
	r.helpers.Go(func() { r.beat(ended) })
	if r.certs != nil {
		r.helpers.Go(func() { r.certs.Watch(ended) })
	}

	reason, err := "", error(nil)
	select {
	case reason = <-asked:
	case <-r.quick:
		r.stop()
		return r.finish(time.Now())
	case err = <-failed:
		reason, err = "a listener failed", fmt.Errorf("worker: accept: %w", err)
	}
	r.logger.Info("draining", "because", reason, "in_flight", r.server.board.Brief().InFlight)
	r.notify(fmt.Sprintf("STOPPING=1\nSTATUS=draining: %s", reason))
	r.leave()
	drained := make(chan error, 1)
	until := time.Now().Add(r.drainTimeout)
	patience, hurry := context.WithDeadline(r.values, until)
	defer hurry()
	r.helpers.Go(func() { drained <- r.drain(patience) })
	select {
	case <-r.quick:
		hurry()
		r.server.end() // which the drain sees, and leaves the rest to stop
		cut := <-drained
		r.stop()
		return errors.Join(err, cut, r.finish(time.Now()))
	case cut := <-drained:
		if cut != nil {
			r.logger.Error("drained", "error", cut)
		} else {
			r.logger.Info("drained", "requests", r.server.board.Brief().Requests)
		}
		return errors.Join(err, cut, r.finish(until))
	}
}

// wait sends on its result what asks for a drain, once, and closes quick when
// something asks for the end.
func (r *run) wait(ctx context.Context, signals <-chan os.Signal, ended <-chan struct{}) <-chan string {
	drain := make(chan string, 1)
	r.helpers.Go(func() {
		done, gone := ctx.Done(), r.gone
		ask := func(reason string) {
			select {
			case drain <- reason:
			default: // asked already; a second time changes nothing
			}
		}
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGTERM {
					ask("TERM")
					continue
				}
				r.because = s.String()
				close(r.quick)
				return
			case <-done:
				ask("the context ended")
				done = nil
			case <-gone:
				ask("the supervisor is gone")
				gone = nil
			case <-ended:
				return
			}
		}
	})
	return drain
}

// stop ends everything now: contexts, connections, and this call soon after.
func (r *run) stop() {
	r.notify("STOPPING=1\nSTATUS=stopping at once: " + r.because)
	cut := r.server.close(quickGrace)
	r.logger.Info("stopped at once", "because", r.because, "cut", cut)
}

// notify tells the supervisor; that it cannot be told is worth a record, and
// nothing else: if it is gone the channel says so.
func (r *run) notify(state string) {
	if err := notify.Send(r.env.notify, state); err != nil {
		r.logger.Warn("the supervisor was not told", "state", state, "error", err)
	}
}

// greet waits for the supervisor's hello and answers it. A worker that does not
// get one, or one of another version, serves all the same and is only counted
// by nobody.
func (r *run) greet() given {
	first := make(chan given, 1)
	r.helpers.Go(func() { r.listenToSupervisor(first) })
	timer := time.NewTimer(helloTimeout)
	defer timer.Stop()
	select {
	case got := <-first:
		if got.board != nil {
			return got
		}
	case <-timer.C:
		r.logger.Warn("no hello on the supervisor's channel, going on without a scoreboard", "after", helloTimeout)
	}
	return given{board: scoreboard.Local()}
}

// given is what comes with the supervisor's hello.
type given struct {
	board    *scoreboard.Board // nil: the hello was none
	siblings *siblings
}

func (g given) close() {
	if g.board != nil {
		_ = g.board.Close()
	}
	g.siblings.close()
}

// helloTimeout bounds the wait for a message that the supervisor sends before
// the worker's first instruction.
const helloTimeout = 5 * time.Second

// listenToSupervisor reads the channel to its end. It sends on first exactly
// once: what a good hello gave, or nothing.
func (r *run) listenToSupervisor(first chan<- given) {
	defer close(r.gone)
	answered := false
	answer := func(got given) {
		if answered {
			got.close()
			return
		}
		answered = true
		first <- got
	}
	defer answer(given{})
	for {
		m, fds, err := r.env.channel.Receive()
		switch {
		case errors.Is(err, channel.ErrMessage):
			r.logger.Warn("a message of the supervisor was not understood", "error", err)
			if m.Type != channel.Hello {
				continue
			}
			answer(given{})
		case err != nil:
			return // the end, and here the reason makes no difference
		case m.Type == channel.Share:
			channel.Discard(fds)
			r.share.become(r.logger, m)
			continue
		case m.Type == channel.Tickets:
			channel.Discard(fds)
			r.takeTickets(m.TicketKeys)
			continue
		default:
			answer(r.open(m, fds))
		}
		if err := r.env.channel.Send(channel.Greeting()); err != nil {
			r.logger.Warn("the supervisor's hello was not answered", "error", err)
		}
	}
}

// open takes what came with a hello, and closes what it does not know.
func (r *run) open(hello channel.Message, fds []int) (got given) {
	r.takeTickets(hello.TicketKeys)
	fd, rest := hello.Take(fds, channel.Scoreboard)
	got.siblings, rest = openSiblings(r.logger, hello, rest, r.gone)
	channel.Discard(rest)
	if fd < 0 {
		r.logger.Warn("the supervisor's hello came without a scoreboard")
		got.board = scoreboard.Local()
		return got
	}
	var err error
	if got.board, err = scoreboard.Open(fd); err != nil {
		r.logger.Warn("going on without a scoreboard", "error", err)
		_ = syscall.Close(fd)
		got.board = scoreboard.Local()
	}
	return got
}

type drainingKey struct{}

// Draining is closed when the worker begins to drain: what has no end of its
// own, a stream, server-sent events, a WebSocket, ends then and lets its client
// come back to another worker. ctx is a request's context or one made from it.
// Outside of a worker the result is nil, which never becomes ready: the same
// select works there and waits for its other cases.
func Draining(ctx context.Context) <-chan struct{} {
	draining, _ := ctx.Value(drainingKey{}).(<-chan struct{})
	return draining
}

// serveErr is what ended a listener, nil when that was wanted.
func serveErr(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
