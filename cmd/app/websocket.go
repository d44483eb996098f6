package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/worker"
)

// socketEcho sends every message back. It is a plain net/http handler: what takes over its connection needs no more.
type socketEcho struct {
	// spread is the time over which the connections of a draining worker are closed, so that their clients do not
	// all come back in the same moment.
	spread time.Duration
}

func (e socketEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	draining := worker.Draining(r.Context())
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(16 << 20)

	// After the handshake the request's context no longer says whether the client is there: reading does.
	ctx, stop := context.WithCancel(context.WithoutCancel(r.Context()))
	var closer sync.WaitGroup
	closer.Go(func() {
		select {
		case <-draining:
			e.closeForRestart(ctx, conn)
		case <-ctx.Done():
		}
	})
	code, reason := echoMessages(ctx, conn)
	stop()
	closer.Wait()
	_ = conn.Close(code, reason) // does nothing when either side has closed already
}

func (e socketEcho) closeForRestart(ctx context.Context, conn *websocket.Conn) {
	timer := time.NewTimer(rand.N(e.spread))
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = conn.Close(websocket.StatusServiceRestart, "restarting, come back")
	case <-ctx.Done():
	}
}

// echoMessages ends when the connection does, or with a fault of the client's: then it says how to close.
func echoMessages(ctx context.Context, conn *websocket.Conn) (websocket.StatusCode, string) {
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return websocket.StatusNormalClosure, ""
		}
		if kind == websocket.MessageText && !utf8.Valid(message) {
			return websocket.StatusInvalidFramePayloadData, "text that is not UTF-8" // the library leaves this to us
		}
		if err := writeMessage(ctx, conn, kind, message); err != nil {
			return websocket.StatusPolicyViolation, "too slow"
		}
	}
}

// writeMessage gives up on a client that does not read.
func writeMessage(ctx context.Context, conn *websocket.Conn, kind websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the client does not read"))
	defer cancel()
	return conn.Write(ctx, kind, message)
}
