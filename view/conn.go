package view

import (
	"context"
	"errors"
	"fmt"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/internal/websocket"
)

// Kind is the kind of a WebSocket's message.
type Kind uint8

// The kinds. A text is UTF-8, both ways.
const (
	TextMessage   = Kind(ws.OpText)
	BinaryMessage = Kind(ws.OpBinary)
)

// String gives "text" or "binary".
func (k Kind) String() string {
	switch k {
	case TextMessage:
		return "text"
	case BinaryMessage:
		return "binary"
	}
	return "unknown"
}

// Close codes of RFC 6455 and its registry that a handler has use for. Those from
// 4000 to 4999 are the application's own.
const (
	CloseNormal         = 1000
	CloseGoingAway      = 1001
	ClosePolicy         = 1008
	CloseInternalError  = 1011
	CloseServiceRestart = 1012
	CloseTryAgainLater  = 1013
	CloseNone           = 1005 // of a CloseError: the client gave no code
)

// CloseError says that the client has closed the WebSocket.
type CloseError struct {
	Code   int // CloseNone if it gave none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the client closed the WebSocket with code %d and reason %q", e.Code, e.Reason)
}

// ofView makes an error of package websocket one of this package.
func ofView(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return &CloseError{closed.Code, closed.Reason}
	}
	return err
}

// Conn is an open WebSocket. It belongs to the function that [WebSocket] runs and is
// closed after it. Its methods are safe for concurrent use; of several readers
// each message goes to one.
type Conn struct {
	r           *Request
	view        *WebSocketView
	ws          *websocket.Conn
	subprotocol string
	ctx         context.Context
	end         context.CancelCauseFunc
	drain       context.Context // nil: no worker
	release     func()          // tells the worker that it is over; may be nil
}

// Request is the request that opened the WebSocket, with what middleware has put there.
func (c *Conn) Request() *Request { return c.r }

// Subprotocol is what was agreed on of [Subprotocols]; "" for none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Read waits for the next message, which then is the caller's. Pings and close
// frames are seen to whether anybody reads or not, as long as no message waits to be read.
//
// When ctx ends, at a drain too, Read returns its cause and the connection goes
// on: another Read with another ctx gets the next message. When the connection has
// ended Read says how: a [*CloseError] if the client closed it.
func (c *Conn) Read(ctx context.Context) (Kind, []byte, error) {
	op, payload, err := c.ws.Read(ctx)
	return Kind(op), payload, ofView(err)
}

// Write sends one message; payload is not kept. Several writers take turns. It waits
// no longer than the [WriteTimeout], and the deadline of ctx; a message that is not
// out by then ends the connection. A ctx that has ended because of a drain does not
// stop it, so that a handler can say goodbye; any other does, before it has begun. A
// text that is not UTF-8 is an error, and nothing is sent.
func (c *Conn) Write(ctx context.Context, kind Kind, payload []byte) error {
	err := c.ws.Write(ctx, ws.OpCode(kind), payload)
	if errors.Is(err, ErrDraining) {
		err = c.ws.Write(context.WithoutCancel(ctx), ws.OpCode(kind), payload)
	}
	return err
}

// Close sends a close frame; nothing can be written after it. The client has five
// seconds to answer, and Read gets what it sent before its answer; the handler
// need not wait, it just returns. The code is one that may be sent, such as [CloseNormal], the
// reason at most 123 bytes of UTF-8; else nothing is sent.
func (c *Conn) Close(code int, reason string) error {
	if code == 0 {
		return errors.New("close a WebSocket: 0 is not a code that may be sent")
	}
	return c.ws.Close(code, reason)
}
