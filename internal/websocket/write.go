package websocket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// keptBuffer is the largest buffer that is kept for the next write, in bytes.
const keptBuffer = 64 << 10

// buffers hold frames while they are written: the header, right before the payload.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Write sends one message, in one frame. It waits for those that write already;
// when ctx ends meanwhile it returns the cause, and nothing was sent. Once it has
// begun the message goes out whole, or the connection fails: within the write
// timeout, or before the deadline of ctx if that is earlier. A text must be UTF-8.
func (c *Conn) Write(ctx context.Context, op ws.OpCode, payload []byte) error {
	if op != ws.OpText && op != ws.OpBinary {
		return fmt.Errorf("write a WebSocket message: kind %d is neither text nor binary", op)
	}
	if op == ws.OpText && !utf8.Valid(payload) {
		return errors.New("write a WebSocket message: the text is not UTF-8")
	}
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	bound := time.Now().Add(c.cfg.WriteTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(bound) {
		bound = d
	}
	return c.frame(op, payload, bound)
}

// control sends a control frame.
func (c *Conn) control(op ws.OpCode, payload []byte) error {
	if err := c.lock(context.Background()); err != nil {
		return err
	}
	defer c.unlock()
	return c.frame(op, payload, time.Now().Add(c.cfg.WriteTimeout))
}

// Close sends a close frame, after which nothing can be written and the client
// has [CloseTimeout] to answer. Code 0 sends an empty one. It returns ErrClosed if
// one was sent before, or the connection has ended.
func (c *Conn) Close(code int, reason string) error {
	select {
	case <-c.ended: // it is closed in the way that it ended
		return ErrClosed
	default:
		return c.close(code, reason)
	}
}

func (c *Conn) close(code int, reason string) error {
	var body []byte
	switch {
	case code == 0 && reason == "":
	case !sendable(code):
		return fmt.Errorf("close a WebSocket: %d is not a code that may be sent", code)
	case len(reason) > ws.MaxControlFramePayloadSize-2:
		return fmt.Errorf("close a WebSocket: the reason has %d bytes, %d fit", len(reason), ws.MaxControlFramePayloadSize-2)
	case !utf8.ValidString(reason):
		return errors.New("close a WebSocket: the reason is not UTF-8")
	default:
		body = ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	}
	if err := c.lock(context.Background()); err != nil {
		return err
	}
	defer c.unlock()
	err := c.frame(ws.OpClose, body, time.Now().Add(min(CloseTimeout, c.cfg.WriteTimeout)))
	if err == nil {
		c.closeSent = true
		_ = c.net.SetReadDeadline(time.Now().Add(CloseTimeout))
	}
	return err
}

// lock waits for its turn to write.
func (c *Conn) lock(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Conn) unlock() { <-c.writing }

// frame writes one frame, with the lock held.
func (c *Conn) frame(op ws.OpCode, payload []byte, bound time.Time) error {
	if c.closeSent {
		return ErrClosed
	}
	held := buffers.Get().(*[]byte)
	buf := append((*held)[:0], make([]byte, ws.MaxHeaderSize)...)
	h := ws.Header{Fin: true, OpCode: op}
	if c.deflate != nil && op.IsData() && len(payload) >= compressFrom {
		if buf = c.deflate.compress(buf, payload); len(buf)-ws.MaxHeaderSize < len(payload) {
			h.Rsv = ws.Rsv(true, false, false)
		} else {
			buf = buf[:ws.MaxHeaderSize] // it got no shorter
		}
	}
	if !h.Rsv1() {
		buf = append(buf, payload...)
	}
	h.Length = int64(len(buf) - ws.MaxHeaderSize)
	begin := ws.MaxHeaderSize - ws.HeaderSize(h)
	putHeader(buf[begin:begin], h)

	_ = c.net.SetWriteDeadline(bound)
	_, err := c.net.Write(buf[begin:])
	if *held = buf; cap(buf) <= keptBuffer {
		buffers.Put(held)
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = ErrSlow
		}
		err = fmt.Errorf("write to a WebSocket: %w", err)
		c.fail(err)
	}
	return err
}

// putHeader writes a frame header of ours in place.
func putHeader(b []byte, h ws.Header) {
	var scratch [ws.MaxHeaderSize]byte
	w := appender{b}
	_ = ws.WriteHeaderBuffer(&w, h, scratch[:]) // the length is that of a slice
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
