package strict

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Answer is a whole response as it came.
type Answer struct {
	ID       string // of the request
	Sent     string // its body
	Status   int
	Header   http.Header
	Body     []byte        // whole, or for Observe alone its first 256 bytes
	Close    bool          // the server ends the connection after it
	Unframed bool          // nothing but the end of the connection ended it
	FirstIn  time.Duration // until its first byte
	Protocol string
}

type request struct {
	id, method, target, body string
	host, agent              string
	kind                     string // of the body
	close                    bool
	unframed                 bool // its answer may end with the connection
	unread                   bool // nobody looks at the body of its answer
	pace                     time.Duration
}

// conn is a connection that remembers what it has been used for.
type conn struct {
	net.Conn
	br     *bufio.Reader
	in     *counted
	nth    int    // requests sent on it
	lastID string // of the request answered last
	lastAt time.Time
	idled  time.Duration // before the request under way
	tag    string
}

// counted counts bytes, to tell "closed before any reply" from "half a reply".
type counted struct {
	net.Conn
	n       int
	firstAt time.Time
	err     error // of the last read: a cut head comes out of the parser as a malformed one
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.n == 0 {
		c.firstAt = time.Now()
	}
	c.n += n
	c.err = err
	return n, err
}

func (l Load) open(ctx context.Context, deadline time.Time) (*conn, error) {
	network, addr := "tcp", l.Addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	d := net.Dialer{Deadline: deadline}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if l.TLS != nil {
		secure := tls.Client(c, l.TLS)
		err := c.SetDeadline(deadline)
		if err == nil {
			err = secure.HandshakeContext(ctx)
		}
		if err != nil {
			c.Close()
			return nil, &handshakeError{err}
		}
		c = secure
	}
	in := &counted{Conn: c}
	return &conn{Conn: c, in: in, br: bufio.NewReader(in)}, nil
}

// handshakeError: the connection came about, and TLS on it did not.
type handshakeError struct{ cause error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.cause.Error() }

func (e *handshakeError) Unwrap() error { return e.cause }

// connectFailure tells a server that is not there from a client that has run
// out of something.
func connectFailure(err error) (Outcome, string) {
	var handshake *handshakeError
	switch {
	case errors.As(err, &handshake):
		return Lost, handshakeFailure(handshake.cause)
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, "connection refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return Refused, "no answer to the connect"
	case errors.Is(err, syscall.ENOENT):
		return Refused, "no socket file"
	case errors.Is(err, syscall.EAGAIN): // a unix socket whose queue is full
		return Refused, "queue full"
	}
	return Fault, err.Error()
}

func handshakeFailure(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout in the TLS handshake"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset in the TLS handshake"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed in the TLS handshake"
	}
	return "TLS handshake: " + err.Error()
}

// headOfBody is what is kept of a body that nobody checks.
const headOfBody = 256

// exchange sends r and reads its whole answer. Its errors say how the request
// was lost.
func (c *conn) exchange(r request, deadline time.Time) (Answer, error) {
	c.nth++
	c.in.n, c.in.err = 0, nil
	if err := c.SetDeadline(deadline); err != nil {
		return Answer{}, fmt.Errorf("setting the deadline: %w", err)
	}
	begin := time.Now()
	c.idled = 0
	if !c.lastAt.IsZero() {
		c.idled = begin.Sub(c.lastAt)
	}
	if err := c.send(r, deadline); err != nil {
		return Answer{}, c.lost("while sending", err, begin)
	}
	for {
		resp, err := http.ReadResponse(c.br, &http.Request{Method: r.method})
		if err != nil {
			return Answer{}, c.lost("before the answer", err, begin)
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		unframed := resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && r.method != http.MethodHead
		if unframed && !r.unframed {
			// The end of such a body cannot be told from a cut.
			return Answer{}, errors.New("answer without a length")
		}
		var body []byte
		if r.unread {
			if body, err = io.ReadAll(io.LimitReader(resp.Body, headOfBody)); err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
		} else {
			body, err = io.ReadAll(resp.Body)
		}
		if err != nil {
			return Answer{}, c.lost("within the answer", err, begin)
		}
		c.lastID, c.lastAt = r.id, time.Now()
		return Answer{
			ID: r.id, Sent: r.body, Status: resp.StatusCode, Header: resp.Header, Body: body,
			Close: resp.Close || r.close || unframed, Unframed: unframed, FirstIn: c.in.firstAt.Sub(begin), Protocol: resp.Proto,
		}, nil
	}
}

func (c *conn) send(r request, deadline time.Time) error {
	var b strings.Builder
	b.WriteString(r.method + " " + r.target + " HTTP/1.1\r\nHost: " + r.host + "\r\nUser-Agent: " + r.agent + "\r\nX-Request-Id: " + r.id + "\r\n")
	if r.close {
		b.WriteString("Connection: close\r\n")
	}
	if r.body != "" {
		b.WriteString("Content-Type: " + r.kind + "\r\nContent-Length: " + strconv.Itoa(len(r.body)) + "\r\n")
	}
	b.WriteString("\r\n")
	if r.pace <= 0 {
		b.WriteString(r.body)
		_, err := io.WriteString(c, b.String())
		return err
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return err
	}
	const parts = 8
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for i := range parts {
		from, to := i*len(r.body)/parts, (i+1)*len(r.body)/parts
		if _, err := io.WriteString(c, r.body[from:to]); err != nil {
			return err
		}
		if i < parts-1 {
			wait(ctx, r.pace/(parts-1))
		}
	}
	return nil
}

// lost puts an error of the socket into words that can be counted.
func (c *conn) lost(when string, err error, begin time.Time) error {
	got := "before any reply"
	if c.in.n > 0 {
		got = "within the reply"
	} else if when == "while sending" {
		got = when
	}
	if c.in.err != nil {
		err = c.in.err
	}
	var what string
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("timeout after %s, %s", time.Since(begin).Round(time.Millisecond), got)
	case errors.Is(err, syscall.ECONNRESET):
		what = "reset"
	case errors.Is(err, syscall.EPIPE):
		what = "broken pipe"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "closed"
	default:
		return fmt.Errorf("malformed reply: %w", err)
	}
	return fmt.Errorf("%s %s", what, got)
}

// quiet reads on the idle connection until the given time and reports whether
// nothing came: no byte, no end.
func (c *conn) quiet(until time.Time) bool {
	if c.br.Buffered() > 0 {
		return false
	}
	if c.SetReadDeadline(until) != nil {
		return false
	}
	_, err := c.br.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// idle is the last look before a request is written: it asks the kernel, so
// that what has arrived by now is seen.
func (c *conn) idle() bool {
	if c.br.Buffered() > 0 {
		return false
	}
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		// Of TLS the kernel knows bytes that are no answer, such as session tickets.
		return c.quiet(time.Now().Add(time.Millisecond))
	}
	raw, err := sc.SyscallConn()
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	quiet := false
	var b [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && quiet
}

// unasked returns the beginning of what came without a request.
func (c *conn) unasked() string {
	if c.br.Buffered() == 0 {
		if c.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
			return ""
		}
		if _, err := c.br.Peek(1); err != nil {
			return ""
		}
	}
	b, _ := c.br.Peek(min(c.br.Buffered(), 40))
	return strconv.Quote(string(b))
}

// timedOut says whether what came without a request is the head of a 408.
func (c *conn) timedOut() bool {
	const head = "HTTP/1.1 408 "
	if c.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	b, err := c.br.Peek(len(head))
	return err == nil && (string(b) == head || string(b) == "HTTP/1.0 408 ")
}

// finish reads to the end of a connection that the server is to close, and
// returns what came after the answer. It waits no longer than a second: to
// close late is no fault.
func (c *conn) finish(deadline time.Time) string {
	if soon := time.Now().Add(time.Second); soon.Before(deadline) {
		deadline = soon
	}
	if c.SetReadDeadline(deadline) != nil {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(c.br, 40))
	if len(b) == 0 {
		return ""
	}
	return strconv.Quote(string(b))
}

// wake ends a wait on the connection now.
func (c *conn) wake() { _ = c.SetDeadline(time.Unix(1, 0)) }
