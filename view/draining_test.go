package view_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/view"
)

// piped is a ResponseWriter whose connection is a pipe, so that time can be made up.
type piped struct {
	http.ResponseWriter
	conn net.Conn
}

func (p *piped) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.conn, bufio.NewReadWriter(bufio.NewReader(p.conn), bufio.NewWriter(p.conn)), nil
}

// pipe opens a WebSocket of h's.
func pipe(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	r := httptest.NewRequest("GET", "/ws", nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(&piped{w, server}, r)
	if w.Code != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake was answered with %d %s", w.Code, w.Body)
	}
	return client
}

// closeCode is the code of the close frame that comes, which it answers as it does the
// pings before it.
func closeCode(t *testing.T, c net.Conn) int {
	t.Helper()
	h, err := ws.ReadHeader(c)
	for ; err == nil && h.OpCode == ws.OpPing; h, err = ws.ReadHeader(c) {
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewPongFrame(nil))); err != nil {
			t.Error(err)
		}
	}
	if err != nil || h.OpCode != ws.OpClose {
		t.Errorf("got %+v, %v, want a close frame", h, err)
		return 0
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Error(err)
	}
	if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(b))); err != nil {
		t.Error(err)
	}
	return int(binary.BigEndian.Uint16(b))
}

// They must not all come back in the same moment.
func TestAThousandWebSocketsAreLetGoOverTheSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(echo))})
		server := newDraining(s)
		left := make(chan time.Duration, n)
		var begun time.Time
		for range n {
			c := pipe(t, server)
			go func() {
				if code := closeCode(t, c); code != view.CloseServiceRestart {
					t.Errorf("closed with %d", code)
				}
				left <- time.Since(begun)
			}()
		}
		time.Sleep(time.Hour) // nothing ends before the drain
		begun = time.Now()
		server.drain()
		var tenths [20]int
		for range n {
			after := <-left
			if after >= view.DefaultDrainSpread {
				t.Fatalf("one was closed after %v", after)
			}
			tenths[after*20/view.DefaultDrainSpread]++
		}
		for i, m := range tenths {
			if m < n/60 || m > n/10 {
				t.Errorf("%d of %d were closed in the %dth twentieth of the spread: %v", m, n, i+1, tenths)
			}
		}
		for range n {
			<-server.freed
		}
	})
}

func TestAWebSocketThatDoesNotHeedADrainIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := make(chan error, 1)
		s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(_ context.Context, c *view.Conn) error {
			_, _, err := c.Read(context.Background())
			returned <- err
			return err
		}))})
		server := newDraining(s)
		c := pipe(t, server)
		begun := time.Now()
		server.drain()
		if code := closeCode(t, c); code != view.CloseServiceRestart {
			t.Errorf("closed with %d", code)
		}
		if took := time.Since(begun); took < 5*time.Second || took >= 5*time.Second+view.DefaultDrainSpread {
			t.Errorf("closed after %v", took)
		}
		var closed *view.CloseError
		if err := <-returned; !errors.As(err, &closed) || closed.Code != view.CloseServiceRestart {
			t.Errorf("Read: %v", err)
		}
		<-server.freed
	})
}

// A deadline or a middleware's end is not the connection's.
func TestAWebSocketOutlivesTheRequestsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
			time.Sleep(time.Hour)
			return ctx.Err()
		}))})
		s.Use(view.Use(func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				return next(ctx, r)
			}
		}))
		if code := closeCode(t, pipe(t, s)); code != view.CloseNormal {
			t.Errorf("closed with %d", code)
		}
	})
}
