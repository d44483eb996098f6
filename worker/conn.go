package worker

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stallTimeout is how long a client may send nothing of a body that it has
// begun, or take nothing of an answer. A slow one that gets on is not bounded,
// nor is a stream that has nothing to say.
const stallTimeout = time.Minute

// What a connection is doing. It is closed without loss while it is silent or
// idle, and at no other time.
const (
	silent   int32 = iota // accepted, and nothing has come
	busy                  // a request is being read, handled or answered
	idle                  // answered, and nothing has come since
	hijacked              // its handler's own, a WebSocket
	leaving               // closed by the drain
)

// conn is an accepted connection that knows what it is doing. net/http counts it
// as idle until a whole header has come; here the first byte ends that.
type conn struct {
	net.Conn
	server *server
	state  atomic.Int32
	closed atomic.Bool
	timed  atomic.Bool // net/http or a handler has set a read deadline of its own
	outer  net.Conn    // what http.Server calls it: itself, or TLS around it. Set before it is served
}

// Read bounds the wait for the rest of a body, where nobody has set another
// bound; headers and idle connections have net/http's. It does not bound the
// read of a single byte that tells net/http, while a handler runs, that the client has
// left, nor what comes over TLS, where one cannot be told from the other.
func (c *conn) Read(b []byte) (int, error) {
	bounded := len(b) > 1 && c.state.Load() == busy && !c.timed.Load() && c.server.idleMeansSilent
	if bounded {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.server.stall))
	}
	n, err := c.Conn.Read(b)
	if bounded && !c.timed.Load() {
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
	if n > 0 {
		switch state := c.state.Load(); {
		case state == silent, state == idle && c.server.idleMeansSilent:
			c.state.CompareAndSwap(state, busy)
		}
	}
	return n, err
}

// SetReadDeadline notes that somebody bounds reading.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline notes that somebody bounds reading.
func (c *conn) SetDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// Close closes the connection once, and the books on it.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	err := c.Conn.Close()
	if c.outer != nil {
		c.server.conns.remove(c)
		c.server.board.Closed()
		c.server.moved()
	}
	return err
}

// ReadFrom keeps sendfile and splice working through the wrapping.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if inner, ok := c.Conn.(io.ReaderFrom); ok {
		return inner.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
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
func (s *server) admit(accepted net.Conn) *conn {
	if tcp, ok := accepted.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.stall.Milliseconds()))
			})
		}
	}
	return &conn{Conn: accepted, server: s}
}

// conns are the open ones, those of hijackers among them.
type conns struct {
	mu  sync.Mutex
	set map[*conn]struct{}
}

func (s *conns) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set[c] = struct{}{}
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, c)
}

// liftMinHops is for connections that were accepted before the drain began.
func (s *conns) liftMinHops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.set {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { liftMinHops(int(fd)) })
		}
	}
}

// count says how many connections are in the middle of something, and how many
// are open in all; hijacked ones are neither, their handlers are waited for.
func (s *conns) count() (inUse, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.set {
		switch c.state.Load() {
		case busy:
			inUse++
			open++
		case silent, idle:
			open++
		}
	}
	return inUse, open
}

// closeAll closes the connections in one of the states, and says how many.
func (s *conns) closeAll(states ...int32) int {
	var chosen []*conn
	s.mu.Lock()
	for c := range s.set {
		for _, state := range states {
			// From here on it is not in that state for anybody else: a byte that
			// comes first makes it busy, and it is left alone.
			if c.state.CompareAndSwap(state, leaving) {
				chosen = append(chosen, c)
				break
			}
		}
	}
	s.mu.Unlock()
	for _, c := range chosen {
		_ = c.outer.Close()
	}
	return len(chosen)
}
