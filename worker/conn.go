package worker

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/http1"
)

// What a connection is doing. It is closed without loss while it is silent or
// idle, and at no other time.
const (
	silent   int32 = iota // accepted, and nothing has come
	busy                  // a request is being read, handled or answered
	idle                  // answered, and nothing has come since
	hijacked              // its handler's own, a WebSocket
	moving                // being handed to a sibling
	leaving               // closed by the drain, or a sibling's by now
	parking               // not net/http's any more, which is about to say so
	parked                // nobody's, in the lot
)

// conn is an accepted connection that knows what it is doing. net/http counts it
// as idle until a whole header has come; here the first byte ends that.
type conn struct {
	net.Conn
	server *server
	state  atomic.Int32
	closed atomic.Bool
	timed  atomic.Bool // net/http or a handler has set a read deadline of its own
	gaveUp atomic.Bool // waiting for the rest of a body
	tired  atomic.Bool // it was said that the client is given up
	duplex atomic.Bool // the request is answered while its body still comes
	outer  net.Conn    // what http.Server calls it: itself, or TLS around it. Set before it is served

	door      *door
	requests  atomic.Uint64 // answered
	since     moment        // when the last one was, or when it was accepted
	remote    net.Addr      // of the client, where the socket's peer is somebody in between
	adopted   bool          // a sibling has accepted it
	spoke1    atomic.Bool   // HTTP/1, where HTTP/2 could have come as well
	guard     http1.Guard
	refused   atomic.Pointer[http1.Refusal] // nil: nothing was
	stays     atomic.Bool                   // it could not be handed over, and is drained here
	told      bool                          // the client has been, of that
	crowded   bool                          // beyond the bound: let in to be told; set before it is served
	encrypted bool                          // what passes here is TLS; set before it is served
	keep      time.Duration                 // how long it may stay idle before its first request here; 0: as a new one
	spent     time.Duration                 // of what the client has for the body that is read, see pace
	pacing    bool                          // that is being waited for

	// awaited is what net/http waits for: it sets a deadline when it begins to wait
	// for the first bytes of a next request, and another one when it has them.
	awaited atomic.Int32

	spot   uint64      // where it is parked; guarded by the lot
	away   atomic.Bool // from net/http, see letGo
	until  expiry      // the end of its time, when it was parked
	secure *secure     // over TLS, what http.Server is given; set before it is served

	proxied bool        // it begins with a PROXY header
	served  atomic.Bool // the hooks for a new connection have run, in the accept loop
	once    sync.Once
	bad     error // of reading that; set once

	mu       sync.Mutex    // guards what follows
	deadline time.Time     // of reading, as net/http has set it
	header   time.Duration // the bound that the header of an adopted one's first request has
	nudged   atomic.Int32  // why it was woken; set under mu
	closes   int           // while it is parking
}

// Read is HTTP's own reading of a connection in clear, and TLS's of any other.
func (c *conn) Read(b []byte) (int, error) {
	if c.preamble() != nil {
		return 0, io.EOF // it was said; any other error net/http would answer
	}
	if !c.encrypted {
		return c.receive((*socketOf)(c), b)
	}
	if c.state.Load() == leaving {
		return 0, io.EOF
	}
	n, err := (*socketOf)(c).Read(b)
	if n > 0 && !c.spoke1.Load() {
		c.came(n)
	}
	return n, err
}

// socketOf is the connection as it was accepted, whose reads have the client's pace while
// a body is waited for. It is below TLS: a record there may take longer than a stall.
type socketOf conn

func (c *socketOf) Read(b []byte) (int, error) {
	if !c.pacing || c.timed.Load() {
		return c.Conn.Read(b)
	}
	pace := c.server.pace
	if c.duplex.Load() {
		pace = pace.converse()
	}
	begun := time.Now()
	_ = c.Conn.SetReadDeadline(begun.Add(pace.stall - c.spent))
	n, err := c.Conn.Read(b)
	c.spent = pace.after(c.spent, time.Since(begun), n)
	return n, err
}

// receive is HTTP's reading, from the connection or from the TLS above it. It bounds
// the wait for the rest of a body, where nobody has set another bound; headers and
// idle connections have net/http's. It does not bound the read of a single byte that
// tells net/http, while a handler runs, that the client has left. Of a body that was
// given up nothing more is read: net/http would wait for the rest of it before the
// answer, and after.
func (c *conn) receive(src io.Reader, b []byte) (int, error) {
	for {
		if state := c.state.Load(); state == leaving || state == parking {
			return 0, io.EOF // whoever reads on would take what is a sibling's, or the next one's
		}
		if refused := c.refused.Load(); refused != nil {
			return c.refuse(refused, src)
		}
		if n := c.guard.Take(b); n > 0 {
			if n = c.judge(b[:n]); n > 0 {
				return n, nil
			}
			continue
		}
		if c.guard.Waits() {
			if raw, err := c.SyscallConn(); err == nil {
				return 0, untilGone(raw)
			}
		}
		bounded := len(b) > 1 && c.server.pace.stall > 0 && c.state.Load() == busy && !c.timed.Load() && c.idleMeansSilent()
		if bounded && c.gaveUp.Load() {
			return 0, os.ErrDeadlineExceeded
		}
		c.pacing = bounded
		waits := bounded && !c.duplex.Load()
		if waits {
			c.server.crowd.bodies.Add(1)
		}
		n, err := src.Read(b)
		if c.pacing = false; waits {
			c.server.crowd.bodies.Add(-1)
		}
		if bounded && !c.timed.Load() {
			_ = c.Conn.SetReadDeadline(time.Time{})
			if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				c.gaveUp.Store(true)
			}
		}
		if n > 0 {
			came := n
			if n = c.judge(b[:n]); n > 0 || !c.guard.AtRest() { // else it was an empty line, which begins nothing
				c.came(came)
			}
			if n == 0 && err == nil {
				continue
			}
		}
		if n > 0 || err == nil {
			return n, err
		}
		if err = c.ended(err, len(b) == vacant); err != nil {
			c.slow(err)
			return 0, err
		}
	}
}

// came notes that the client has sent n bytes.
func (c *conn) came(n int) {
	switch state := c.state.Load(); {
	case state == silent, state == idle && c.idleMeansSilent():
		c.state.CompareAndSwap(state, busy)
		if c.keep > 0 {
			c.begin()
		} else if state == idle && n < peeked {
			c.hasten()
		}
	}
	if c.nudged.Load() != notNudged {
		c.settle()
	}
}

// peeked is how many bytes of a next request net/http waits for as if there was none.
const peeked = 4

// hasten bounds the header of a request of which so few have come.
func (c *conn) hasten() {
	bound := c.server.http.ReadHeaderTimeout
	if bound <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(bound); c.deadline.IsZero() || until.Before(c.deadline) {
		_ = c.bound(until)
	}
}

// bound bounds reading, now or when a nudge is over. c.mu is held.
func (c *conn) bound(t time.Time) error {
	c.deadline = t
	if c.nudged.Load() != notNudged {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// begin bounds the header of the first request on an adopted connection.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep = 0
	var until time.Time
	if c.header > 0 {
		until = time.Now().Add(c.header)
	}
	_ = c.bound(until)
}

// SetReadDeadline notes that somebody bounds reading.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	c.awaits()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep > 0 && c.state.Load() == silent {
		// To net/http it is new, and new ones have less patience than idle ones.
		c.header = 0
		if !t.IsZero() {
			c.header = time.Until(t)
		}
		t = c.idleSince().Add(c.keep)
	} else if until, bounded := c.until.take(); bounded && (t.IsZero() || t.After(until)) {
		t = until // nothing had ever come when it was parked: its header has the time that is left
	}
	return c.bound(t)
}

// What net/http waits for on an idle connection, see conn.awaited.
const (
	nothing int32 = iota
	deadlineOfWait
	deadlineOfHeader
)

// awaits notes that a request has begun of which not a byte had to be read: it
// came with the one before, and net/http's buffer had it. The buffer may be empty
// again when the rest is waited for.
func (c *conn) awaits() {
	if !c.awaited.CompareAndSwap(deadlineOfWait, deadlineOfHeader) &&
		c.awaited.CompareAndSwap(deadlineOfHeader, nothing) && c.idleMeansSilent() {
		c.state.CompareAndSwap(idle, busy)
	}
}

// SetDeadline notes that somebody bounds reading.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

// idleMeansSilent: what comes while it is idle is a request. See server.
func (c *conn) idleMeansSilent() bool { return c.server.idleMeansSilent || c.spoke1.Load() }

// rests reports whether net/http can be left by it. A new one can be of any
// protocol, but over TLS before that was agreed on; HTTP/2 has a state that only its
// server knows.
func (c *conn) rests() bool {
	switch c.state.Load() {
	case silent:
		return !c.encrypted || c.spoke1.Load()
	case idle:
		return c.idleMeansSilent()
	}
	return false
}

// canMove reports whether it is in a state in which a sibling can go on with it, as far
// as is known. Over TLS its keys are in this process.
func (c *conn) canMove() bool {
	return !c.encrypted && !c.stays.Load() && (c.state.Load() == parked || c.rests())
}

// speaksHTTP2 reports whether it is idle and does.
func (c *conn) speaksHTTP2() bool {
	if c.state.Load() != idle {
		return false
	}
	return !c.idleMeansSilent()
}

func (c *conn) idleSince() time.Time { return c.since.get() }

// idleFor is how long nothing has been asked on it.
func (c *conn) idleFor() time.Duration { return max(0, time.Since(c.idleSince())) }

// RemoteAddr is the client's address. The hooks for a new connection, which run
// in the accept loop, are not let wait for what its peer may tell: to them it is the peer's.
func (c *conn) RemoteAddr() net.Addr {
	if c.proxied && !c.served.Load() {
		return c.Conn.RemoteAddr()
	}
	_ = c.preamble() // it is the next read's error
	if c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

// Close closes the connection once, and the books on it.
func (c *conn) Close() error {
	if c.isParking() {
		return nil
	}
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	away := c.away.Load()
	if away {
		c.server.lot.remove(c)
	}
	if refused := c.refused.Load(); refused != nil && refused.InBody {
		c.discardArrived()
	}
	err := c.Conn.Close()
	c.settle()
	if away {
		c.endedAway()
	}
	if c.outer != nil {
		c.server.conns.remove(c)
		c.server.board.Closed()
		c.server.siblings.shut()
		c.server.moved()
	}
	return err
}

// CloseWrite half-closes, which net/http does before it gives up on a body.
func (c *conn) CloseWrite() error {
	if inner, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return inner.CloseWrite()
	}
	return nil
}

// SyscallConn is the connection's descriptor, for socket options.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if inner, ok := c.Conn.(syscall.Conn); ok {
		return inner.SyscallConn()
	}
	return nil, syscall.EINVAL
}

// NetConn is the connection that was accepted.
func (c *conn) NetConn() net.Conn { return c.Conn }

// admit makes a conn of what was accepted. The kernel gives the connection up
// when its peer takes nothing for the time of a stall, which costs writing nothing.
// Peers on a unix socket are on this machine, and have no such bound.
func (s *server) admit(accepted net.Conn, d *door) *conn {
	if tcp, ok := accepted.(*net.TCPConn); ok && s.pace.stall > 0 {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.pace.stall.Milliseconds()))
			})
		}
	}
	c := &conn{Conn: accepted, server: s, door: d, proxied: s.told(accepted.RemoteAddr()), guard: http1.New(&s.guards.clear)}
	c.since.set(time.Now())
	return c
}
