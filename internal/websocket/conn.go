// Package websocket is the server's side of RFC 6455 and RFC 7692 on a connection
// that has been taken over from net/http.
//
// The invariant: nothing that the protocol forbids reaches the application, and
// no memory is held for what has only been announced. Frames, close codes and
// the text's UTF-8 are checked as the bytes come, so that a fault is answered
// before the rest of its message; a message takes at most twice the memory of
// what has arrived of it, and never more than its limit, compressed or not.
//
//	agreed, refusal := websocket.Check(r, options)
//	// answer with refusal, or with agreed.Header and 101; take the connection over
//	c := websocket.New(conn, early, config, agreed.Deflate)
//	go c.Run()
//	kind, message, err := c.Read(ctx)
//
// Frame headers and masks are gobwas/ws's.
package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// CloseTimeout is how long the client has to answer a close frame, and to take it. We
// take no longer to answer its: so long may the answer to a message take that came right
// before it.
const CloseTimeout = 5 * time.Second

// inBuffer is the size of the buffer that an idle connection keeps, in bytes. What
// is longer is read past it.
const inBuffer = 256

var (
	// ErrClosed is returned by a write after a close frame.
	ErrClosed = errors.New("the WebSocket is closed")

	// ErrSlow ends a connection whose client does not take what is written.
	ErrSlow = errors.New("the WebSocket's client does not read what it is sent")

	// ErrSilent ends a connection whose client does not answer pings.
	ErrSilent = errors.New("the WebSocket's client does not answer pings")
)

// CloseError is how a connection ended that its client has closed.
type CloseError struct {
	Code   int // 1005: the client gave none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the client closed the WebSocket with code %d and reason %q", e.Code, e.Reason)
}

// Violation is how a connection ended whose client did what the protocol forbids.
type Violation struct {
	Code    int    // sent in the close frame
	Message string // sent as its reason
}

func (e *Violation) Error() string {
	return fmt.Sprintf("WebSocket violation (close code %d): %s", e.Code, e.Message)
}

func violation(code int, format string, args ...any) error {
	return &Violation{code, fmt.Sprintf(format, args...)}
}

// Config is what connections have in common.
type Config struct {
	ReadLimit    int64         // the longest message, in bytes, after decompression
	WriteTimeout time.Duration // for one write
	KeepAlive    time.Duration // how often a silent client is pinged; 0: never
}

type message struct {
	op      ws.OpCode
	payload []byte
}

// Conn is a connection. Run reads it, from beginning to end; all other methods
// are safe for concurrent use.
type Conn struct {
	net     net.Conn
	in      *bufio.Reader
	cfg     *Config
	deflate *Deflate // nil: not agreed on

	messages chan message  // one of kind 0: the end, see letAnswer
	writing  chan struct{} // holds one token while somebody writes
	unread   chan struct{} // closed when nobody will Read any more
	ended    chan struct{} // closed when it is known that, and why, it has ended
	err      error         // why; set before ended is closed

	closeSent bool // guarded by writing
	once      sync.Once
	failed    atomic.Pointer[error] // why it was cut by us
	heard     atomic.Int64          // when the client last sent something, Unix ns
	waited    atomic.Bool           // a message waits for its reader
	pinged    int64                 // what heard was at the last ping; keepAlive's

	scratch [ws.MaxHeaderSize]byte // Run's
}

// New makes a Conn of a connection that is its own from then on. early is what
// came behind the handshake.
func New(c net.Conn, early []byte, cfg *Config, deflate *Deflate) *Conn {
	ws := &Conn{
		net: c, cfg: cfg, deflate: deflate,
		messages: make(chan message), writing: make(chan struct{}, 1),
		unread: make(chan struct{}), ended: make(chan struct{}),
	}
	var src io.Reader = (*ear)(ws)
	if len(early) > 0 {
		src = io.MultiReader(bytes.NewReader(early), src)
	}
	ws.in = bufio.NewReaderSize(src, inBuffer)
	return ws
}

// ear reads the network, and notes that the client is there.
type ear Conn

func (e *ear) Read(b []byte) (int, error) {
	n, err := e.net.Read(b)
	if n > 0 && e.cfg.KeepAlive > 0 {
		e.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Ended is closed when the connection has ended: nothing more can be read, and
// nothing of use written.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Run reads the connection until it ends, and tells why as soon as that is known:
// a *CloseError, a *Violation, or an error of the network. It answers pings and
// close frames, and returns when the connection is closed. One message at a time
// waits for its Read, and nothing is read meanwhile.
//
// An end that comes behind a message waits for whoever has that message, until they ask
// for the next one, but no longer than [CloseTimeout]. So the answer to it goes out first.
func (c *Conn) Run(told func(why error)) {
	c.heard.Store(time.Now().UnixNano())
	var timer *time.Timer
	if d := c.cfg.KeepAlive; d > 0 {
		ready := make(chan struct{})
		timer = time.AfterFunc(d, func() { <-ready; c.keepAlive(timer) })
		close(ready)
	}
	err := c.receive()
	if why := c.failed.Load(); why != nil {
		err = *why
	}
	c.err = err
	close(c.ended)
	told(err)
	c.leave(err)
	if timer != nil {
		timer.Stop()
	}
}

func (c *Conn) receive() error {
	for first := true; ; first = false {
		m, err := c.next()
		if err != nil {
			if !first {
				c.letAnswer(err)
			}
			return err
		}
		c.waited.Store(true)
		select {
		case c.messages <- m:
		case <-c.unread:
		}
		c.heard.Store(time.Now().UnixNano()) // who was not listened to was not silent
		c.waited.Store(false)
	}
}

// letAnswer waits for who has the last message.
func (c *Conn) letAnswer(end error) {
	var (
		closed *CloseError
		bad    *Violation
	)
	if !errors.As(end, &closed) && !errors.As(end, &bad) {
		return // there is nobody to answer
	}
	timer := time.NewTimer(CloseTimeout)
	defer timer.Stop()
	select {
	case c.messages <- message{}:
	case <-c.unread:
	case <-timer.C:
	}
}

// leave ends the connection in the way that err asks for.
func (c *Conn) leave(err error) {
	defer c.net.Close()
	var (
		closed *CloseError
		bad    *Violation
	)
	switch {
	case errors.As(err, &closed):
		code := closed.Code
		if code == int(ws.StatusNoStatusRcvd) {
			code = 0 // an empty one for an empty one
		}
		if err := c.close(code, ""); err == nil || errors.Is(err, ErrClosed) {
			c.linger()
		}
	case errors.As(err, &bad):
		if c.close(bad.Code, bad.Message) == nil {
			c.linger()
		}
	}
}

// linger lets the client take the close frame: what it has sent and nobody has
// read would make the kernel reset the connection, and the frame would be lost. A
// client that has sent its own close frame should send no more; some do.
func (c *Conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.net.SetReadDeadline(time.Now().Add(CloseTimeout))
	_, _ = io.Copy(io.Discard, c.net)
}

// fail cuts the connection.
func (c *Conn) fail(why error) {
	c.failed.CompareAndSwap(nil, &why)
	_ = c.net.Close()
}

// Read waits for the next message, which is the caller's. When ctx ends it
// returns the cause, and the connection is as before: the message is the next
// Read's. When the connection has ended it says why.
func (c *Conn) Read(ctx context.Context) (ws.OpCode, []byte, error) {
	if ctx.Err() != nil {
		return 0, nil, context.Cause(ctx)
	}
	select {
	case m := <-c.messages:
		if m.op == 0 {
			<-c.ended
			return 0, nil, c.err
		}
		return m.op, m.payload, nil
	case <-c.ended:
		return 0, nil, c.err
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
}

// Finish ends a connection that nobody will read from any more, in order: it
// sends a close frame if none was sent, and Run returns when the client has
// answered it or has had the time to.
func (c *Conn) Finish(code int, reason string) {
	c.once.Do(func() { close(c.unread) })
	_ = c.Close(code, reason)
}

// keepAlive pings a client of which nothing is heard, and gives up one that is silent
// for as long again. That counts from the ping, and not from when something was heard:
// the timer may be late, or the clock have been set, and whoever was not asked has not
// refused to answer. One whose message waits to be read cannot be heard.
func (c *Conn) keepAlive(again *time.Timer) {
	heard, next := c.heard.Load(), c.cfg.KeepAlive
	quiet := time.Since(time.Unix(0, heard))
	switch {
	case c.waited.Load():
	case quiet < c.cfg.KeepAlive:
		next -= max(0, quiet)
	case heard == c.pinged:
		c.fail(ErrSilent)
		return
	default:
		if c.control(ws.OpPing, nil) != nil {
			return
		}
		c.pinged = heard
	}
	select {
	case <-c.ended:
	default:
		again.Reset(next)
	}
}
