package worker

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/internal/certs"
	"github.com/tandem-go/tandem/internal/forwarded"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// server is an http.Server that counts, and that can drain.
type server struct {
	http   *http.Server
	board  *scoreboard.Board
	logger *slog.Logger
	pace   pace
	doors  []*door
	conns  conns
	loops  sync.WaitGroup // the accept loops

	crowd  crowd
	said   said
	guards guards

	tls        *tls.Config  // nil: in clear
	certs      *certs.Store // see TLS; nil: tls is as configured
	handshakes sync.WaitGroup

	proxied  bool // see ProxyProtocol
	proxies  forwarded.Networks
	trusting bool // see TrustedProxies
	trusted  forwarded.Networks

	siblings *siblings // nil: it stands alone
	mover    mover
	moving   atomic.Bool    // a draining worker's idle connections go to siblings
	unsaid   error          // why none is moved, where that may change yet; the drain's own
	helpers  sync.WaitGroup // the back doors and the mover

	parkAfter time.Duration // see ParkAfter
	lot       *lot          // nil: nobody is parked
	hook      func(net.Conn, http.ConnState)

	base context.Context // of all requests; ends at a quick stop
	end  context.CancelFunc

	// idleMeansSilent: what an idle connection sends is a request. In HTTP/2 it may
	// be housekeeping that no request follows. Where that is spoken too, it still
	// holds for connections that speak HTTP/1.
	idleMeansSilent bool

	draining atomic.Bool
	drained  context.Context // ends when the drain begins
	begin    context.CancelFunc
	events   chan struct{} // one waiting: something changed while draining
	lastIdle moment        // when a connection last became idle while draining
}

func newServer(ctx context.Context, h http.Handler, o options, board *scoreboard.Board, sib *siblings, listeners []socket) *server {
	s := &server{
		board: board, logger: o.logger, siblings: sib, mover: newMover(),
		proxied: o.proxied, proxies: o.proxies, trusting: o.trusting, trusted: o.trusted, certs: o.certs,
		crowd:  crowd{Limits: o.limits.settled()},
		guards: o.guards, parkAfter: o.parkAfter,
		conns:  conns{set: map[*conn]struct{}{}},
		events: make(chan struct{}, 1),
	}
	s.pace = s.crowd.pace()
	s.drained, s.begin = context.WithCancel(context.Background())
	values := context.WithValue(context.WithoutCancel(ctx), drainingKey{}, s.drained.Done())
	s.base, s.end = context.WithCancel(values)
	for _, l := range listeners {
		s.doors = append(s.doors, &door{socket: l, server: s, label: l.Addr().Network() + "://" + l.Addr().String()})
	}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    headerBytes(&o.guards.clear),
		ErrorLog:          s.said.http.logger(o.logger),
	}
	for _, configure := range o.configure {
		configure(s.http)
	}
	if s.http.Protocols == nil && s.http.TLSNextProto == nil {
		s.http.Protocols = new(http.Protocols)
		s.http.Protocols.SetHTTP1(true)
		s.http.Protocols.SetHTTP2(true)
		s.http.Protocols.SetUnencryptedHTTP2(true)
	}
	s.boundHTTP2()
	s.surround()
	return s
}

// surround puts handler, hook and base context of ours around those that the
// http.Server has.
func (s *server) surround() {
	inner := s.http.Handler
	if inner == nil {
		inner = http.DefaultServeMux
	}
	s.http.Handler = newHandler(s, inner)
	hook := s.http.ConnState
	s.hook = hook
	s.http.ConnState = func(c net.Conn, state http.ConnState) {
		s.connState(c, state)
		if !hidden(c, state) && hook != nil {
			hook(c, state)
		}
		s.hooked(c, state)
	}
	if theirs := s.http.BaseContext; theirs == nil {
		s.http.BaseContext = func(net.Listener) context.Context { return s.base }
	} else {
		for _, d := range s.doors {
			d.context = sync.OnceValue(func() context.Context {
				ctx := context.WithValue(theirs(d), drainingKey{}, s.drained.Done())
				ctx, end := context.WithCancel(ctx)
				context.AfterFunc(s.base, end)
				return ctx
			})
		}
		s.http.BaseContext = func(l net.Listener) context.Context {
			if back, ok := l.(*backDoor); ok {
				return back.door.context()
			}
			return l.(*door).context()
		}
	}
	connContext := s.http.ConnContext
	s.http.ConnContext = func(ctx context.Context, hooked net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, hooked)
		}
		if c := connOf(hooked); c != nil {
			ctx = context.WithValue(ctx, connKey{}, c)
		}
		return ctx
	}
	s.encrypt()
	h2c := s.http.Protocols != nil && s.http.Protocols.UnencryptedHTTP2()
	s.guards.clear.H2C = h2c
	s.idleMeansSilent = s.tls == nil && !h2c
}

// serve starts the accept loops. The channel has room for what each of them may
// end with.
func (s *server) serve() <-chan error {
	failed := make(chan error, len(s.doors))
	s.openParking()
	s.openBackDoors()
	for _, d := range s.doors {
		s.loops.Go(func() {
			var err error
			if s.tls != nil {
				err = s.front(d)
			} else {
				err = s.http.Serve(d)
			}
			if err := serveErr(err); err != nil {
				failed <- err
			}
		})
	}
	return failed
}

func (s *server) connState(hooked net.Conn, state http.ConnState) {
	c := connOf(hooked)
	if c == nil {
		return
	}
	switch state {
	case http.StateNew:
		if c.outer == nil {
			c.outer = hooked
			s.opened(c)
		}
	case http.StateActive:
		c.state.Store(busy)
		if c.nudged.Load() != notNudged {
			c.settle() // nobody may read on it for long
		}
	case http.StateIdle:
		if c.spoke1.Load() { // else its reader is another goroutine
			c.guard.Answered()
			c.spent = 0
			c.duplex.Store(false)
		}
		c.requests.Add(1)
		c.since.set(time.Now())
		c.state.Store(idle)
		if s.draining.Load() {
			s.lastIdle.set(time.Now())
			if s.moving.Load() {
				s.mover.add(c)
			}
			s.moved()
		}
	case http.StateHijacked:
		c.guard.Release()
		c.state.Store(hijacked)
		s.moved()
	}
}

// opened counts a connection among those of this worker.
func (s *server) opened(c *conn) {
	s.board.Opened()
	s.siblings.opened()
	s.conns.add(c)
	if c.adopted {
		s.lastIdle.set(time.Now()) // its time begins, where nobody else is to serve it
		s.siblings.arriving.Add(-1)
		if s.moving.Load() {
			s.mover.add(c)
		}
		s.moved()
	}
}

// hooked is connState after the user's hook.
func (s *server) hooked(hooked net.Conn, state http.ConnState) {
	c := connOf(hooked)
	if c == nil {
		return
	}
	switch state {
	case http.StateNew:
		c.served.Store(true)
	case http.StateIdle:
		c.awaited.Store(deadlineOfWait)
	case http.StateClosed:
		c.awaited.Store(nothing)
		s.letGo(c)
	default:
		c.awaited.Store(nothing)
	}
}

// connOfRequest is the connection that a request has come on, nil for one that did
// not come by a door.
func connOfRequest(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// connOf is the connection that the http.Server knows by that name, nil for one
// that did not come by a door.
func connOf(hooked net.Conn) *conn {
	switch t := hooked.(type) {
	case *secure:
		return t.conn
	case *tls.Conn:
		hooked = t.NetConn()
	}
	c, _ := hooked.(*conn)
	return c
}

// moved wakes the drain to look again.
func (s *server) moved() {
	if s.draining.Load() {
		select {
		case s.events <- struct{}{}:
		default:
		}
	}
}
